import { createInterface } from 'node:readline/promises'
import type { RunEvent } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { visibleText } from '../../preload/visible'
import { Visible } from '../base/printed'
import { onInterrupt } from './interrupt'
import { createProgress } from './progress'
import type { Page } from './page'

const coloured = (): boolean =>
  process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'

/** Layout of standard output: the terminal's width, or Infinity for a pipe or a file. */
export const page = (): Page => ({
  width: process.stdout.isTTY ? Math.max(20, process.stdout.columns || 80) : Infinity,
  bold: coloured() ? Visible.bold : Visible.of
})

export interface Watch {
  readonly onEvent: (event: RunEvent) => void
  readonly signal: AbortSignal
}

/** Runs long work with a progress display on standard error. Signals stop it, with a checkpoint; `stopping` says so. */
export const watched = async <T>(work: (watch: Watch) => Promise<T>, stopping = 'Saving a checkpoint'): Promise<T> => {
  const every = Number(process.env['SPECTROSCOPE_PROGRESS_SECONDS'] ?? '')
  const display = createProgress(process.stderr, process.env, every > 0 ? every : 10)
  const interrupt = onInterrupt(
    () => display.event({ type: 'note', message: `${stopping}; press Ctrl-C again to stop at once.` }),
    () => display.close()
  )
  try {
    return await work({ onEvent: (event) => display.event(event), signal: interrupt.signal })
  } finally {
    display.close()
    interrupt.release()
  }
}

/** Asks a yes-or-no question on the terminal. Throws a `usage` error that names `option` if there is no terminal. */
export const confirm = async (question: string, option: string): Promise<boolean> => {
  if (!process.stdin.isTTY)
    throw new SpectroscopeError(
      'usage',
      `${question.replace(/\?$/, '')} needs a terminal to confirm; give ${option} to confirm without one.`
    )
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await asking.question(`${visibleText(question)} [y/N] `)).trim())
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError')
      throw new SpectroscopeError('interrupted', 'Nothing was done: the question was not answered.', { cause: error })
    throw error
  } finally {
    asking.close()
  }
}
