/** Milliseconds without input after which a person counts as resting where they are. */
export const restMilliseconds = 160

/**
 * Runs requests of which only the latest counts. Up to `atOnce` run side by side; one that arrives while all are busy
 * waits, and a newer one replaces it before it begins. Answers and failures of overtaken requests are dropped.
 */
export class Latest {
  readonly #failed: (error: unknown) => void
  readonly #atOnce: number
  #asked = 0
  #running = 0
  #next: (() => Promise<void>) | null = null

  constructor(failed: (error: unknown) => void, atOnce = 1) {
    this.#failed = failed
    this.#atOnce = atOnce
  }

  /** Begins the work at once, or when there is room. `take` gets the answer unless a newer request was made. */
  ask<T>(work: () => Promise<T>, take: (answer: T) => void): void {
    const turn = ++this.#asked
    this.#next = async () => {
      try {
        const answer = await work()
        if (turn === this.#asked) take(answer)
      } catch (error) {
        if (turn === this.#asked) this.#failed(error)
      }
    }
    if (this.#running < this.#atOnce) void this.#run()
  }

  /** Drops the waiting request, and the answers of those that run. */
  forget(): void {
    this.#asked++
    this.#next = null
  }

  async #run(): Promise<void> {
    this.#running++
    for (let step = this.#next; step !== null; step = this.#next) {
      this.#next = null
      await step()
    }
    this.#running--
  }
}
