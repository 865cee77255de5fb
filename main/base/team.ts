/** Synchronises the threads that work through the same phases of one computation; shared memory only. */
const arrived = 0
const generation = 1
const next = 2
const spins = 400

export interface Team {
  /** Int32 words in shared memory; `openTeam` makes them. */
  readonly control: Int32Array
  /** Threads in the team; each of them must reach every `meet`. */
  readonly members: number
}

export const openTeam = (members: number): Team => ({ control: new Int32Array(new SharedArrayBuffer(12)), members })

/** The next piece of work that no member has taken since the last `meet`, counted from 0. */
export const take = ({ control }: Team): number => Atomics.add(control, next, 1)

/** Returns when every member has come here. What they wrote before is visible to all after. Resets the count of `take`. */
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
