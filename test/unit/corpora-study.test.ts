import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evenShares, selectRows } from '../../main/corpora/selection'
import { packCorpus } from '../../main/corpora/packing'
import { boundariesOf, prepareStudy, spreadTargets, type Study } from '../../main/corpora/study'
import { parseModelConfig } from '../../main/models/config'
import { parseTokenizer, type Tokenizer } from '../../main/models/tokenizer'
import { parseConfiguration, type RunConfiguration } from '../../preload/configuration'
import { failure, neoxConfig, temporaryFolder, tinyTokenizer, writeFolder } from './models-fixtures'

const root = temporaryFolder()
const tokenizer = parseTokenizer(JSON.stringify(tinyTokenizer), 'tokenizer.json')
const model = { folder: 'model', architecture: parseModelConfig(JSON.stringify(neoxConfig), 'config.json') }
const small = { sampling: 20, observation: 10, probe: 12, rowLength: 16 }

const configure = (corpus: object, more: object = {}): RunConfiguration =>
  parseConfiguration(
    { model: 'm', corpus: { files: ['.'], ...small, ...corpus }, sampler: { method: 'psgld', batchSize: 4 }, ...more },
    'CONFIG.json'
  )
const prepare = (
  folder: string,
  corpus: object = {},
  more: object = {},
  reader: Tokenizer | null = tokenizer
): Promise<Study> => prepareStudy(configure(corpus, more), folder, model, reader)

/** Documents of words that differ, so that a wrong place shows. */
const corpusFolder = (counts: Readonly<Record<string, number>>): string => {
  const folder = mkdtempSync(join(root, 'study-'))
  for (const [subset, documents] of Object.entries(counts)) {
    const records = Array.from({ length: documents }, (_, i) =>
      JSON.stringify({
        text: Array.from({ length: 1 + ((i * 7) % 19) }, (__, j) => `${subset}${i}the ${(i * 131 + j * 17) % 97}`).join(
          ' and '
        ),
        meta: { subset }
      })
    )
    writeFileSync(join(folder, `${subset}.jsonl`), `${records.join('\n')}\n`)
  }
  return folder
}
const three = corpusFolder({ b: 60, a: 40, c: 30 })
const texts = (folder: string, file: string): string[] =>
  readFileSync(join(folder, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { text: string }).text)
const key = (row: Int32Array): string => row.join(' ')

