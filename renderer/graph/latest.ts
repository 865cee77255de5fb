/** Milliseconds after which a person is taken to stay where they are. */
export const restMilliseconds = 160

/**
 * Does one piece of work at a time, and of those asked for meanwhile only the last: what a person has passed over is
 * never asked for. `failed` gets what a piece of work threw, unless a newer one has been asked for.
 */
export class Latest {
  readonly #failed: (error: unknown) => void
  #next: (() => Promise<void>) | null = null
  #working = false
  #ended = false

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  /** `take` gets the answer, unless something newer was asked for meanwhile. */
  ask<T>(work: () => Promise<T>, take: (answer: T) => void): void {
    const step = async (): Promise<void> => {
      const answer = await work()
      if (this.#next === null && !this.#ended) take(answer)
    }
    this.#next = step
    if (!this.#working) void this.#go()
  }

  /** Forgets what waits and what is at work. */
  end(): void {
    this.#ended = true
    this.#next = null
  }

  async #go(): Promise<void> {
    this.#working = true
    for (let step = this.#next; step !== null; step = this.#next) {
      this.#next = null
      try {
        await step()
      } catch (error) {
        if (this.#next === null && !this.#ended) this.#failed(error)
      }
    }
    this.#working = false
  }
}
