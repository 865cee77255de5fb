import { SpectroscopeError } from '../../preload/errors'

export const interruption = (cause?: unknown): SpectroscopeError =>
  new SpectroscopeError('interrupted', 'The run was interrupted.', { cause })

/** Ends a long call when the user stops the run, or when work running in parallel fails. */
export class AbortScope {
  readonly #controller = new AbortController()
  readonly #user: AbortSignal
  #failure: { readonly error: unknown } | undefined

  constructor(user: AbortSignal) {
    this.#user = user
  }

  /** Ends the call because parallel work failed. Only the first error counts. */
  readonly fail = (error: unknown): void => {
    this.#failure ??= { error }
    this.#controller.abort()
  }

  /** Whether an error in parallel work has ended the call. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /**
   * Returns the result of the call. If it was ended, throws the error of the parallel work, an `interrupted` error,
   * or its own.
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