describe('packing', () => {
  it.each([
    ['with no token before rows', 'auto', undefined, undefined],
    ["with the tokenizer's own token before rows", 'auto', 5, 5],
    ['with the token between documents before rows', true, undefined, 0],
    ["without the tokenizer's own token", false, 5, undefined]
  ] as const)("remembers every token's document and place, %s", async (_, prependBos, beginOfText, begin) => {
    const reader = { ...tokenizer, beginOfText }
    const { probe, provenance, documents } = await prepare(three, { probe: 50, prependBos }, {}, reader)
    const byId = new Map(documents.map((document) => [document.id, document]))
    const cache = new Map<number, number[]>()
    const idsOf = (id: number): number[] => {
      const { file, record } = byId.get(id)!
      if (!cache.has(id)) cache.set(id, tokenizer.encode(texts(three, file)[record]))
      return cache.get(id)!
    }
    probe.forEach((row, r) => {
      const { subset, segments } = provenance[r]
      expect(row).toHaveLength(16)
      expect(segments[0].start).toBe(begin === undefined ? 0 : 1)
      if (begin !== undefined) expect(row[0]).toBe(begin)
      segments.forEach(({ start, document, offset }, s) => {
        const end = segments[s + 1]?.start ?? row.length
        const ids = idsOf(document)
        expect(byId.get(document)!.subset).toBe(subset)
        if (s > 0) expect(offset).toBe(0)
        const expected = [...ids, tokenizer.endOfText!].slice(offset, offset + end - start)
        expect([...row.subarray(start, end)]).toEqual(expected)
        if (s + 1 < segments.length) expect(row[end - 1]).toBe(tokenizer.endOfText)
      })
    })
    expect(new Set(provenance.flatMap(({ segments }) => segments.map(({ document }) => document)))).toEqual(
      new Set(byId.keys())
    )
  })

  it('needs an end of text that the model knows only where the tokenizer names none', async () => {
    const architecture = { ...model.architecture, endOfText: 50256 }
    await expect(prepareStudy(configure({}), three, { ...model, architecture }, tokenizer)).resolves.toBeDefined()
    const nameless = { ...tokenizer, endOfText: undefined }
    const error = await failure(prepareStudy(configure({}), three, { ...model, architecture }, nameless))
    expect(error.message).toMatch(
      /^Documents are joined by the token 50256 .*"eos_token_id" of config\.json.*ends at 299/
    )
  })

  it('joins documents with end-of-text tokens and drops the remainder', async () => {
    const { architecture } = model
    const corpus = configure({}).corpus!
    const { subsets: preview } = await packCorpus({
      corpus,
      baseFolder: three,
      tokenizer,
      vocabulary: architecture.vocabulary,
      ...boundariesOf(corpus, tokenizer, architecture)
    })
    expect(preview.map(({ name, documents }) => [name, documents])).toEqual([
      ['a', 40],
      ['b', 60],
      ['c', 30]
    ])
    for (const { name, documents, tokens, rows } of preview) {
      expect(tokens).toBe(
        texts(three, `${name}.jsonl`).reduce((sum, text) => sum + tokenizer.encode(text).length, 0) + documents - 1
      )
      expect(rows).toBe(Math.floor(tokens / 16))
    }
  })

  it('works with ids beyond 16 bits', async () => {
    const value = structuredClone(tinyTokenizer)
    value.model.vocab = Object.fromEntries(
      Object.entries(value.model.vocab).map(([token, id]) => [token, id === 0 ? 0 : id + 70000])
    )
    const wide = parseTokenizer(JSON.stringify(value), '')
    const study = await prepareStudy(
      configure({}),
      three,
      { folder: 'm', architecture: { ...model.architecture, vocabulary: 80000 } },
      wide
    )
    const narrow = await prepare(three)
    expect(study.probe.map((row) => row.map((id) => (id === 0 ? 0 : id - 70000)))).toEqual(narrow.probe)
  })
})

describe('the selection of rows', () => {
  it('is disjoint, of the sizes asked for, and all rows of the subsets can be used', () => {
    const { probe, observation, sampling } = selectRows(
      [50, 0, 30, 20],
      ['a', 'b', 'c', 'd'],
      { probe: 30, observation: 30, sampling: 40 },
      3
    )
    const all = [...probe, ...observation, ...sampling].map(({ subset, row }) => `${subset}:${row}`)
    expect(new Set(all).size).toBe(100)
    expect([probe, observation, sampling].map(({ length }) => length)).toEqual([30, 30, 40])
    expect(all.every((place) => /^(0:[0-4]?\d|2:[0-2]?\d|3:1?\d)$/.test(place))).toBe(true)
  })

  it('spreads probe rows evenly; small subsets give what they have', () => {
    expect(evenShares([100, 100, 100], 30)).toEqual([10, 10, 10])
    expect(evenShares([100, 4, 100], 30)).toEqual([13, 4, 13])
    expect(evenShares([100, 100, 100], 32)).toEqual([11, 11, 10])
    expect(evenShares([3, 0, 8, 100], 30)).toEqual([3, 0, 8, 19])
    expect(evenShares([1, 1], 1)).toEqual([1, 0])
    const { probe } = selectRows([200, 4, 200], ['a', 'b', 'c'], { probe: 30, observation: 1, sampling: 1 }, 1)
    expect([0, 1, 2].map((subset) => probe.filter((place) => place.subset === subset).length)).toEqual([13, 4, 13])
    expect(probe).toEqual([...probe].sort((x, y) => x.subset - y.subset || x.row - y.row))
  })

  it('depends on the seed alone, and draws uniformly', () => {
    const choose = (seed: number) =>
      selectRows([400, 400], ['a', 'b'], { probe: 100, observation: 200, sampling: 300 }, seed)
    expect(choose(1)).toEqual(choose(1))
    expect(choose(1)).not.toEqual(choose(2))
    const counts = new Float64Array(800)
    for (let seed = 0; seed < 200; seed++)
      for (const { subset, row } of choose(seed).observation) counts[subset * 400 + row]++
    const mean = counts.reduce((a, b) => a + b) / 800
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / 800
    expect(mean).toBe(50)
    expect(variance).toBeGreaterThan(30)
    expect(variance).toBeLessThan(45)
  })

  it('from too few rows says how many there are of each subset and what to change', async () => {
    const error = await failure(prepare(three, { sampling: 4000 }))
    expect(error.kind).toBe('input')
    expect(error.message).toMatch(
      /The corpus makes \d+ rows \(a \d+, b \d+, c \d+\), and 4000 sampling \+ 10 observation \+ 12 probe rows = 4022 are asked for; add text, or lower "corpus\.sampling"/
    )
  })
})

