/** Minimum time between progress reports, in milliseconds. */
export const progressInterval = 200

const rateWindow = 15_000
/**
 * Tasks that the window has at least. A task of a large model takes longer than the window, and two that happen to end
 * together say nothing of the rate.
 */
const leastTasks = 16

/** Measures operations and tokens per second over the last seconds, or the last tasks if those are slow. */
export class Meter {
  readonly #samples: { readonly at: number; readonly operations: number; readonly tokens: number }[] = []
  #operations = 0
  #tokens = 0

  add(operations: number, tokens: number): void {
    const at = performance.now()
    this.#operations += operations
    this.#tokens += tokens
    this.#samples.push({ at, operations: this.#operations, tokens: this.#tokens })
    while (this.#samples.length > leastTasks + 1 && this.#samples[0].at < at - rateWindow) this.#samples.shift()
  }

  /** Operations and tokens per second; NaN at first. */
  rates(): { readonly operations: number; readonly tokens: number } {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at === first.at) return { operations: NaN, tokens: NaN }
    const seconds = (last.at - first.at) / 1000
    return {
      operations: (last.operations - first.operations) / seconds,
      tokens: (last.tokens - first.tokens) / seconds
    }
  }
}
