import { z } from 'zod'
import { index, limits, text } from './limits'

/** Schemas of parameters shared by several calls of the window. */

/** A name chosen by a window. Begins with a letter, so it cannot be a property that all objects have. */
export const name = z.string().regex(/^[a-z][\w.:/ -]{0,199}$/i, 'expected a name of letters, digits, and . : / - _')
export const run = text(limits.runName).min(1)
export const runName = text(limits.runName)
export const where = { run, clustering: z.int().min(1).max(limits.number) }
export const context = { before: index.max(1024).default(24), after: index.max(1024).default(24) }
export const configuration = z.custom<object>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object'
)
/** Tokens of a run, by number. */
export const tokens = z.custom<Int32Array>(
  (value) => value instanceof Int32Array && value.length <= limits.tokensNamed && value.every((token) => token >= 0),
  `expected an Int32Array of at most ${limits.tokensNamed.toLocaleString('en')} token indices`
)
