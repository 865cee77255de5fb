import { InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { issueWords } from '../../preload/issues'
import { limits, path, text } from '../../preload/limits'

/** A parser of an option that must be a number within bounds; whole ones have no sign, point or exponent. */
export const numberIn = (least: number, most: number, whole = false) => (given: string): number => {
  const value = Number(given)
  const written = whole ? /^\d{1,15}$/.test(given) : given.trim() !== '' && Number.isFinite(value)
  if (written && value >= least && value <= most) return value
  const bounds = `from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
  throw new InvalidArgumentError(`It must be a ${whole ? 'whole number' : 'number'} ${bounds}.`)
}

export const wholeIn = (least: number, most: number): ((given: string) => number) => numberIn(least, most, true)

/** The number of a clustering. */
export const clusteringNumber = wholeIn(1, limits.number)

const checkedBy = <T>(schema: z.ZodType<T>, words: (issue: z.core.$ZodIssue) => string) => (given: unknown): T => {
  const parsed = schema.safeParse(given, { reportInput: true })
  if (parsed.success) return parsed.data
  throw new InvalidArgumentError(words(parsed.error.issues[0]))
}

const sentence = (issue: z.core.$ZodIssue): string => {
  const words = issueWords(issue)
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}

/** The name of a run or a clustering. */
export const nameIn = checkedBy(text(limits.runName), sentence)

/** The path of a file or folder. */
export const pathIn = checkedBy(path, sentence)

/** A number whose bounds are checked with what it belongs to; or "auto". */
export const numberOrAuto = (given: string): number | 'auto' => {
  if (given === 'auto') return given
  const value = Number(given)
  if (given.trim() !== '' && Number.isFinite(value)) return value
  throw new InvalidArgumentError('It must be a number, or "auto" where the setting has that.')
}
