import type { z } from 'zod'
import { briefly, brieflyAll } from './quoting'

type Issue = z.core.$ZodIssue

/** Type that an alternative of a union accepts, from its issue with a value of another type. */
const taken = (issue: Issue): string | undefined => {
  if (issue.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value)).join(' or ')
  if (issue.code !== 'invalid_type') return undefined
  return `a ${issue.expected === 'int' ? 'whole number' : issue.expected}`
}

const bounding = new Set<Issue['code']>(['too_small', 'too_big', 'not_multiple_of'])

/** Whether an issue of an alternative says more than that the value has the wrong type. */
const tells = (issue: Issue): boolean =>
  issue.path.length > 0 || issue.code === 'unrecognized_keys' || bounding.has(issue.code)

/**
 * The most informative issue. For a union, that of the alternative that matches the value furthest, else a list of
 * all accepted types.
 */
export const telling = (issue: Issue): Issue => {
  if (issue.code !== 'invalid_union') return issue
  const all = issue.errors.flat().map(telling)
  // "Out of range" is more informative than "not auto".
  const bounded = all.find(({ code, path }) => path.length === 0 && bounding.has(code))
  const [chosen] = bounded === undefined ? all.toSorted((a, b) => b.path.length - a.path.length) : [bounded]
  if (chosen !== undefined && tells(chosen)) return { ...chosen, path: [...issue.path, ...chosen.path] }
  const kinds = [...new Set(all.flatMap((each) => taken(each) ?? []))]
  return kinds.length === 0 ? issue : { ...issue, message: `Invalid input: expected ${kinds.join(' or ')}` }
}

/** Whether a value exceeds its bounds. Such issues are reported first. */
export const isOutOfBounds = ({ code }: Issue): boolean => bounding.has(code)

/** Path in a value: "clusters[3].members[17]"; "" for the whole. */
export const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((place, part) => {
    if (typeof part === 'number') return `${place}[${part}]`
    return place === '' ? briefly(String(part)) : `${place}.${briefly(String(part))}`
  }, '')

const shown = (value: number | bigint): string =>
  Number.isInteger(value) && Math.abs(Number(value)) < 1e15 ? value.toLocaleString('en') : String(value)

type Bounding = Extract<Issue, { code: 'too_big' | 'too_small' }>

/** "at most 100", "above 0". */
const boundOf = (issue: Bounding): string => {
  const limit = shown(issue.code === 'too_big' ? issue.maximum : issue.minimum)
  if (issue.inclusive === false) return `${issue.code === 'too_big' ? 'below' : 'above'} ${limit}`
  return `at ${issue.code === 'too_big' ? 'most' : 'least'} ${limit}`
}

const unitOf = ({ origin }: Bounding): string =>
  origin === 'string' ? ' characters' : origin === 'array' ? ' entries' : ''

const boundWords = (issue: Bounding): string => {
  const { input } = issue
  const unit = unitOf(issue)
  if (unit !== '' && issue.code === 'too_small' && issue.minimum === 1) return 'it is empty'
  const count = typeof input === 'string' || Array.isArray(input) ? input.length : input
  const must = `it must ${unit === '' ? 'be' : 'have'} ${boundOf(issue)}${unit}`
  return typeof count === 'number' ? `it ${unit === '' ? 'is' : 'has'} ${shown(count)}, but ${must}` : must
}

/**
 * Describes an issue as a clause that quotes little of the input: "it has 200, but it must have at most 100
 * characters". Mentions the value if the check reports its input.
 */
export const issueWords = (issue: Issue): string => {
  if (issue.code === 'too_big' || issue.code === 'too_small') return boundWords(issue)
  if (issue.code === 'unrecognized_keys') return `unknown key ${brieflyAll(issue.keys)}`
  if (issue.code === 'invalid_type' && issue.expected === 'int' && typeof issue.input === 'number') {
    return `it is ${issue.input}, but it must be a whole number`
  }
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1).replace(/\s+/g, ' ')
}

/**
 * A problem with one key of a configuration: `path` such as "corpus.files[0]", or "" for the whole, and `message`, a
 * sentence without its full stop.
 */
export interface ConfigurationIssue {
  readonly path: string
  readonly message: string
}

/** Describes an issue and its place. */
export const issueAt = (issue: Issue): ConfigurationIssue => {
  const place = pathText(issue.path)
  if (issue.code === 'invalid_type' && /received undefined$/.test(issue.message)) {
    return { path: place, message: `"${place}" is missing; add it` }
  }
  if (issue.code !== 'unrecognized_keys') {
    return { path: place, message: place === '' ? issueWords(issue) : `"${place}": ${issueWords(issue)}` }
  }
  const keys = issue.keys.map((key) => `${place === '' ? '' : `${place}.`}${key}`)
  return { path: keys[0], message: `unknown key ${brieflyAll(keys)}; remove it or correct its spelling` }
}
