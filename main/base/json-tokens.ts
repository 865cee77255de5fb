/** Strings, punctuation, and whatever stands between: numbers and words. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g

interface Open {
  /** Keys so far, of an object; undefined in an array. */
  readonly keys: Set<string> | undefined
  /** The key whose value comes, or undefined where a key does. */
  key: string | undefined
}

export interface JsonOddities {
  /** The first key that an object has twice. */
  readonly repeatedKey: string | undefined
  /** A number below one of the keys `integersAt` that is not written as digits alone. */
  readonly oddInteger: string | undefined
}

/**
 * What JSON.parse passes over without a word: keys that one object has twice, and numbers like 4.0 or -0 where a
 * format wants unsigned integers. `text` must be valid JSON.
 *
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
