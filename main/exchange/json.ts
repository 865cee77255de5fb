/** JSON on several lines, all but the first of them indented further. */
export const pretty = (value: unknown, indent = 0): string => JSON.stringify(value, null, 2).replaceAll('\n', `\n${' '.repeat(indent)}`)

/** A JSON array whose entries come one at a time, each on its own lines. */
export const jsonArray = async function* (entries: AsyncIterable<AsyncIterable<string> | string> | Iterable<string>, indent: string): AsyncGenerator<string> {
  let separator = '['
  for await (const entry of entries) {
    yield `${separator}\n${indent}`
    if (typeof entry === 'string') yield entry
    else yield* entry
    separator = ','
  }
  yield separator === '[' ? '[]' : `\n${indent.slice(2)}]`
}
