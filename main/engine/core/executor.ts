import type { Graph } from './graph'

/** Identity of an engine, recorded with every run. */
export interface EngineDescription {
  readonly name: string
  readonly device: string
  readonly precision: string
  readonly version: string
}

/**
 * A tensor kept where the executor computes, such as weights or activations at w*. It is stored once and used in many
 * runs of many programs.
 */
export interface Resident {
  readonly shape: readonly number[]
  readonly handle: unknown
}

export type Bound = Float32Array | Int32Array | Resident

export const isResident = (bound: Bound): bound is Resident => !ArrayBuffer.isView(bound)

export interface Program {
  /**
   * Runs the graph. `inputs` has every input by name, as row-major arrays in the graph's shapes. Returns every output
   * by name.
   */
  run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>>
  dispose(): Promise<void>
}

/** Device memory is too short for a program or a run. Everything allocated for it has been freed. */
export class OutOfDeviceMemory extends Error {}

export interface Executor {
  readonly description: EngineDescription
  /** Whether it computes in its own memory, to which inputs are copied in every run. */
  readonly apart?: boolean
  /** Device memory in bytes that programs may use; undefined if they compute in main memory. */
  readonly memoryBytes?: number | undefined
  /** Creates a resident. `data` must not change until it is dropped. */
  resident(data: Float32Array, shape: readonly number[]): Resident
  /** Frees a resident that no run uses any more. */
  drop(resident: Resident): void
  /** Compiles a graph. Throws `OutOfDeviceMemory`, as runs do. */
  compile(graph: Graph): Promise<Program>
  /** Frees residents and everything else. Dispose of all programs first. */
  dispose(): Promise<void>
}