describe('a study of a corpus', () => {
  it('is the same every time, and another with another seed', async () => {
    const [first, again, other] = [await prepare(three), await prepare(three), await prepare(three, {}, { seed: 2 })]
    expect(again).toEqual(first)
    expect(other.hash).not.toBe(first.hash)
    expect(new Set([...first.probe, ...first.observation, ...first.sampling].map(key)).size).toBe(42)
    expect(first.provenance.map(({ subset }) => subset)).toEqual(
      ['a', 'b', 'c'].flatMap((subset) => Array<string>(4).fill(subset))
    )
  })

  it('studies every target position, or so many spread evenly', async () => {
    expect([...spreadTargets(5)]).toEqual([1, 2, 3, 4])
    expect([...spreadTargets(101, 4)]).toEqual([13, 38, 63, 88])
    expect([...spreadTargets(5, 9)]).toEqual([1, 2, 3, 4])
    for (let count = 1; count < 20; count++) {
      const targets = spreadTargets(16, count)
      expect(new Set(targets).size).toBe(Math.min(count, 15))
      expect(
        targets.every((position, i) => position >= 1 && position <= 15 && (i === 0 || position > targets[i - 1]))
      ).toBe(true)
    }
    const study = await prepare(three, { probeTokensPerRow: 3 })
    expect(study.targets.map(({ length }) => length)).toEqual(Array(12).fill(3))
    expect(study.hash).not.toBe((await prepare(three)).hash)
  })

  it('reports progress in bytes', async () => {
    const seen: [number, number][] = []
    await prepareStudy(configure({}), three, model, tokenizer, (done, total) => seen.push([done, total]))
    expect(seen.at(-1)![0]).toBe(seen.at(-1)![1])
  })

  it('refuses rows that are longer than the model takes, a missing tokenizer, and too small a set of sampling rows', async () => {
    expect((await failure(prepare(three, { rowLength: 33 }))).message).toMatch(
      /"corpus\.rowLength" is 33, but the model takes at most 32/
    )
    expect((await failure(prepare(three, {}, {}, null))).message).toMatch(/needs the model's tokenizer\.json/)
    expect((await failure(prepare(three, {}, { sampler: { method: 'psgld', batchSize: 21 } }))).message).toMatch(
      /"sampler\.batchSize" is 21, but there are only 20 sampling rows/
    )
  })

  it('refuses an empty corpus', async () => {
    const folder = writeFolder(mkdtempSync(join(root, 'empty-')), { 'a.jsonl': '\n{"text":"  "}\n', 'b.txt': '' })
    expect((await failure(prepare(folder))).message).toMatch(/The corpus has no text/)
    expect((await failure(prepare(mkdtempSync(join(root, 'empty-'))))).message).toMatch(/The corpus has no text/)
  })

  it('refuses a tokenizer of another model, by file, record and token; a padded vocabulary is fine', async () => {
    const narrow = { ...model, architecture: { ...model.architecture, vocabulary: 200 } }
    const folder = writeFolder(mkdtempSync(join(root, 'narrow-')), {
      'a.jsonl': '{"text":"plain"}\n{"text":"and the"}\n'
    })
    expect((await failure(prepareStudy(configure({}), folder, narrow, tokenizer))).message).toMatch(
      /a\.jsonl, record 1: the tokenizer gives "and" the id 261, but the model's vocabulary ends at 199/
    )
    expect(model.architecture.vocabulary).toBeGreaterThan(tokenizer.vocabularySize)
  })
})

describe('a study of given rows', () => {
  const rows = {
    sampling: [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8],
      [1, 1]
    ],
    observation: [[1, 2]],
    probe: [
      [1, 2, 3, 4],
      [5, 6]
    ]
  }
  const given = async (value: unknown, text = JSON.stringify(value)): Promise<Study> => {
    const folder = writeFolder(mkdtempSync(join(root, 'rows-')), { 'rows.json': text })
    return prepareStudy(
      parseConfiguration({ model: 'm', rows: 'rows.json', sampler: { method: 'psgld', batchSize: 4 } }, 'CONFIG.json'),
      folder,
      model,
      null
    )
  }

  it('keeps them as they are', async () => {
    const study = await given(rows)
    expect(study.sampling.map((row) => [...row])).toEqual(rows.sampling)
    expect(study.targets.map((targets) => [...targets])).toEqual([[1, 2, 3], [1]])
    expect(study.provenance).toEqual([
      { subset: '', segments: [] },
      { subset: '', segments: [] }
    ])
    expect(study.documents).toEqual([])
    expect(study.hash).not.toBe(
      (
        await given({
          ...rows,
          probe: [
            [1, 2, 3],
            [4, 5, 6]
          ]
        })
      ).hash
    )
  })

  const bad: [string, unknown, RegExp][] = [
    [
      'rows shorter than 2',
      { ...rows, probe: [[1, 2], [3]] },
      /rows\.json: "probe"\[1\] has 1 token ids; a row needs at least 2/
    ],
    [
      'rows longer than the model takes',
      { ...rows, sampling: [Array(33).fill(1)] },
      /"sampling"\[0\] has 33 token ids, but the model takes at most 32/
    ],
    [
      'ids outside the vocabulary',
      {
        ...rows,
        observation: [
          [1, 2],
          [3, 300]
        ]
      },
      /"observation"\[1\]\[1\] is 300, and the model's token ids are 0 to 299/
    ],
    ['negative ids', { ...rows, observation: [[-1, 2]] }, /"observation"\[0\]\[0\] is -1/],
    ['broken ids', { ...rows, observation: [[1, 2.5]] }, /"observation"\[0\]\[1\]: /],
    ['a missing set', { sampling: rows.sampling, probe: rows.probe }, /"observation": /],
    ['an empty set', { ...rows, probe: [] }, /"probe": /],
    ['an unknown set', { ...rows, probes: [] }, /"probes"/]
  ]
  it.each(bad)('refuses %s', async (_, value, message) => {
    const error = await failure(given(value))
    expect(error.kind).toBe('input')
    expect(error.message).toMatch(message)
  })

  it('refuses a file that is no JSON or not there', async () => {
    expect((await failure(given(null, '{'))).message).toMatch(/rows\.json: not valid JSON/)
    expect(
      (
        await failure(
          prepareStudy(parseConfiguration({ model: 'm', rows: 'gone.json' }, 'CONFIG.json'), root, model, null)
        )
      ).message
    ).toMatch(/gone\.json: the rows cannot be read \(ENOENT\)/)
  })
})
