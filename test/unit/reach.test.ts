import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { checkNamed, reachOf } from '../../main/api/reach'
import { startServer } from '../../main/serve'
import { temporaryFolder } from './store-fixture'
import { memoryFile, openBench } from './workbench-fixture'
import type { Bench } from './workbench-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
const path = (...parts: readonly string[]): string => join(place.folder, ...parts)
const put = (...parts: readonly string[]): void => {
  mkdirSync(join(path(...parts), '..'), { recursive: true })
  writeFileSync(path(...parts), 'text')
}

beforeEach(async () => {
  place = await temporaryFolder()
  put('home', 'texts', 'a.txt')
  put('home', '.ssh', 'id')
  put('data', 'a.txt')
  put('elsewhere', 'a.txt')
  put('w', 'file')
  symlinkSync(path('elsewhere', 'a.txt'), path('home', 'link.txt'))
  symlinkSync(path('nowhere'), path('home', 'dangling.txt'))
  symlinkSync(path('home', '.ssh'), path('home', 'keys'))
  vi.stubEnv('HOME', path('home'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await place.remove()
})

describe('what a window reaches', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['home', true],
    ['home/texts/a.txt', true],
    ['home/new/folder/set.json', true],
    ['data/a.txt', true],
    ['w/file', true],
    ['home/.ssh/id', false],
    ['home/.new', false],
    ['home/keys/id', false],
    ['home/link.txt', false],
    ['home/dangling.txt', false],
    ['home/Library/x', false],
    ['elsewhere/a.txt', false],
    ['.', false],
    ['homes', false],
    ['home/../elsewhere/a.txt', false],
    ['data/../w/../elsewhere', false],
    ['home/.cache/huggingface/hub/m', true],
    ['home/.cache/huggingface/token', false]
  ]
  test.each(cases)('%s: %s', async (name, isReached) => {
    const reach = reachOf({ places: () => [path('data')], workspaces: () => [path('w')] })
    expect(await reach.has(`${place.folder}/${name}`)).toBe(isReached)
    const checking = reach.check(`${place.folder}/${name}`)
    const refused = { kind: 'input', message: expect.stringMatching(/^\/.* --folder DIR` adds one\.$/) }
    if (isReached) await checking
    else await expect(checking).rejects.toMatchObject(refused)
  })

  test('is a hidden folder too where it was named', async () => {
    const reach = reachOf({ places: () => [path('home', '.ssh')], workspaces: () => [] })
    expect(await reach.has(path('home', 'keys', 'id'))).toBe(true)
  })

  test('is checked of every path in a configuration, which is named', async () => {
    const reach = reachOf({ places: () => [], workspaces: () => [] })
    const named = { model: 'texts', corpus: { files: ['texts', '../elsewhere'] } } as never
    await expect(checkNamed(reach, named, path('home'))).rejects.toThrow('"corpus.files[1]": ')
  })
})

describe('the window of serve', () => {
  const refused = { kind: 'input', message: expect.stringContaining('--folder') }
  let bench: Bench
  beforeEach(async () => {
    const settings = memoryFile({ folders: [path('data')] })
    bench = await openBench(path('workspace'), { folders: [], settings })
  })
  afterEach(() => bench.close())

  test('lists what it reaches, and no link that leads out of it', async () => {
    const home = await bench.ask('files.list', { hidden: true })
    expect(home).toMatchObject({ folder: path('home'), parent: null, places: [path('data')] })
    expect(home.entries.map(({ name }) => name)).toEqual(['.ssh', 'texts'])
    expect(await bench.ask('files.list', { folder: path('data') })).toMatchObject({ parent: null })
    for (const folder of [path(), path('elsewhere'), path('home', '.ssh'), '/etc']) {
      await expect(bench.ask('files.list', { folder })).rejects.toMatchObject(refused)
    }
  })

  test('opens, reads and writes nothing elsewhere, by no call', async () => {
    const elsewhere = path('elsewhere')
    const file = path('elsewhere', 'a.txt')
    const run = { configuration: { model: elsewhere, corpus: { files: [elsewhere] } }, baseFolder: path('home') }
    const export_ = { run: 'x', clustering: 1, format: 'csv', clusters: 'all', path: join(elsewhere, 'b') } as const
    for (const ask of [
      () => bench.ask('workspace.open', { folder: elsewhere, create: true }),
      () => bench.ask('settings.change', { changes: { workspace: elsewhere } }),
      () => bench.ask('models.describe', { folder: elsewhere }),
      () => bench.ask('models.fetch', { name: 'a/b', folder: elsewhere }),
      () => bench.ask('corpora.preview', run),
      () => bench.ask('runs.readConfiguration', { path: file }),
      () => bench.ask('exports.write', export_),
      () => bench.ask('exports.picture', { path: file, content: Uint8Array.of(1), overwrite: 'a.txt' }),
      () => bench.ask('imports.inspect', { path: file }),
      () => bench.ask('imports.annotated', { path: file })
    ])
      await expect(ask()).rejects.toMatchObject(refused)
    const { problems } = await bench.ask('runs.check', run)
    expect(problems).toMatchObject([{ path: 'model', message: expect.stringContaining('--folder') }])
    const start = bench.ask('runs.start', { name: 'x', ...run })
    await expect(start).rejects.toMatchObject({ message: expect.stringContaining('--folder') })
    expect(readFileSync(file, 'utf8')).toBe('text')
  })

  test('cannot give itself more folders', async () => {
    const changes = { folders: [path('elsewhere')] } as never
    await expect(bench.ask('settings.change', { changes })).rejects.toMatchObject({ kind: 'usage' })
  })

  test('is not served with a folder that is none', async () => {
    const files = { settings: memoryFile(), views: memoryFile() }
    const serving = startServer({ folder: path('other'), folders: [path('nothing')], ...files })
    const message = expect.stringMatching(/^--folder .*no such folder; check/)
    await expect(serving).rejects.toMatchObject({ kind: 'input', message })
  })
})
