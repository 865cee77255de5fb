import type { EngineDescription, Graph, Node, Value } from '../core'

/** An input of a run: numbers, or the key of a resident in the process. */
export type SentInput = Float32Array | Int32Array | { readonly resident: number }

/** A graph as it is sent. Only lists, which every channel supports. */
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

/** Answer for a device that is short of memory, because an error would arrive as text only. */
export interface Short {
  readonly short: string
}

export const isShort = (answer: Short | Readonly<Record<string, Float32Array>> | null): answer is Short =>
  typeof answer?.short === 'string'

/**
 * Calls of a process with an executor, opened with `Options`. The caller chooses the keys of residents and programs.
 */
export interface ExecutorCalls<Options> {
  readonly open: { readonly parameters: Options; readonly result: EngineDescription }
  /** Part of a resident, beginning at `offset`. Parts arrive in order, and the tensor is created after the last. */
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
