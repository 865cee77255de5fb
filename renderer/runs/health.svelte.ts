import { SvelteMap } from 'svelte/reactivity'
import type { RunHealth } from '../../preload/contract'
import type { Client } from '../client'

/** Cache of runs' diagnostics, which never change after sampling. */
export class HealthCache {
  readonly #client: Client
  readonly #known = new SvelteMap<string, RunHealth>()
  readonly #asked = new Map<string, Promise<RunHealth>>()

  constructor(client: Client) {
    this.#client = client
  }

  /** Diagnostics of a run, if they have been read. */
  get(run: string): RunHealth | undefined {
    return this.#known.get(run)
  }

  /** Reads a run's diagnostics, or returns cached ones; rejects if there are none. */
  load(run: string): Promise<RunHealth> {
    const asked = this.#asked.get(run)
    if (asked !== undefined) return asked
    const asking = this.#client.runs.health({ run }).then(
      (health) => {
        if (this.#asked.get(run) === asking) this.#known.set(run, health)
        return health
      },
      (error: unknown) => {
        if (this.#asked.get(run) === asking) this.#asked.delete(run)
        throw error
      }
    )
    this.#asked.set(run, asking)
    return asking
  }

  /** Reads diagnostics for a view that works without them; a run that is not sampled has none. */
  ask(run: string): void {
    this.load(run).catch(() => undefined)
  }

  clear(): void {
    this.#known.clear()
    this.#asked.clear()
  }
}
