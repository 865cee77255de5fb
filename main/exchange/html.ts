import { escapeMarkup } from '../../preload/markup'

type Value = string | number | Html | readonly Value[]

const markupOf = (value: Value): string => {
  if (typeof value === 'string') return escapeMarkup(value)
  if (typeof value === 'number') return String(value)
  return value instanceof Html ? value.markup : value.map(markupOf).join('')
}

/** Markup, the only kind of text written to a page. Made by `html`. */
export class Html {
  /** Private, so that no other object passes for one. */
  readonly #markup: string

  /** Markup of a template with values inserted. */
  constructor(template: readonly string[], values: readonly Value[]) {
    this.#markup = template.map((text, at) => `${text}${at < values.length ? markupOf(values[at]) : ''}`).join('')
  }

  get markup(): string {
    return this.#markup
  }
}

/**
 * Template tag for markup. Any value that is not markup is treated as text: it is escaped, also for attributes in
 * double quotes, and invisible characters are replaced by marks (`visibleText`).
 */
export const html = (template: TemplateStringsArray, ...values: readonly Value[]): Html => new Html(template, values)

export const nothing = html``
export const newline = html`\n`

/** Joins pieces with a separator. */
export const joined = (parts: readonly (Html | string)[], separator: Html | string): Html =>
  html`${parts.map((part, at) => html`${at === 0 ? nothing : separator}${part}`)}`
