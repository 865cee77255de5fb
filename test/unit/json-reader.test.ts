import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { JsonReader } from '../../main/base/json-reader'
import { temporaryFolder } from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  place = await temporaryFolder()
})
afterAll(() => place.remove())

/** Everything of a file, going into objects and lists down to a depth. */
const readAll = (file: string, depth: number): Promise<unknown> =>
  JsonReader.read(file, async (reader) => {
    const next = async (left: number): Promise<unknown> => {
      if (left === 0 || !(await reader.isObject())) return reader.value()
      const object: Record<string, unknown> = {}
      for await (const key of reader.keys()) {
        if (key !== 'list') object[key] = await next(left - 1)
        else {
          const list: unknown[] = []
          for await (const _ of reader.entries()) list.push(await next(left - 1))
          object[key] = list
        }
      }
      return object
    }
    const value = await next(depth)
    await reader.end()
    return value
  })

test('reads what JSON.parse reads, wherever a value meets the end of what was read', async () => {
  const awkward = ['"', '\\', '\\"', '{[,:]}', '\u2028', '😀', '\n', '\u0000', 'naïve', '', 'x'.repeat(7919)]
  const value = {
    first: -1.5e-7,
    empty: {},
    none: [],
    word: null,
    no: false,
    list: Array.from({ length: 3000 }, (_, i) => ({
      i,
      text: awkward[i % awkward.length].repeat(1 + (i % 3)),
      inner: [[i], { deep: awkward[(i * 7) % awkward.length] }],
      list: [i, {}, []]
    })),
    long: 'é\\"'.repeat(900_000),
    last: 12345
  }
  for (const [name, text] of [
    ['dense', JSON.stringify(value)],
    ['wide', ` ${JSON.stringify(value, null, 3)}\n`],
    ['marked', JSON.stringify(value).replaceAll(',"', ' ,\r\n\t"')]
  ] as const) {
    const file = join(place.folder, `${name}.json`)
    await writeFile(file, text)
    for (const depth of [0, 1, 4]) expect(await readAll(file, depth)).toEqual(JSON.parse(text))
  }
})

test("reads a file with a byte order mark, and says what lies in a Git LFS file's place", async () => {
  const file = join(place.folder, 'mark.json')
  for (const text of ['\ufeff {"a": ["\ufeff"]}', '\ufeff7']) {
    await writeFile(file, text)
    expect(await readAll(file, 0)).toEqual(JSON.parse(text.slice(1)))
  }
  await writeFile(file, '\ufeff')
  await expect(readAll(file, 0)).rejects.toThrow('is truncated')
  await writeFile(file, 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n')
  await expect(readAll(file, 0)).rejects.toThrow('mark.json is a Git LFS pointer, not the file itself; run "git lfs')
})

test('skips without looking inside', async () => {
  const file = join(place.folder, 'skip.json')
  await writeFile(file, JSON.stringify({ a: { list: ['}', '"]'] }, b: [1, [2]], c: 'x\\', d: 4 }))
  const found = await JsonReader.read(file, async (reader) => {
    for await (const key of reader.keys()) {
      if (key === 'd') return reader.value()
      await reader.skip()
    }
    return undefined
  })
  expect(found).toBe(4)
})
