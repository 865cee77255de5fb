import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportAnnotatedSet } from '../../main/exchange/annotated-export'
import { annotatedSetSchema } from '../../main/exchange/annotated-set'
import { checkStudySize, checkThreads, mostThreadsHere } from '../../main/pipeline/room'
import { openWorkspace } from '../../main/store/store'
import { parseConfiguration } from '../../preload/configuration'
import { annotationBodySchema } from '../../preload/contract-annotations'
import { limits } from '../../preload/limits'
import { briefly } from '../../preload/quoting'
import { processorTime } from '../processor-time'
import { storeRun, temporaryFolder } from './store-fixture'
import { openBench } from './workbench-fixture'
import type { Bench } from './workbench-fixture'

const mostWords = 400
const lone = 'cut emoji \ud83d'

/** Random numbers of a seed (mulberry32), so that what fails once fails again. */
const generator = (seed: number) => {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { below: (count: number): number => Math.floor(next() * count) }
}
type Random = ReturnType<typeof generator>

const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)

/** Values that somebody can type in place of another, whatever that is. */
const extremes: readonly (() => unknown)[] = [
  ...[-0, -1, 0.5, 2 ** 31, 2 ** 32 + 1, 2 ** 53, 1e308, -1e308, 5e-324, Number.NaN, null, true].map(
    (value) => () => value
  ),
  ...['', '\0', lone, '\ud83d\0', 'x'.repeat(700), 'y'.repeat(30_000), '../'.repeat(2000), '‮\u001b[2J'].map(
    (value) => () => value
  ),
  () => ['z'.repeat(150)],
  () => new Array<string>(150).fill('tag'),
  () => new Array<number>(100_001).fill(1),
  () => nested(2000),
  () => ({}),
  () => ({ ['k'.repeat(1000)]: 1, __proto__: 2 }),
  () => []
]

type Holder = Record<string | number, unknown>

const placesOf = (value: unknown, found: [Holder, string][] = []): [Holder, string][] => {
  if (typeof value !== 'object' || value === null) return found
  for (const key of Object.keys(value)) {
    found.push([value as Holder, key])
    placesOf((value as Holder)[key], found)
  }
  return found
}

/** A copy of a value with one place of it changed to an extreme, or with a key that nobody knows. */
const mutated = <T>(value: T, random: Random): T => {
  const copy = structuredClone(value)
  const places = placesOf(copy)
  const [holder, key] = places[random.below(places.length)]
  const extreme = extremes[random.below(extremes.length)]()
  if (random.below(8) === 0 && !Array.isArray(holder)) holder['u'.repeat(1 + random.below(200_000))] = extreme
  else holder[key] = extreme
  return copy
}

const configuration = {
  model: 'model',
  rows: 'rows.json',
  components: ['head:0.0'],
  seed: 1,
  threads: 2,
  engine: 'auto',
  sampler: { preset: 'paper', draws: 8, chains: 2, batchSize: 4, stepSize: 1e-5 },
  clustering: { method: 'acl', neighbours: 8, minSize: 5, alpha: 0.01 }
}

let place: Awaited<ReturnType<typeof temporaryFolder>>
let bench: Bench
let run: string
let set: object

beforeAll(async () => {
  place = await temporaryFolder()
  const workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
  run = await storeRun(workspace)
  const said = {
    name: 'a',
    note: 'b',
    tags: ['c'],
    confidence: null,
    status: 'labelled',
    blindTest: null,
    author: 'Ada'
  } as const
  const changedAt = '2026-11-20T10:00:00.000Z'
  await workspace.applyAnnotations({
    run,
    clustering: 1,
    words: 'label',
    author: 'Ada',
    edits: [
      { target: 'cluster:0', after: { ...said, tags: ['c'], changedAt } },
      { target: 'merge:1', after: { ...said, tags: [], changedAt, clusters: [0, 1] } },
      { target: 'part:1', after: { ...said, tags: [], changedAt, cluster: 1, tokens: [6, 8] } }
    ]
  })
  const file = join(place.folder, 'set.json')
  await exportAnnotatedSet(workspace, run, { file, clusters: 'all', program: 'test', overwrite: true })
  set = JSON.parse(await readFile(file, 'utf8')) as object
  await workspace.close()
  bench = await openBench(join(place.folder, 'w'))
})

afterAll(async () => {
  await bench.close()
  await place.remove()
})

/** The sentence of a call's refusal; "" where it was done. */
const answerOf = async (method: string, parameters: unknown): Promise<string> => {
  const answer = await bench.workbench.call(method, parameters)
  if (answer.ok) return ''
  expect(answer.error.kind, answer.error.message).not.toBe('internal')
  expect(answer.error.message.length, answer.error.message).toBeLessThan(mostWords)
  return answer.error.message
}

const importOf = async (content: string): Promise<string> => {
  const path = join(place.folder, 'mutated.json')
  await writeFile(path, content)
  return (await answerOf('imports.annotated', { path })).replace(`${path}: `, '')
}

