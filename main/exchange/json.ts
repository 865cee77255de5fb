/** Indented JSON. All lines but the first get `indent` further spaces. */
export const pretty = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, 2).replaceAll('\n', `\n${' '.repeat(indent)}`)

/** A JSON array whose entries come one at a time, each on its own lines. */
export const jsonArray = async function* (
  entries: AsyncIterable<AsyncIterable<string> | string> | Iterable<string>,
  indent: string
): AsyncGenerator<string> {
  let separator = '['
  for await (const entry of entries) {
    yield `${separator}\n${indent}`
    if (typeof entry === 'string') yield entry
    else yield* entry
    separator = ','
  }
  yield separator === '[' ? '[]' : `\n${indent.slice(2)}]`
}

/** A 32-bit float with the fewest digits that identify it. */
export const rounded = (value: number): number => {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return Number(value.toPrecision(9))
}
