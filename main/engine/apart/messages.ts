import type { EngineDescription } from '../executor'
import type { Graph } from '../graph'

/** An input of a run: numbers, or the key of what the process holds. */
export type SentInput = Float32Array | Int32Array | { readonly resident: number }

/** What a process that computes answers, opened with `Options`. Keys of residents and programs are the caller's. */
export interface ExecutorCalls<Options> {
  readonly open: { readonly parameters: Options; readonly result: EngineDescription }
  /** A part of a resident, from `offset` on, in their order; the tensor is made when the last one has come. */
  readonly putResident: {
    readonly parameters: { readonly key: number; readonly shape: readonly number[]; readonly offset: number; readonly values: Float32Array }
    readonly result: null
  }
  readonly compile: { readonly parameters: { readonly key: number; readonly graph: Graph }; readonly result: null }
  readonly run: { readonly parameters: { readonly program: number; readonly inputs: Readonly<Record<string, SentInput>> }; readonly result: Record<string, Float32Array> }
  readonly release: { readonly parameters: { readonly program: number }; readonly result: null }
}
