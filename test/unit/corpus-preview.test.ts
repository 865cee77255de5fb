import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { prepareStudy } from '../../main/corpora/study'
import { parseModelConfig } from '../../main/models/config'
import { loadTokenizer } from '../../main/models/tokenizer'
import { previewOf } from '../../main/pipeline/corpus-preview'
import { parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import type { CorpusPreview } from '../../preload/contract'
import { tinyRows, writeTinyModel } from '../tiny-model'

const folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
const text = (word: string, documents: number): string =>
  Array.from({ length: documents }, (_, i) =>
    JSON.stringify({ text: `${word} number ${i} is here and there `.repeat(6) })
  ).join('\n')

beforeAll(async () => {
  await writeTinyModel(join(folder, 'model'))
  mkdirSync(join(folder, 'corpus'))
  writeFileSync(join(folder, 'corpus', 'apples.jsonl'), text('apple', 20))
  writeFileSync(join(folder, 'corpus', 'pears.jsonl'), text('pear', 12))
  writeFileSync(
    join(folder, 'rows.json'),
    JSON.stringify(tinyRows({ sampling: 5, observation: 3, probe: 4, length: 10 }))
  )
})
afterAll(() => rmSync(folder, { recursive: true }))

const configurationOf = (corpus: object, changes: object = {}): RunConfiguration =>
  parseConfiguration(
    {
      model: 'model',
      corpus: { files: ['corpus'], rowLength: 32, sampling: 20, observation: 8, probe: 10, ...corpus },
      ...changes
    },
    'c'
  )

const preview = (configuration: RunConfiguration, seconds = 60): Promise<CorpusPreview> =>
  previewOf({ configuration, baseFolder: folder, rows: 6, seconds }, () => {})

describe('the preview of a corpus', () => {
  it('counts by subset and shows rows that the run would study', async () => {
    const configuration = configurationOf({})
    const found = await preview(configuration)
    expect(found).toMatchObject({ files: 2, documents: 32, complete: true, rowsWanted: 38, problem: null })
    expect(found.subsets.map(({ subset, documents }) => [subset, documents])).toEqual([
      ['apples', 20],
      ['pears', 12]
    ])
    expect(found.rowsThere).toBe(found.subsets.reduce((sum, { rows }) => sum + rows, 0))
    const file = join(folder, 'model', 'config.json')
    const tokenizer = await loadTokenizer(join(folder, 'model'))
    const { probe } = await prepareStudy(
      configuration,
      folder,
      { architecture: parseModelConfig(readFileSync(file, 'utf8'), file), folder },
      tokenizer
    )
    const studied = new Set(probe.map((row) => Array.from(row, (id) => tokenizer.tokenText(id)).join('|')))
    expect(found.rows).toHaveLength(6)
    for (const { tokens } of found.rows) expect(studied.has(tokens.join('|'))).toBe(true)
    expect(new Set(found.rows.map(({ subset }) => subset))).toEqual(new Set(['apples', 'pears']))
  })

  it('says when there is too little, with the rows there are', async () => {
    const { rowsWanted, rowsThere, rows, problem } = await preview(configurationOf({ sampling: 5000 }))
    expect(rowsWanted).toBeGreaterThan(rowsThere)
    expect(problem).toMatch(/The corpus makes \d+ rows/)
    expect(rows).toHaveLength(6)
  })

  it('makes do with what was read when the time is over', async () => {
    const found = await preview(configurationOf({ rowLength: 16 }), 0)
    expect(found).toMatchObject({ complete: false, documents: 1, problem: null })
    expect(found.rows.length).toBeGreaterThan(0)
  })

  it('tells what the model or the files refuse as a problem', async () => {
    expect((await preview(configurationOf({ files: ['nowhere'] }))).problem).toContain('nowhere')
    expect((await preview(configurationOf({ rowLength: 65 }))).problem).toContain('the model takes at most 64 tokens')
    expect((await preview(configurationOf({}, { model: 'gone' }))).problem).toContain('config.json')
    expect((await preview(configurationOf({}, { sampler: { method: 'psgld', batchSize: 21 } }))).problem).toContain(
      'sampler.batchSize'
    )
  })

  it('shows documents without the space that a tokenizer puts before them, and whole characters', async () => {
    const prefixed = join(folder, 'prefixed')
    await writeTinyModel(prefixed)
    const file = join(prefixed, 'tokenizer.json')
    const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as { pre_tokenizer: object }
    const pre_tokenizer = { ...tokenizer.pre_tokenizer, add_prefix_space: true }
    writeFileSync(file, JSON.stringify({ ...tokenizer, pre_tokenizer }))
    mkdirSync(join(folder, 'cafés'))
    const documents = Array.from({ length: 90 }, () => JSON.stringify({ text: 'tea in a café' }))
    writeFileSync(join(folder, 'cafés', 'cafés.jsonl'), documents.join('\n'))
    const found = await preview(configurationOf({ files: ['cafés'] }, { model: 'prefixed' }))
    const shown = found.rows.map(({ tokens }) => tokens.join('')).join('|')
    expect(shown).toContain('<|endoftext|>tea in a café<|endoftext|>')
    expect(shown).not.toContain('<|endoftext|> tea')
  })

  it('shows the rows of a file of rows', async () => {
    const found = await preview(
      parseConfiguration({ model: 'model', rows: 'rows.json', sampler: { method: 'psgld', batchSize: 2 } }, 'c')
    )
    expect(found).toMatchObject({ files: 1, rowsWanted: 12, rowsThere: 12, subsets: [], problem: null })
    expect(found.rows).toHaveLength(4)
    expect(found.rows[0].tokens).toHaveLength(10)
  })
})
