import { escapeMarkup } from '../../preload/markup'

type Value = string | number | Html | readonly Value[]

const markupOf = (value: Value): string => {
  if (typeof value === 'string') return escapeMarkup(value)
  if (typeof value === 'number') return String(value)
  return value instanceof Html ? value.markup : value.map(markupOf).join('')
}

/** Markup of a page: the only thing that is written to one. `html` makes it. */
export class Html {
  /** Private, so that no other object is taken for one. */
  readonly #markup: string

  /** The markup of a template, with values between. */
  constructor(template: readonly string[], values: readonly Value[]) {
    this.#markup = template.map((text, at) => `${text}${at < values.length ? markupOf(values[at]) : ''}`).join('')
  }

  get markup(): string {
    return this.#markup
  }
}

/**
 * A template of markup. A value that is no markup is text, whatever it holds: it is escaped, for attributes in double
 * quotes too, and what would not be seen of it is shown by a mark (`visibleText`).
 */
export const html = (template: TemplateStringsArray, ...values: readonly Value[]): Html => new Html(template, values)

export const nothing = html``
export const newline = html`\n`

/** Pieces with a separator between them. */
export const joined = (parts: readonly (Html | string)[], separator: Html | string): Html =>
  html`${parts.map((part, at) => html`${at === 0 ? nothing : separator}${part}`)}`
