import { readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareClusterings, compareMatch } from '../../main/api/compare'
import { matchStudies } from '../../main/api/study-matching'
import { prepareStudy } from '../../main/corpora/study'
import { loadModel } from '../../main/models/load'
import { loadTokenizer } from '../../main/models/tokenizer'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { parseConfiguration } from '../../preload/configuration'
import type { StudyRecord } from '../../preload/records'
import { describeWithShared, sharedPath } from '../shared'
import { clusteringOf, temporaryFolder } from './store-fixture'

interface Line {
  readonly text: string
}

interface Studied {
  readonly run: string
  readonly study: StudyRecord
  readonly texts: (id: number) => string
}

/**
 * A run of nearly all rows of a file, tokenised as a model's. It has a matrix that means nothing, and one cluster: of
 * tokens that begin with a space.
 */
const storeStudy = async (workspace: Workspace, file: string, folder: string, rowLength: number): Promise<Studied> => {
  const tokenizer = await loadTokenizer(sharedPath('fixtures', folder))
  const documents = (await readFile(file, 'utf8')).trim().split('\n')
  const length = documents.reduce((sum, line) => sum + tokenizer.encode((JSON.parse(line) as Line).text).length, 0)
  const corpus = { files: [file], rowLength, observation: 1, probe: Math.floor(length / rowLength) - 3 }
  const configuration = parseConfiguration({ model: folder, corpus, clustering: false }, folder)
  const small = await loadModel(sharedPath('fixtures/neox-2m'))
  const model = { ...small, architecture: { ...small.architecture, vocabulary: 50_304 } }
  const study = await prepareStudy(configuration, dirname(file), model, tokenizer, () => undefined)
  const { id } = await workspace.createRun({
    name: folder,
    configuration,
    baseFolder: dirname(file),
    provenance: { tokenizerHash: tokenizer.hash }
  })
  const tokens = study.targets.reduce((sum, { length }) => sum + length, 0)
  const spaced = study.probe.flatMap((ids, row) => Array.from(study.targets[row], (at) => tokenizer.tokenText(ids[at])))
  const [inSpaces, rest] = [true, false].map((wanted) =>
    Int32Array.from(spaced.keys()).filter((token) => spaced[token].startsWith(' ') === wanted)
  )
  const clustering = clusteringOf(tokens)
  await workspace.transaction(id, async (writer) => {
    await writer.saveStudy(study, (token) => tokenizer.tokenText(token))
    await writer.beginSusceptibilities(['embed'], 3)
    await writer.appendSusceptibilities(new Float32Array(tokens), new Float32Array(tokens))
    await writer.saveClustering({
      ...clustering,
      clusters: [{ ...clustering.clusters[0], seed: null, members: inSpaces }],
      leftover: { kind: 'unclustered', members: rest }
    })
  })
  return { run: id, study, texts: (token) => tokenizer.tokenText(token) }
}

describeWithShared('runs of models with different tokenizers', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let workspace: Workspace
  let [small, pythia]: Studied[] = []
  beforeAll(async () => {
    place = await temporaryFolder()
    workspace = await openWorkspace(`${place.folder}/work`, { create: true })
    const lines = (await readFile(sharedPath('fixtures/corpus/wikipedia.jsonl'), 'utf8')).split('\n')
    const file = join(place.folder, 'some.jsonl')
    await writeFile(file, lines.slice(0, 8).join('\n'))
    small = await storeStudy(workspace, file, 'gpt2-2m', 64)
    pythia = await storeStudy(workspace, file, 'pythia-tokenizer', 48)
  })
  afterAll(async () => {
    await workspace.close()
    await place.remove()
  })

  const tokensOf = ({ study, texts }: Studied): { text: string; document: string }[] => {
    const names = new Map(study.documents.map(({ id, file, record }) => [id, `${basename(file)} ${record}`]))
    return study.targets.flatMap((targets, row) =>
      Array.from(targets, (position) => {
        const segment = study.provenance[row].segments.findLast(({ start }) => start <= position)
        return { text: texts(study.probe[row][position]), document: names.get(segment?.document ?? -1) ?? '' }
      })
    )
  }

  test('share the tokens at the same place of the same documents', async () => {
    const { matched, by } = await matchStudies(workspace, small.run, pythia.run)
    expect(by).toBe('text')
    const [left, right] = [tokensOf(small), tokensOf(pythia)]
    const pairs = [...matched.entries()].filter(([, token]) => token >= 0)
    expect(pairs.length).toBeGreaterThan(0.25 * left.length)
    let same = 0
    for (const [token, other] of pairs) {
      expect(left[token].document).toBe(right[other].document)
      const [a, b] = [left[token].text.trim(), right[other].text.trim()]
      if (a.includes(b) || b.includes(a)) same++
    }
    expect(same).toBeGreaterThan(0.95 * pairs.length)
  })

  test('are compared by those tokens, without columns that only share a name', async () => {
    const [left, right] = [small, pythia].map(({ run }) => ({ run, clustering: 1 }))
    const comparison = await compareClusterings(workspace, left, right)
    expect(comparison).toMatchObject({ by: 'text', columns: [] })
    expect(comparison.adjustedRand).toBeGreaterThan(0.5)
    expect(comparison.matches).toHaveLength(1)
    expect(comparison.matches[0].jaccard).toBeGreaterThan(0.7)
    const { both } = await compareMatch(workspace, { ...left, cluster: 0 }, { ...right, cluster: 0 }, 10)
    expect(both.count).toBe(comparison.matches[0].common)
  })
})