describe('whatever is asked for', () => {
  test('a configuration is taken or refused in a sentence', async () => {
    const random = generator(1)
    for (let round = 0; round < 400; round++) {
      const given = mutated(configuration, random)
      const answer = await bench.workbench.call('runs.check', { configuration: given, baseFolder: place.folder })
      if (!answer.ok) throw new Error(answer.error.message)
      const { problems } = answer.result as { problems: { message: string }[] }
      for (const { message } of problems) expect(message.length, message).toBeLessThan(mostWords)
    }
  })

  test('an annotated set is imported or refused in a sentence', async () => {
    const random = generator(2)
    for (let round = 0; round < 60; round++) await importOf(JSON.stringify(mutated(set, random)))
  })

  test('a change of labels is made or refused in a sentence', async () => {
    const random = generator(3)
    const label = { name: 'name', note: 'note', tags: ['tag'], confidence: 'low', status: 'labelled' }
    const call = {
      run,
      clustering: 1,
      words: 'label',
      changes: [
        { do: 'set', targets: ['cluster:0', 'cluster:1'], label },
        { do: 'merge', clusters: [0, 1], label },
        { do: 'split', cluster: 1, tokens: [6, 8], label },
        { do: 'clear', targets: ['cluster:0'] }
      ]
    }
    for (let round = 0; round < 200; round++) await answerOf('labels.apply', mutated(call, random))
  })
})

describe('texts', () => {
  test('keep a half of a pair as U+FFFD, in a set as in a call', async () => {
    const text = JSON.stringify(set).replace(
      '"name":"a","note":"b"',
      JSON.stringify({ name: lone, note: lone }).slice(1, -1)
    )
    expect(text).toContain('\\ud83d')
    expect(await importOf(text)).toBe('')
    const label = { name: lone, note: lone, tags: [lone] }
    const change = { do: 'set', targets: ['cluster:1'], label }
    expect(await answerOf('labels.apply', { run, clustering: 1, words: lone, changes: [change] })).toBe('')
    const { annotations } = await bench.ask('clusters.overview', { run, clustering: 1 })
    expect(annotations.find(({ target }) => target === 'cluster:1')).toMatchObject({
      name: 'cut emoji \ufffd',
      tags: ['cut emoji \ufffd']
    })
  })

  test.each([
    ['name', 'n'.repeat(700), '700'],
    ['note', 'n'.repeat(30_000), '30,000'],
    ['tags', ['t'.repeat(150)], '150'],
    ['tags', new Array(150).fill('t'), '150']
  ])('have in a set the limits of the store: %s', async (key, value, count) => {
    const long = structuredClone(set) as { clusters: { label: Record<string, unknown> | null }[] }
    long.clusters.find(({ label }) => label !== null)!.label![key] = value
    expect(annotatedSetSchema.safeParse(long).success).toBe(false)
    expect(annotationBodySchema.shape[key as 'name'].safeParse(value).success).toBe(false)
    expect(await importOf(JSON.stringify(long))).toMatch(
      new RegExp(`^at clusters\\[\\d\\]\\.label\\.${key}.*it has ${count}, but it must have at most`)
    )
  })

  test('are quoted with 80 characters at most, a path with its end', () => {
    const quoted = briefly(`/a${'/folder'.repeat(100)}/study.json`)
    expect(quoted.length).toBeLessThanOrEqual(80)
    expect(quoted).toMatch(/^\/a\/folder.* … .*\/study\.json$/)
  })
})

describe('large files', () => {
  const milliseconds = 15_000

  test.each([
    [
      'a list of ten million entries',
      (text: string) => text.replace('"components":[', `"components":[${'"x",'.repeat(1e7)}`)
    ],
    ['a key of a megabyte', (text: string) => text.replace('"stages"', `"${'k'.repeat(1e6)}":1,"stages"`)],
    [
      'lists that are 100,000 deep',
      (text: string) => text.replace('"stages":', `"stages":${'['.repeat(1e5)}${']'.repeat(1e5)},"merges":`)
    ]
  ])('%s are refused within seconds', async (_, change) => {
    const changed = change(JSON.stringify(set))
    const refuse = async (): Promise<void> => expect(await importOf(changed)).not.toBe('')
    expect(await processorTime(refuse)).toBeLessThan(milliseconds)
  })

  test('rows that nobody can have are refused before there are any', async () => {
    const file = resolve('../shared/cases/21-limits/annotated-probe-rows.json')
    if (!existsSync(file)) return console.log('skipped: ../shared is not there')
    expect(await answerOf('imports.annotated', { path: file })).toMatch(
      /run\.probeRows, it is 16,777,216, but it must be at most 1,000,000/
    )
  })
})

describe('what the machine has room for', () => {
  test('threads', () => {
    expect(() => checkThreads(mostThreadsHere(2), '"threads"', 2)).not.toThrow()
    expect(() => checkThreads(1000, '"threads"', 2)).toThrow(
      '"threads" is 1,000, and this machine has 2 cores and room for 16 threads at most'
    )
    expect(() => parseConfiguration({ ...configuration, threads: 2 ** 31 }, 'c.json')).toThrow(
      '"threads": it is 2,147,483,648, but it must be at most 1,024.'
    )
  })

  test('rows and their matrix', () => {
    const corpus = { files: ['c'], rowLength: 1024, probe: limits.rows }
    const study = parseConfiguration({ model: 'm', corpus }, 'c.json')
    const check = (memory: number) => () => checkStudySize(study, 32, memory)
    expect(check(16e9)).toThrow(
      /1,000,000 probe rows of 1024 ids, with 32 components, need at least 527\.9 GB of memory, and this machine has 16\.0 GB/
    )
    expect(check(1e12)).not.toThrow()
  })
})
