import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportTo } from '../../main/api/exports'
import { openWorkspace } from '../../main/store/store'
import { clusteringOf, labelBody, matrixOf, smallStudy, storeRun, temporaryFolder } from './store-fixture'

const hostile = [
  '=HYPERLINK("http://x","y")',
  '+1',
  '-0.5',
  '@SUM(1)',
  '\t=1',
  '\r=1',
  "'=1",
  "''@x",
  "'plain",
  ' = a, "b"\n=1'
]
const names = ['=embed', '-head:0.0', 'mlp:0']
const [name, note, tag] = ["=cmd|' /C calc'!A0", '-2+3', '@tag']

let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder: string
let run: string

beforeAll(async () => {
  place = await temporaryFolder()
  folder = join(place.folder, 'w')
  const workspace = await openWorkspace(folder, { create: true })
  run = await storeRun(workspace, 4, clusteringOf(20), { names, text: (id) => hostile[id] })
  await workspace.applyAnnotations({
    run,
    clustering: 1,
    words: 'label',
    author: '+Ada',
    edits: [{ target: 'cluster:1', after: labelBody(name, { note, tags: [tag, 'b'], author: '+Ada' }) }]
  })
  await workspace.close()
})

afterAll(() => place.remove())

interface Table {
  readonly header: readonly string[]
  readonly rows: readonly Readonly<Record<string, string>>[]
}

const tablesOf = async (format: 'csv' | 'npy', rawCells?: boolean): Promise<Readonly<Record<string, Table>>> => {
  const path = join(place.folder, `${format}-${String(rawCells)}`)
  const asked = rawCells === undefined ? {} : { rawCells }
  await exportTo(folder, run, { format, path, clusters: 'all', overwrite: true, ...asked })
  const read = (file: string): Table => {
    const [header, ...cells] = parse(readFileSync(join(path, file), 'utf8'), { relax_column_count: false })
    return { header, rows: cells.map((row) => Object.fromEntries(row.map((cell, at) => [header[at], cell]))) }
  }
  const { textCells } = JSON.parse(readFileSync(join(path, 'run.json'), 'utf8')) as { textCells: string }
  expect(textCells).toBe(rawCells === true ? 'raw' : 'apostrophe')
  const files = readdirSync(path).filter((file) => file.endsWith('.csv'))
  return Object.fromEntries(files.map((file) => [file.slice(0, -'.csv'.length), read(file)]))
}

/** As the README says. */
const restored = (cell: string): string => (/^'+[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell)

const isNumber = (cell: string): boolean => /^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(cell)
const textsOfStudy = smallStudy().probe.flatMap((row) => [...row.subarray(1)].map((id) => hostile[id]))

test('no cell of a table but a number begins as a formula does, and the text can be had back', async () => {
  const tables = await tablesOf('csv')
  const raw = await tablesOf('csv', true)
  expect(Object.keys(tables)).toHaveLength(10)
  for (const [table, { header, rows }] of Object.entries(tables)) {
    const isNumeric = (column: string): boolean => rows.every((row) => row[column] === '' || isNumber(row[column]))
    const numeric = new Set(header.filter(isNumeric))
    expect(
      header.filter((column) => /^[=+\-@\t\r]/.test(column)),
      table
    ).toEqual([])
    for (const row of rows) {
      const cells = header.filter((column) => !numeric.has(column)).map((column) => row[column])
      expect(
        cells.filter((cell) => /^[=+\-@\t\r]/.test(cell)),
        table
      ).toEqual([])
    }
    expect(header.map(restored), table).toEqual(raw[table].header)
    expect(
      rows.map((row) => Object.values(row).map(restored)),
      table
    ).toEqual(raw[table].rows.map((row) => Object.values(row)))
  }
  expect(raw['tokens'].rows.map(({ text }) => text)).toEqual(textsOfStudy)
  expect(tables['tokens'].rows.find(({ text }) => restored(text) === "''@x")).toMatchObject({ text: "'''@x" })
  expect(tables['tokens'].rows.map(({ text }) => text)).toContain("'plain")
  const [label] = tables['labels'].rows
  expect(label).toMatchObject({ label: `'${name}`, note: `'${note}`, tags: `'${tag}; b`, author: "'+Ada" })
})

test('negative numbers stay numbers', async () => {
  const { susceptibilities, clusters } = await tablesOf('csv')
  expect(susceptibilities.header).toEqual(['token', "'=embed", "'-head:0.0", 'mlp:0'])
  const numbers = susceptibilities.rows.flatMap((row) => Object.values(row).slice(1).map(Number))
  expect(numbers.map(Math.fround)).toEqual([...matrixOf(20)])
  expect(numbers.some((number) => number < 0)).toBe(true)
  expect(clusters.rows.map(({ cluster }) => cluster)).toContain('-1')
})

test('the tokens of an npy export are written alike', async () => {
  const { tokens } = await tablesOf('npy')
  expect(tokens.rows.map(({ text }) => restored(text))).toEqual(textsOfStudy)
  expect(tokens.rows.map(({ text }) => text)).not.toContain('-0.5')
  expect(tokens.rows.some(({ cluster }) => cluster === '-1')).toBe(true)
  expect((await tablesOf('npy', true))['tokens'].rows.map(({ text }) => text)).toEqual(textsOfStudy)
})

test('Parquet has no word of it', async () => {
  const path = join(place.folder, 'parquet')
  await exportTo(folder, run, { format: 'parquet', path, clusters: 'all', overwrite: false })
  expect(JSON.parse(readFileSync(join(path, 'run.json'), 'utf8'))).not.toHaveProperty('textCells')
})
