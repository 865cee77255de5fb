import { Worker } from 'node:worker_threads'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { entryPath } from './entries'

export interface MatchingOrder {
  readonly source: string
  readonly texts: readonly string[]
}

/** Far longer than any expression needs that a person would wait for. */
const usualSeconds = 2

const checked = (source: string): void => {
  try {
    new RegExp(source, 'u')
  } catch (error) {
    const reason = messageOf(error).replace(/^Invalid regular expression: \/.*\/u?: /s, '')
    throw new SpectroscopeError(
      'input',
      `The regular expression ${source} cannot be read (${reason}); correct it, or search for plain text.`,
      { cause: error }
    )
  }
}

const matchingAlone = (order: MatchingOrder, seconds: number): Promise<Int32Array> => {
  const { source } = order
  const worker = new Worker(entryPath('matching-worker'), { workerData: order })
  return new Promise<Int32Array>((resolve, reject) => {
    const refuse = (words: string, cause?: unknown): void =>
      reject(new SpectroscopeError('input', `The regular expression ${source} ${words}.`, { cause }))
    const stop = (): void => {
      refuse(`took more than ${seconds} s and was stopped; make it simpler, or search for plain text`)
      void worker.terminate()
    }
    let timer: NodeJS.Timeout | undefined
    worker.once('online', () => (timer = setTimeout(stop, 1000 * seconds)))
    worker.once('message', resolve)
    worker.once('error', (error) => refuse(`cannot be used (${messageOf(error)}); make it simpler`, error))
    worker.once('exit', () => clearTimeout(timer))
  })
}

/**
 * Searches run one after another: several runaway ones would otherwise keep all cores busy until they are stopped.
 */
let before: Promise<unknown> = Promise.resolve()

/**
 * Indices, ascending, of the texts that a regular expression (JavaScript's, with Unicode) matches. The search runs in
 * its own thread so that it can be stopped, because some expressions take time exponential in the text's length.
 * Throws an `input` error if the expression is invalid or takes more than `seconds`.
 */
export const matching = async (
  source: string,
  texts: readonly string[],
  seconds = usualSeconds
): Promise<Int32Array> => {
  checked(source)
  const result = before.then(() => matchingAlone({ source, texts }, seconds))
  before = result.catch(() => {})
  return result
}
