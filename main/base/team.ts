/** Synchronises threads that work through the phases of one computation together, through shared memory only. */
const arrived = 0
const generation = 1
const next = 2
const spins = 400

export interface Team {
  /** Int32 words in shared memory, made by `openTeam`. */
  readonly control: Int32Array
  /** Number of threads in the team. Each of them must call every `meet`. */
  readonly members: number
}

export const openTeam = (members: number): Team => ({ control: new Int32Array(new SharedArrayBuffer(12)), members })

/** Takes the next piece of work since the last `meet`, counted from 0. No two members get the same one. */
export const take = ({ control }: Team): number => Atomics.add(control, next, 1)

/**
 * Barrier: returns when every member has called it. Writes made before it are visible to all members afterwards.
 * Resets the count of `take`.
 */
export const meet = ({ control, members }: Team): void => {
  const current = Atomics.load(control, generation)
  if (Atomics.add(control, arrived, 1) === members - 1) {
    Atomics.store(control, arrived, 0)
    Atomics.store(control, next, 0)
    Atomics.store(control, generation, (current + 1) | 0)
    Atomics.notify(control, generation)
    return
  }
  for (let i = 0; i < spins; i++) if (Atomics.load(control, generation) !== current) return
  while (Atomics.load(control, generation) === current) Atomics.wait(control, generation, current)
}
