import { withShortWords } from './quoting'

/** Kinds of errors, and their exit codes. */
export const errorKinds = {
  usage: 2,
  configuration: 3,
  input: 4,
  workspace: 5,
  storage: 6,
  sampling: 7,
  clustering: 8,
  engine: 9,
  network: 10,
  interrupted: 130
} as const

export type ErrorKind = keyof typeof errorKinds

interface SpectroscopeErrorOptions extends ErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * An error for the user. `message` is one sentence that names the file or key, the place and the remedy. Crosses
 * processes as a plain object (`toPlain`, `fromPlain`).
 */
export class SpectroscopeError extends Error {
  readonly kind: ErrorKind
  /** Lists and numbers behind the sentence, for `--json`. They are not sent to other processes. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(kind: ErrorKind, message: string, { details = {}, ...options }: SpectroscopeErrorOptions = {}) {
    super(withShortWords(message), options)
    this.name = 'SpectroscopeError'
    this.kind = kind
    this.details = details
  }
}

/** Message of any thrown value. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export interface PlainError {
  readonly kind: ErrorKind | 'internal'
  /** The whole sentence: the fault and its place, then, after the last "; ", the remedy. */
  readonly message: string
  readonly stack?: string
}

export const toPlain = (error: unknown): PlainError => {
  if (error instanceof SpectroscopeError) return { kind: error.kind, message: error.message }
  if (error instanceof Error)
    return { kind: 'internal', message: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) }
  return { kind: 'internal', message: String(error) }
}

export const fromPlain = (plain: PlainError): Error => {
  if (plain.kind !== 'internal') return new SpectroscopeError(plain.kind, plain.message)
  const error = new Error(plain.message)
  if (plain.stack !== undefined) error.stack = plain.stack
  return error
}
