import type { z } from 'zod'

/**
 * Reads what this browser keeps for this address under a key; it survives a reload and a restart of the program.
 * Undefined if there is nothing, or nothing that the schema accepts.
 */
export const readKept = <T>(key: string, schema: z.ZodType<T>): T | undefined => {
  try {
    return schema.safeParse(JSON.parse(localStorage.getItem(key) ?? 'null')).data
  } catch {
    return undefined
  }
}

/** Keeps plain JSON under a key; null removes it. Does nothing where the browser keeps nothing. */
export const keep = (key: string, value: object | null): void => {
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, JSON.stringify(value))
  } catch {
    // Without storage the value lasts as long as the view.
  }
}
