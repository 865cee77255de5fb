import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import type { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { issueWords } from '../../preload/issues'
import { limits, path, text } from '../../preload/limits'
import { briefly } from '../../preload/quoting'

/** Makes a parser for an option that must be a number within bounds. With `whole`, only digits are allowed. */
export const numberIn =
  (least: number, most: number, whole = false) =>
  (given: string): number => {
    const value = Number(given)
    const written = whole ? /^\d{1,15}$/.test(given) : given.trim() !== '' && Number.isFinite(value)
    if (written && value >= least && value <= most) return value
    const bounds = `from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
    throw new InvalidArgumentError(`It must be a ${whole ? 'whole number' : 'number'} ${bounds}.`)
  }

export const wholeIn = (least: number, most: number): ((given: string) => number) => numberIn(least, most, true)

/** Parses the number of a clustering. */
export const clusteringNumber = wholeIn(1, limits.number)

const checkedBy =
  <T>(schema: z.ZodType<T>, words: (issue: z.core.$ZodIssue) => string) =>
  (given: unknown): T => {
    const parsed = schema.safeParse(given, { reportInput: true })
    if (parsed.success) return parsed.data
    throw new InvalidArgumentError(words(parsed.error.issues[0]))
  }

const sentence = (issue: z.core.$ZodIssue): string => {
  const words = issueWords(issue)
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}

/** Parses the name of a run or a clustering. */
export const nameIn = checkedBy(text(limits.runName), sentence)

/** Parses the path of a file or folder. */
export const pathIn = checkedBy(path, sentence)

/** Names in usage lines that stand for a path. */
const pathNames = /^(config|file|folder|path|socket)$/

const isAddress = (given: unknown): given is string =>
  typeof given === 'string' && /^[a-z][a-z0-9+.-]+:\/\//i.test(given)

/** Throws a `usage` error for addresses such as "s3://bucket/study" given as a file or folder. */
export const refuseAddresses = (command: Command): void => {
  const values = command.opts<Record<string, unknown>>()
  const given = [
    ...command.registeredArguments.map((argument, at) => {
      const name = argument.name()
      return { name, words: name, value: command.processedArgs[at] as unknown }
    }),
    ...command.options.map((option) => {
      const name = /<(\w+)>/.exec(option.flags)?.[1] ?? ''
      return { name, words: option.long ?? option.flags, value: values[option.attributeName()] }
    })
  ]
  const found = given.find(({ name, value }) => pathNames.test(name) && isAddress(value))
  if (found === undefined) return
  const what = `${found.words}: "${briefly(found.value as string)}" is an address`
  const remedy = 'copy it here or mount it, and give its path'
  throw new SpectroscopeError('usage', `${what}, and only files and folders of this machine can be used; ${remedy}.`)
}

/** Parses a number or "auto". Bounds depend on the setting and are checked later. */
export const numberOrAuto = (given: string): number | 'auto' => {
  if (given === 'auto') return given
  const value = Number(given)
  if (given.trim() !== '' && Number.isFinite(value)) return value
  throw new InvalidArgumentError('It must be a number, or "auto" where the setting allows it.')
}

/** Drops keys whose value is undefined, because optional keys must be absent rather than undefined. */
export const definedOf = <T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
