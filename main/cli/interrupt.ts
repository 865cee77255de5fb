import { errorKinds } from '../../preload/errors'

export interface Interrupt {
  readonly signal: AbortSignal
  /** Gives the signals back. */
  readonly release: () => void
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Signals within this many seconds of the first are the same request: a scheduler tells every process of a task, and
 * the script that started this one passes on what it was told itself. A second Ctrl-C is a person's, and a second
 * request however soon it comes.
 */
const sameRequestSeconds = 10

/** The first SIGINT, SIGTERM or SIGHUP aborts and calls `first`; a second request calls `last` and exits at once. */
export const onInterrupt = (
  first: () => void,
  last: () => void,
  now: () => number = () => performance.now()
): Interrupt => {
  const controller = new AbortController()
  let asked = 0
  const keys = new Set<string>()
  const handle = (name: NodeJS.Signals): void => {
    const again = name === 'SIGINT' && keys.has(name)
    keys.add(name)
    if (!controller.signal.aborted) {
      asked = now()
      controller.abort()
      first()
    } else if (again || now() - asked > 1000 * sameRequestSeconds) {
      last()
      process.exit(errorKinds.interrupted)
    }
  }
  for (const name of signals) process.on(name, handle)
  return { signal: controller.signal, release: () => signals.forEach((name) => process.removeListener(name, handle)) }
}
