/** Strings, punctuation, and anything in between (numbers and words). */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g

interface Open {
  /** Keys of the object so far; undefined in an array. */
  readonly keys: Set<string> | undefined
  /** Key whose value comes next; undefined if a key comes next. */
  key: string | undefined
}

export interface JsonOddities {
  /** First key that occurs twice in one object. */
  readonly repeatedKey: string | undefined
  /** A number below one of the keys `integersAt` that is not plain digits. */
  readonly oddInteger: string | undefined
}

/**
 * Finds what JSON.parse silently accepts: duplicate keys in an object, and numbers such as 4.0 or -0 where a format
 * requires unsigned integers. `text` must be valid JSON.
 * @param integersAt keys below which, in arrays too, only unsigned integers may stand
 */
export const jsonOddities = (text: string, integersAt: ReadonlySet<string>): JsonOddities => {
  const open: Open[] = []
  let oddInteger: string | undefined
  for (const [token] of text.matchAll(tokens)) {
    const inner = open.at(-1)
    if (token === '{' || token === '[')
      open.push({ keys: token === '{' ? new Set() : undefined, key: token === '{' ? undefined : inner?.key })
    else if (token === '}' || token === ']') open.pop()
    else if (token === ',' && inner?.keys !== undefined) inner.key = undefined
    else if (token.startsWith('"') && inner?.keys !== undefined && inner.key === undefined) {
      inner.key = JSON.parse(token) as string
      if (inner.keys.has(inner.key)) return { repeatedKey: inner.key, oddInteger }
      inner.keys.add(inner.key)
    } else if (/^[-\d]/.test(token) && inner?.key !== undefined && integersAt.has(inner.key) && !/^\d+$/.test(token))
      oddInteger ??= token
  }
  return { repeatedKey: undefined, oddInteger }
}
