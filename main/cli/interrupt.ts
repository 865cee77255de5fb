import { errorKinds } from '../../preload/errors'

export interface Interrupt {
  readonly signal: AbortSignal
  /** Gives the signals back. */
  readonly release: () => void
}

/** The first SIGINT, SIGTERM or SIGHUP aborts and calls `first`; a second one calls `last` and exits at once. */
export const onInterrupt = (first: () => void, last: () => void): Interrupt => {
  const controller = new AbortController()
  const handle = (): void => {
    if (controller.signal.aborted) {
      last()
      process.exit(errorKinds.interrupted)
    }
    controller.abort()
    first()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, handle)
  return { signal: controller.signal, release: () => signals.forEach((name) => process.removeListener(name, handle)) }
}
