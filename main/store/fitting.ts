import type { z } from 'zod'
import { briefly } from '../../preload/quoting'

/** Rows that this program would not write. `databaseError` turns it into a sentence about the workspace. */
export class UnfitRows extends Error {
  constructor(table: string, row: string, what: string) {
    super(`the table "${table}" has rows that this program did not write (${row}: ${what})`)
  }
}

/**
 * Returns a record read from a row if it fits its schema. `row` names the row in errors, such as "run 3". Throws
 * `UnfitRows`.
 */
export const fitting = <T>(table: string, row: string, schema: z.ZodType, record: T): T => {
  const { error } = schema.safeParse(record)
  if (error === undefined) return record
  const [{ path, message }] = error.issues
  const at = path.length === 0 ? '' : `${JSON.stringify(briefly(path.join('.')))} is not as expected, `
  throw new UnfitRows(table, row, `${at}${briefly(message)}`)
}

/** Parses a JSON column. Throws `UnfitRows`. */
export const parsed = <T>(table: string, row: string, text: unknown): T => {
  try {
    return JSON.parse(text as string) as T
  } catch {
    throw new UnfitRows(table, row, 'a text that is not JSON')
  }
}

/** Throws `UnfitRows` unless 0 ≤ index < count. */
export const checkIndex = (index: number, count: number, table: string, row: string): void => {
  if (!(index >= 0 && index < count)) throw new UnfitRows(table, row, `${index} is not one of ${count}`)
}
