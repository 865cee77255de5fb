import { messageOf } from '../../preload/contract'

/** A configuration being edited, as plain JSON that may be invalid. Missing settings take their defaults. */
export type Draft = Readonly<Record<string, unknown>>

export const isDraft = (value: unknown): value is Draft =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Value at a path such as "sampler.draws"; undefined if missing. */
export const valueAt = (draft: Draft, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (isDraft(value) ? value[key] : undefined), draft)

/** A draft with a new value at a path; `undefined` removes the key. */
export const withValue = (draft: Draft, path: string, value: unknown): Draft => {
  const [key, ...rest] = path.split('.')
  const { [key]: present, ...others } = draft
  const next = rest.length === 0 ? value : withValue(isDraft(present) ? present : {}, rest.join('.'), value)
  if (next === undefined) return others
  return key in draft
    ? Object.fromEntries(Object.entries(draft).map(([name, old]) => [name, name === key ? next : old]))
    : { ...draft, [key]: next }
}

/**
 * A draft without values that equal their defaults, so that only a person's changes remain.
 */
export const withoutDefaults = (draft: Draft, fallback: (path: string) => unknown): Draft => {
  const strip = (part: Draft, prefix: string): Draft =>
    Object.fromEntries(
      Object.entries(part).flatMap(([key, value]) => {
        const path = `${prefix}${key}`
        if (isDraft(value)) {
          const inner = strip(value, `${path}.`)
          return Object.keys(inner).length === 0 ? [] : [[key, inner]]
        }
        return value === undefined || JSON.stringify(value) === JSON.stringify(fallback(path)) ? [] : [[key, value]]
      })
    )
  return strip(draft, '')
}

/** A draft from JSON text, or the problem of the text in a sentence. */
export const draftFromText = (text: string): { readonly draft: Draft } | { readonly problem: string } => {
  try {
    const value: unknown = JSON.parse(text)
    return isDraft(value)
      ? { draft: value }
      : { problem: 'The configuration must be a JSON object: { "model": …, "corpus": … }.' }
  } catch (error) {
    return { problem: `Invalid JSON: ${messageOf(error)}.` }
  }
}

/** Problems at a path and below it, each a sentence. */
export const problemsAt = (
  problems: readonly { readonly path: string; readonly message: string }[],
  path: string
): readonly string[] =>
  problems
    .filter(
      (problem) => problem.path === path || problem.path.startsWith(`${path}.`) || problem.path.startsWith(`${path}[`)
    )
    .map(({ message }) => message.replace(/\.?$/, '.'))

/** Whether a JSON object looks like a configuration rather than another file. */
export const isConfiguration = (value: unknown): value is Draft =>
  isDraft(value) && ('model' in value || 'corpus' in value || 'sampler' in value)

/** Settings removed by the last change of preset or clustering method, with the draft before it. */
export interface Dropped {
  readonly in: 'sampler' | 'clustering'
  readonly keys: readonly string[]
  /** Preset or method that does not use them. */
  readonly by: string
  readonly before: Draft
}
