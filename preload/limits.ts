import { z } from 'zod'
import { keepableText } from './quoting'

/**
 * The most of everything that a file, a configuration, an import or a call can ask for: lengths of texts in UTF-16
 * units, entries of lists, and numbers. Checks that depend on the machine come after these.
 */
export const limits = {
  /** The largest number that a column of the database takes. */
  integer: 2 ** 31 - 1,
  /** Numbers of clusters, merges, parts and clusterings. */
  number: 999_999_999,
  /** Numbers of merges and parts in a file, so that there is room for further ones once they are imported. */
  numberInFile: 99_999_999,
  name: 500,
  note: 20_000,
  tag: 100,
  tags: 100,
  author: 200,
  /** Names of runs and clusterings. */
  runName: 300,
  /** A step of the journal in words. */
  words: 2000,
  path: 4096,
  /** Names of engines, components, programs, and the like. */
  word: 200,
  /** A token's text, a subset, a message. */
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
  /** Tokens of a study, or of a file. */
  tokens: 2 ** 28,
  /** Tokens that one call or one part names. */
  tokensNamed: 1_000_000,
  documents: 10_000_000,
  vocabulary: 10_000_000,
  /** Groups of a clustering. */
  groups: 1_000_000,
  /** Clusters that one call names. */
  groupsNamed: 100_000,
  neighbours: 10_000,
  shards: 100_000
} as const

/** A text that is kept as `keepableText` has it. */
export const text = (most: number): z.ZodString => z.string().max(most).overwrite(keepableText)

/** A path, which cannot hold NUL. */
export const path = z
  .string()
  .min(1)
  .max(limits.path)
  .regex(/^[^\u0000]*$/, 'a path cannot hold the character NUL')

/** A number of something, from 0 on. */
export const index = z.int().min(0).max(limits.integer)
