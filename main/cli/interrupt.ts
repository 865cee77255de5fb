import { errorKinds } from '../../preload/errors'

export interface Interrupt {
  readonly signal: AbortSignal
  /** Removes the signal handlers. */
  readonly release: () => void
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Signals within this time of the first count as the same request, because a scheduler signals every process of a
 * task, and a script passes on its own signal. A second Ctrl-C always counts as a second request.
 */
const sameRequestSeconds = 10

/**
 * Aborts and calls `first` on the first SIGINT, SIGTERM or SIGHUP. On a second request, calls `last` and exits at
 * once.
 */
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
