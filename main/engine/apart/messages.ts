import type { EngineDescription, Graph, Node, Value } from '../core'

/** An input of a run: numbers, or the key of what the process holds. */
export type SentInput = Float32Array | Int32Array | { readonly resident: number }

/** A graph as it is sent: lists alone, which every channel carries. */
export interface SentGraph {
  readonly inputs: readonly (readonly [string, Value])[]
  readonly constants: readonly (readonly [Value, Float32Array])[]
  readonly nodes: readonly Node[]
  readonly outputs: readonly (readonly [string, Value])[]
}

export const sentGraph = ({ inputs, constants, nodes, outputs }: Graph): SentGraph => ({
  inputs: [...inputs],
  constants: [...constants],
  nodes,
  outputs: [...outputs]
})

export const graphOf = ({ inputs, constants, nodes, outputs }: SentGraph): Graph => ({
  inputs: new Map(inputs),
  constants: new Map(constants),
  nodes,
  outputs: new Map(outputs)
})

/** The answer where the device's memory is short, since an error would cross as words alone. */
export interface Short {
  readonly short: string
}

export const isShort = (answer: Short | Readonly<Record<string, Float32Array>> | null): answer is Short =>
  typeof answer?.short === 'string'

/** What a process that computes answers, opened with `Options`. Keys of residents and programs are the caller's. */
export interface ExecutorCalls<Options> {
  readonly open: { readonly parameters: Options; readonly result: EngineDescription }
  /** A part of a resident, from `offset` on, in their order; the tensor is made when the last one has come. */
  readonly putResident: {
    readonly parameters: {
      readonly key: number
      readonly shape: readonly number[]
      readonly offset: number
      readonly values: Float32Array
    }
    readonly result: null
  }
  readonly dropResident: { readonly parameters: { readonly key: number }; readonly result: null }
  readonly compile: {
    readonly parameters: { readonly key: number; readonly graph: SentGraph }
    readonly result: null | Short
  }
  readonly run: {
    readonly parameters: { readonly program: number; readonly inputs: Readonly<Record<string, SentInput>> }
    readonly result: Record<string, Float32Array> | Short
  }
  readonly release: { readonly parameters: { readonly program: number }; readonly result: null }
}
