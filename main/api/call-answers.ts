import { declarationOf } from '../../preload/contract-calls'
import type { CallAnswer } from '../../preload/contract-notices'
import { SpectroscopeError, toPlain } from '../../preload/errors'
import type { PlainError } from '../../preload/errors'
import { issueWords, placeOf, telling } from '../../preload/issues'
import { complainAtLength } from '../base/printed'
import type { CallHandlers } from './context'

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most)} …` : text)

type Declaration = NonNullable<ReturnType<typeof declarationOf>>

/** Checked parameters, or one sentence about the first thing that is wrong with them. */
const checkedParameters = (name: string, { parameters: schema }: Declaration, parameters: unknown): unknown => {
  const refusal = (words: string): SpectroscopeError =>
    new SpectroscopeError('usage', `The call ${name} was refused: ${words}.`)
  try {
    const checked = schema.safeParse(parameters, { reportInput: true })
    if (checked.success) return checked.data
    const issue = telling(checked.error.issues[0])
    const place = placeOf(issue.path)
    throw refusal(shortened(`${place === '' ? '' : `${shortened(place, 100)}: `}${issueWords(issue)}`, 300))
  } catch (error) {
    throw error instanceof SpectroscopeError ? error : refusal('its parameters cannot be read')
  }
}

/** An error as a window shows it; what is nobody's fault is printed at length, and said in short. */
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

/** Answers the calls of windows by their handlers. */
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

  /** Nothing is trusted: neither the name nor the parameters; never rejects. */
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
      // Closing does not wait for a person at the system's own dialog.
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

  /** Answers nothing from now on. */
  close(): void {
    this.#closed = true
  }

  /** Settles once everything that was asked is answered. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#answering)
  }
}
