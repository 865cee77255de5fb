import { SpectroscopeError } from '../../preload/errors'

export const interruption = (cause?: unknown): SpectroscopeError =>
  new SpectroscopeError('interrupted', 'The run was interrupted.', { cause })

/**
 * Joins a long call with what is done beside it: both end when the user stops the run, and when one of them fails.
 */
export class Companion {
  readonly #controller = new AbortController()
  readonly #user: AbortSignal
  #failure: { readonly error: unknown } | undefined

  constructor(user: AbortSignal) {
    this.#user = user
  }

  /** Ends the call because of an error beside it; the first one counts. */
  readonly fail = (error: unknown): void => {
    this.#failure ??= { error }
    this.#controller.abort()
  }

  /** Whether an error beside the call has ended it. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /**
   * What the call gives, or else the reason why it ended: the error beside it, an `interrupted` error, or its own.
   */
  async during<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = (): void => this.#controller.abort()
    if (this.#user.aborted) throw interruption()
    this.#user.addEventListener('abort', stop, { once: true })
    try {
      const result = await call(this.#controller.signal)
      if (this.#failure !== undefined) throw this.#failure.error
      return result
    } catch (error) {
      if (this.#failure !== undefined) throw this.#failure.error
      const ownSentence = error instanceof SpectroscopeError && error.kind !== 'interrupted'
      throw this.#user.aborted && !ownSentence ? interruption(error) : error
    } finally {
      this.#user.removeEventListener('abort', stop)
    }
  }
}
