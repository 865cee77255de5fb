import { z } from 'zod'
import { keepableText } from './quoting'

/**
 * Upper limits for files, configurations, imports and calls: lengths of texts in UTF-16 units, entries of lists, and
 * numbers. Limits that depend on the machine are checked separately.
 */
export const limits = {
  /** Largest integer in a database column. */
  integer: 2 ** 31 - 1,
  /** Numbers of clusters, merges, parts, selections and clusterings. */
  number: 999_999_999,
  /** Numbers of merges, parts and selections in a file. Lower, so that numbers remain free after an import. */
  numberInFile: 99_999_999,
  name: 500,
  note: 20_000,
  tag: 100,
  tags: 100,
  author: 200,
  /** Names of runs and clusterings. */
  runName: 300,
  /** Description of a journal step. */
  words: 2000,
  path: 4096,
  /** Names of engines, components, programs and the like. */
  word: 200,
  /** Text of a token, name of a subset, message. */
  text: 100_000,
  blocks: 2 ** 29,
  rows: 1_000_000,
  rowLength: 1_048_576,
  files: 10_000,
  components: 100_000,
  chains: 1000,
  draws: 1_000_000,
  steps: 1_000_000_000,
  threads: 1024,
  /** Tokens of a study or a file. */
  tokens: 2 ** 28,
  /** Tokens listed by one call, one part or one selection. */
  tokensNamed: 1_000_000,
  documents: 10_000_000,
  vocabulary: 10_000_000,
  /** Groups of a clustering. */
  groups: 1_000_000,
  /** Clusters listed by one call. */
  groupsNamed: 100_000,
  neighbours: 10_000,
  shards: 100_000,
  /** Members of a sweep. All pairs of them are compared. */
  sweepMembers: 48
} as const

/** A text, converted by `keepableText`. */
export const text = (most: number): z.ZodString => z.string().max(most).overwrite(keepableText)

/** A path, which cannot contain NUL. */
export const path = z
  .string()
  .min(1)
  .max(limits.path)
  .regex(/^[^\u0000]*$/, 'a path cannot hold the character NUL')

/** A non-negative integer. */
export const index = z.int().min(0).max(limits.integer)
