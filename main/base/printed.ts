import { visibleJson, visibleLines, visibleText } from '../../preload/visible'

/**
 * Lines for a terminal with nothing hidden, the only kind of text that is printed. `line` and `lines` make them and
 * pass every string through `visibleText`, so that a name can start neither a new line nor an escape sequence.
 */
export class Visible {
  /** Private, so that no other object passes for one. */
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

  /** Text of a template. The template is the program's own; values are inserted between its parts. */
  static template(template: readonly string[], values: readonly (string | number | Visible)[]): Visible {
    const texts = values.map((value) => (typeof value === 'number' ? String(value) : Visible.of(value).text))
    return new Visible(template.map((text, at) => `${text}${texts[at] ?? ''}`).join(''))
  }
}

/** Template tag that makes its values visible. */
export const line = (template: TemplateStringsArray, ...values: readonly (string | number | Visible)[]): Visible =>
  Visible.template(template, values)

type Part = string | Visible | readonly (string | Visible)[]

/** Joins lines. A string counts as one line, whatever it contains. */
export const lines = (...parts: readonly Part[]): Visible => Visible.joined(parts.flat(), '\n')

/** Writes to standard output. */
export const print = (words: Visible): void => void process.stdout.write(`${words.text}\n`)

/** Writes JSON to standard output. */
export const printJson = (json: string): void => void process.stdout.write(`${visibleJson(json)}\n`)

/** Writes a line to standard error. */
export const complain = (words: string | Visible): void => void process.stderr.write(`${Visible.of(words).text}\n`)

/** Writes text with its own line breaks to standard error: a stack trace, or another program's output. */
export const complainAtLength = (text: string): void => void process.stderr.write(visibleLines(text))
