import { visibleJson, visibleLines, visibleText } from '../../preload/visible'

/**
 * Lines for a terminal, in which nothing is hidden: the only thing that is printed. Made by `line` and `lines`, which
 * let every string go through `visibleText`, so that a name can neither start a line nor an escape sequence.
 */
export class Visible {
  /** Private, so that no other object is taken for one. */
  readonly #text: string

  private constructor(text: string) {
    this.#text = text
  }

  get text(): string {
    return this.#text
  }

  static readonly of = (given: string | Visible): Visible =>
    typeof given === 'string' ? new Visible(visibleText(given)) : given

  static readonly bold = (given: string | Visible): Visible =>
    new Visible(`\u001b[1m${Visible.of(given).text}\u001b[0m`)

  static joined(parts: readonly (string | Visible)[], separator: string): Visible {
    return new Visible(parts.map((part) => Visible.of(part).text).join(separator))
  }

  /** The text of a template, which is the program's own, with values between. */
  static template(template: readonly string[], values: readonly (string | number | Visible)[]): Visible {
    const texts = values.map((value) => (typeof value === 'number' ? String(value) : Visible.of(value).text))
    return new Visible(template.map((text, at) => `${text}${texts[at] ?? ''}`).join(''))
  }
}

/** A template whose values are made visible. */
export const line = (template: TemplateStringsArray, ...values: readonly (string | number | Visible)[]): Visible =>
  Visible.template(template, values)

type Part = string | Visible | readonly (string | Visible)[]

/** One line below the other; a string is one line, whatever it holds. */
export const lines = (...parts: readonly Part[]): Visible => Visible.joined(parts.flat(), '\n')

/** Writes to standard output. */
export const print = (words: Visible): void => void process.stdout.write(`${words.text}\n`)

/** Writes JSON to standard output. */
export const printJson = (json: string): void => void process.stdout.write(`${visibleJson(json)}\n`)

/** Writes a line to standard error. */
export const complain = (words: string | Visible): void => void process.stderr.write(`${Visible.of(words).text}\n`)

/** Writes to standard error what has lines of its own: a stack, or another program's output. */
export const complainAtLength = (text: string): void => void process.stderr.write(visibleLines(text))
