import { messageOf } from '../../preload/contract'

/** A configuration as it is being written: what is absent takes its default. Plain JSON, wrong or right. */
export type Draft = Readonly<Record<string, unknown>>

export const isDraft = (value: unknown): value is Draft =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value at "sampler.draws"; undefined where it is not given. */
export const valueAt = (draft: Draft, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (isDraft(value) ? value[key] : undefined), draft)

/** A draft with another value at a path; `undefined` takes the key away. */
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
 * A draft less every value that a section would have by default anyway, so that only what a person changed stands in
 * it.
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

/** A draft from JSON text, or what is wrong with the text in a sentence. */
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

/** The problems of a path and of everything in it, in a sentence each. */
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

/** Settings that went with the last change of the preset, or of the method of clustering, and the draft before it. */
export interface Dropped {
  readonly in: 'sampler' | 'clustering'
  readonly keys: readonly string[]
  /** What does not use them. */
  readonly by: string
  readonly before: Draft
}
