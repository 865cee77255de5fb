const mostAtOnce = 2

/**
 * Work of which only the latest counts. Two can be under way; of those asked for meanwhile only the last one is
 * begun, and only what was asked for last is taken.
 */
export class Latest {
  #asked = 0
  #underWay = 0
  #next: (() => void) | null = null

  /**
   * Begins the work, or keeps it for when there is room. `take` and `fail` are not called once something else was
   * asked for.
   */
  ask<T>(work: () => Promise<T>, take: (value: T) => void, fail: (error: unknown) => void): void {
    const turn = ++this.#asked
    this.#next = null
    const begin = (): void => {
      this.#underWay++
      void (async () => {
        try {
          const value = await work()
          if (turn === this.#asked) take(value)
        } catch (error) {
          if (turn === this.#asked) fail(error)
        } finally {
          this.#underWay--
          const next = this.#next
          this.#next = null
          next?.()
        }
      })()
    }
    if (this.#underWay < mostAtOnce) begin()
    else this.#next = begin
  }

  /** Forgets what was asked for: nothing of it is taken. */
  forget(): void {
    this.#asked++
    this.#next = null
  }
}
