import type { Graph } from './graph'

/** What computes, where and how exactly; recorded with every run. */
export interface EngineDescription {
  readonly name: string
  readonly device: string
  readonly precision: string
  readonly version: string
}

/**
 * A tensor that stays where the executor computes: weights w*, or activations at w*, held once and bound to many runs
 * of many programs.
 */
export interface Resident {
  readonly shape: readonly number[]
  readonly handle: unknown
}

export type Bound = Float32Array | Int32Array | Resident

export const isResident = (bound: Bound): bound is Resident => !ArrayBuffer.isView(bound)

export interface Program {
  /**
   * Runs the graph. Every input of the graph by name, arrays row-major in the graph's shapes; gives back every output
   * by name.
   */
  run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>>
  dispose(): Promise<void>
}

/** A device's memory is too short for a program, or for a run of it; what it had begun to take is given back. */
export class OutOfDeviceMemory extends Error {}

export interface Executor {
  readonly description: EngineDescription
  /** Whether it computes in a memory of its own, to which inputs of every run are copied. */
  readonly apart?: boolean
  /** Bytes of a device's own memory that its programs may take; undefined where they compute in the machine's. */
  readonly memoryBytes?: number | undefined
  /** The numbers must stay as they are until it is dropped. */
  resident(data: Float32Array, shape: readonly number[]): Resident
  /** Lets go of a resident that no run takes any more. */
  drop(resident: Resident): void
  /** Throws `OutOfDeviceMemory`, as a run does. */
  compile(graph: Graph): Promise<Program>
  /** Lets go of residents, and of whatever else computes for it; its programs are disposed of before. */
  dispose(): Promise<void>
}
