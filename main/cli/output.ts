import { errorKinds, SpectroscopeError, toPlain } from '../../preload/errors'
import type { ErrorAnswer } from '../../preload/contract'
import { complain, complainAtLength, print, printJson } from '../base/printed'
import type { Visible } from '../base/printed'

/** Answer of a command: an object for `--json`, and text for people. */
export interface Answer {
  readonly json: object
  readonly text: Visible
}

/** Turns typed arrays into plain ones. JSON.stringify turns non-finite numbers into null. */
const plain = (_key: string, value: unknown): unknown =>
  ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as Float64Array) : value

export const toJson = (value: object): string => JSON.stringify(value, plain, 2)

/** Readers such as `head` may close their end early. That is not an error. */
export const tolerateClosedPipes = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

export const printAnswer = (answer: Answer, json: boolean): void =>
  json ? printJson(toJson(answer.json)) : print(answer.text)

const causeWords = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error ? `Caused by: ${cause.stack ?? cause.message}\n` : ''
}

/**
 * Prints an error: a sentence on standard error, and with `--json` an object on standard output. Returns the exit
 * code.
 */
export const printError = (error: unknown, json: boolean): number => {
  const { kind, message, stack } = toPlain(error)
  const sentence =
    kind === 'internal'
      ? `An internal error: ${message.replace(/\.?$/, '.')} Set SPECTROSCOPE_DEBUG=1 to see where.`
      : message
  complain(sentence)
  const debug = process.env['SPECTROSCOPE_DEBUG']
  if (debug !== undefined && debug !== '' && debug !== '0') {
    const where = error instanceof SpectroscopeError ? error.stack : stack
    complainAtLength(`${where ?? ''}\n${causeWords(error)}`)
  }
  const details = error instanceof SpectroscopeError ? error.details : {}
  if (json) printJson(toJson({ error: { ...details, kind, message: sentence } } satisfies ErrorAnswer))
  return kind === 'internal' ? 1 : errorKinds[kind]
}
