import { declarationOf } from '../../preload/contract-calls'
import type { CallAnswer } from '../../preload/contract-notices'
import { SpectroscopeError, toPlain } from '../../preload/errors'
import type { PlainError } from '../../preload/errors'
import { issueWords, pathText, telling } from '../../preload/issues'
import { complainAtLength } from '../base/printed'
import type { CallHandlers } from './context'

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most)} …` : text)

type Declaration = NonNullable<ReturnType<typeof declarationOf>>

/** Checks parameters. Throws a `usage` error about the first problem. */
const checkedParameters = (name: string, { parameters: schema }: Declaration, parameters: unknown): unknown => {
  const refusal = (words: string): SpectroscopeError =>
    new SpectroscopeError('usage', `The call ${name} was refused: ${words}.`)
  try {
    const checked = schema.safeParse(parameters, { reportInput: true })
    if (checked.success) return checked.data
    const issue = telling(checked.error.issues[0])
    const place = pathText(issue.path)
    throw refusal(shortened(`${place === '' ? '' : `${shortened(place, 100)}: `}${issueWords(issue)}`, 300))
  } catch (error) {
    throw error instanceof SpectroscopeError ? error : refusal('its parameters cannot be read')
  }
}

/** An error for display in a window. Internal errors are logged in full and shown in short. */
export const plainError = (error: unknown): PlainError => {
  const { kind, message, stack } = toPlain(error)
  if (kind !== 'internal') return { kind, message }
  complainAtLength(`An internal error: ${stack ?? message}\n`)
  return {
    kind,
    message:
      `An internal error: ${shortened(message.split('\n', 1)[0], 300).replace(/\.?$/, '.')} ` +
      "Saved data is safe; see the program's standard error for details."
  }
}

/** Answers calls of windows with their handlers. */
export class CallAnswers {
  readonly #handlers: CallHandlers
  readonly #answering = new Set<Promise<unknown>>()
  #inOrder: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(handlers: CallHandlers) {
    this.#handlers = handlers
  }

  async #answer(name: string, { inOrder }: Declaration, parameters: unknown): Promise<unknown> {
    const [noun, verb] = name.split('.')
    const verbs = this.#handlers[noun as keyof CallHandlers] as unknown as Record<string, (given: unknown) => unknown>
    if (!inOrder) return verbs[verb](parameters)
    const result = this.#inOrder.then(() => verbs[verb](parameters))
    this.#inOrder = result.catch(() => {})
    return result
  }

  /** Answers a call. Checks name and parameters, which are untrusted. Never rejects. */
  async call(name: unknown, parameters: unknown): Promise<CallAnswer> {
    try {
      const declaration = typeof name === 'string' ? declarationOf(name) : undefined
      if (typeof name !== 'string' || declaration === undefined)
        throw new SpectroscopeError(
          'usage',
          `There is no call ${typeof name === 'string' ? `"${shortened(name, 60)}"` : 'without a name'}.`
        )
      if (this.#closed) throw new SpectroscopeError('usage', 'The program is closing.')
      const answering = this.#answer(name, declaration, checkedParameters(name, declaration, parameters))
      // Do not wait for the user at a system dialog when closing.
      if (name !== 'files.choose') this.#answering.add(answering)
      try {
        return { ok: true, result: await answering }
      } finally {
        this.#answering.delete(answering)
      }
    } catch (error) {
      return { ok: false, error: plainError(error) }
    }
  }

  /** Rejects all further calls. */
  close(): void {
    this.#closed = true
  }

  /** Resolves once all pending calls are answered. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#answering)
  }
}
