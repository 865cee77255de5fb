import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AnnotationBody } from '../../preload/contract-annotations'
import { resourcePath } from '../../main/base/entries'
import { exportAnnotatedSet } from '../../main/exchange/annotated-export'
import type { AnnotatedExportOptions } from '../../main/exchange/annotated-export'
import { importAsRun, labelsForClustering } from '../../main/exchange/annotated-import'
import { annotationsOf } from '../../main/exchange/annotated-labels'
import { readAnnotatedSet } from '../../main/exchange/annotated-read'
import { annotatedSetJsonSchema, annotatedSetSchema } from '../../main/exchange/annotated-set'
import type { AnnotatedSet } from '../../main/exchange/annotated-set'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import type { CorpusContents } from '../../preload/corpus-contents'
import { groupKinds } from '../../preload/records'
import {
  clusteringOf,
  components,
  matrixOf,
  smallStudy,
  storeRun,
  temporaryFolder,
  texts,
  treeDescription,
  treeOf,
  treeRules
} from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let other: Workspace
let run: string

const label = (name: string, changes: Partial<AnnotationBody> = {}): AnnotationBody => ({
  name,
  note: '',
  tags: [],
  confidence: null,
  status: 'labelled',
  blindTest: null,
  author: 'Ada',
  changedAt: '2026-11-20T10:00:00.000Z',
  ...changes
})
/** How the corpus of the run was read. */
const contents: CorpusContents = {
  read: [{ kind: 'jsonl', extension: '.jsonl', files: 2, documents: 9 }],
  blank: 1,
  leftOut: [{ why: 'hidden', count: 1, names: ['c/.x'] }]
}
const hostile = '</script><img src=x onerror=alert(1)> "quoted" \u0000\u001b[2J\u202e \u2028 日本 😀 \\ __proto__'

const annotations = {
  'cluster:0': label(hostile, {
    note: `${hostile}\nsecond line`,
    tags: ['a,b', hostile],
    confidence: 'low',
    blindTest: { right: 3, of: 4 }
  }),
  'cluster:-1': label('the rest', { status: 'unsure' }),
  'merge:1': label('both', { clusters: [0, 1] }),
  'part:1': label('two of them', { cluster: 1, tokens: [6, 8] })
} as const

beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
  other = await openWorkspace(join(place.folder, 'other'), { create: true })
  run = await storeRun(workspace)
  await workspace.updateRun(run, {
    status: 'finished',
    startedAt: '2026-11-19T10:00:00.000Z',
    finishedAt: '2026-11-19T11:00:00.000Z',
    provenance: {
      studyHash: 'abc',
      modelHash: 'def',
      versions: { spectroscope: '1' },
      corpus: contents,
      keptSums: 4096
    }
  })
  await annotate(workspace, run)
})

afterAll(async () => {
  await workspace.close()
  await other.close()
  await place.remove()
})

const annotate = async (into: Workspace, id: string): Promise<void> => {
  await into.applyAnnotations({
    run: id,
    clustering: 1,
    words: 'label',
    author: 'Ada',
    edits: Object.entries(annotations).map(([target, after]) => ({
      target: target as keyof typeof annotations,
      after: { ...after }
    }))
  })
}

const out = (name: string): string => join(place.folder, name)

const write = async (
  name: string,
  options: Partial<AnnotatedExportOptions> = {},
  from = workspace,
  id = run
): Promise<AnnotatedSet> => {
  await exportAnnotatedSet(from, id, {
    file: out(name),
    clusters: 'all',
    program: 'spectroscope test',
    overwrite: true,
    ...options
  })
  return JSON.parse(await readFile(out(name), 'utf8')) as AnnotatedSet
}

const imported = async (name: string, into = other): Promise<string> =>
  (await importAsRun(into, await readAnnotatedSet(out(name)), out(name), 'Bob')).run.id

/** A set without what a second export must have of its own. */
const lasting = ({ exportedAt: _, ...set }: AnnotatedSet): object => set

describe('an annotated cluster set', () => {
  test('is what its schema says, and the schema is the published one', async () => {
    const set = await write('set.json')
    expect(annotatedSetSchema.safeParse(set).error?.issues).toBeUndefined()
    // `vitest -u` writes it.
    await expect(`${JSON.stringify(annotatedSetJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
      resourcePath('schemas', 'annotated-cluster-set.schema.json')
    )
  })

  test('can be read without the program', async () => {
    const set = await write('set.json')
    expect(set).toMatchObject({
      format: 'spectroscope annotated cluster set',
      version: 3,
      program: 'spectroscope test',
      run: { id: run, name: 'a run', tokens: 20, probeRows: 4, initialLoss: 2.5 },
      provenance: { seed: 7, studyHash: 'abc', modelHash: 'def' },
      configuration: { model: 'model', sampler: { preset: 'paper', draws: 100 } },
      components,
      clustering: { number: 1, clusters: 2 },
      selection: null
    })
    expect(
      set.clusters.map(({ cluster, kind, size, conductance, members }) => [
        cluster,
        kind,
        size,
        conductance,
        members.length
      ])
    ).toEqual([
      [0, 'cluster', 5, 0.25, 5],
      [1, 'cluster', 5, 0.5, 5],
      [-1, 'main body', 10, null, 10]
    ])
    const row = [...smallStudy().probe[1]].map((id) => texts[id])
    expect(set.clusters[1].members[1]).toEqual({
      token: 6,
      row: 1,
      position: 2,
      id: smallStudy().probe[1][2],
      text: row[2],
      before: row.slice(0, 2).join(''),
      after: row.slice(3).join(''),
      subset: 'law',
      document: { file: 'a.jsonl', record: 5 },
      strength: null,
      strengthsAbove: []
    })
    expect(set.clusters[0].label).toEqual(annotations['cluster:0'])
    expect(set.clusters[1].label).toBeNull()
    expect(set.merges).toEqual([{ merge: 1, clusters: [0, 1], label: label('both') }])
    expect(set.parts).toEqual([{ part: 1, cluster: 1, tokens: [6, 8], label: label('two of them') }])
    const profile = await workspace.getClusterProfile(run, 1)
    set.clusters[1].profile.mean.forEach((mean, i) => expect(mean).toBeCloseTo(profile.mean[i], 12))
    set.clusters[1].profile.standardDeviation.forEach((deviation, i) =>
      expect(deviation).toBeCloseTo(profile.standardDeviation[i], 12)
    )
    expect(set.rows.map(({ ids }) => ids)).toEqual(smallStudy().probe.map((ids) => [...ids]))
    const [block] = set.matrix.blocks
    expect([...new Float32Array(Uint8Array.from(Buffer.from(block.susceptibilities, 'base64')).buffer)]).toEqual([
      ...matrixOf(20)
    ])
  })

  test('is the same when it is imported and exported again, but for its date', async () => {
    const first = await write('first.json')
    const id = await imported('first.json')
    expect(id).not.toBe(run)
    expect(lasting(await write('second.json', {}, other, id))).toEqual(lasting(first))
  })

  test('may have a byte order mark before it, and more of its origin than is known', async () => {
    const set = await write('plain.json')
    const more = { ...set, provenance: { ...set.provenance, keptSums: 4096 } }
    await writeFile(out('marked.json'), `\ufeff${JSON.stringify(more)}`)
    const { tokens, provenance } = await other.getRun(await imported('marked.json'))
    expect(tokens).toBe(20)
    expect(provenance).toMatchObject({ studyHash: 'abc', corpus: contents })
  })

  test('has a name of its own beside the run that it came from, which does not go out with it', async () => {
    await write('beside.json')
    const ids = [await imported('beside.json', workspace), await imported('beside.json', workspace)]
    const names = await Promise.all(ids.map((id) => workspace.getRun(id)))
    expect(names.map(({ name }) => name)).toEqual(['a run, imported', 'a run, imported 2'])
    for (const { id } of names) expect((await write('beside-again.json', {}, workspace, id)).run.name).toBe('a run')
    await workspace.changeRun(names[0].id, { name: 'mine' }, 'Ada')
    expect((await write('beside-again.json', {}, workspace, names[0].id)).run.name).toBe('mine')
  })

  test('is a run of its own that can be looked at', async () => {
    await write('look.json')
    const id = await imported('look.json')
    const [before, after] = [await workspace.getRun(run), await other.getRun(id)]
    const { keptSums, ...provenance } = before.provenance
    expect([keptSums, after.provenance.keptSums]).toEqual([4096, undefined])
    expect(after).toMatchObject({
      name: expect.stringMatching(/^a run, imported/) as string,
      status: 'finished',
      configuration: before.configuration,
      components: [...before.components],
      tokens: before.tokens,
      initialLoss: 2.5,
      provenance: {
        ...provenance,
        imported: {
          file: 'look.json',
          run: { id: run, createdAt: before.createdAt },
          clustering: { number: 1 },
          selection: null
        }
      }
    })
    expect(after.stages.map(({ stage, seconds }) => [stage, seconds])).toEqual(
      before.stages.map(({ stage, seconds }) => [stage, seconds])
    )
    expect(await other.getClusterSummaries(id)).toEqual(await workspace.getClusterSummaries(run))
    expect(await other.getClusterProfile(id, 0)).toEqual(await workspace.getClusterProfile(run, 0))
    expect(await other.getMembership(id)).toEqual(await workspace.getMembership(run))
    expect(await other.getClusterTokens(id, -1)).toEqual(await workspace.getClusterTokens(run, -1))
    expect(await other.getDiagnostics(id)).toEqual(await workspace.getDiagnostics(run))
    expect(await other.getAnnotations(id, 1)).toEqual(await workspace.getAnnotations(run, 1))
    expect((await other.getUndoState()).undo).toMatchObject({ run: id, author: 'Bob' })
  })

  test('of a selection has its tokens only, and survives the round trip too', async () => {
    const set = await write('one.json', { clusters: [1] })
    expect(set.selection).toEqual([1])
    expect(
      set.clusters.map(({ cluster, seed, members }) => [
        cluster,
        seed,
        members.map(({ token, row, position }) => [token, row, position])
      ])
    ).toEqual([
      [
        1,
        2,
        [
          [0, 1, 1],
          [1, 1, 2],
          [2, 1, 3],
          [3, 1, 4],
          [4, 1, 5]
        ]
      ]
    ])
    expect(set.rows.map(({ row }) => row)).toEqual([1])
    expect([set.merges, set.parts.map(({ tokens }) => tokens)]).toEqual([[], [[1, 3]]])
    const id = await imported('one.json')
    expect(await other.getRun(id)).toMatchObject({
      tokens: 5,
      probeRows: 4,
      provenance: { imported: { selection: [1] } }
    })
    const again = await write('one-again.json', {}, other, id)
    const [first] = set.clusters
    expect(again.clusters).toEqual([
      { ...first, cluster: 0, topTokens: again.clusters[0].topTokens, subsets: again.clusters[0].subsets }
    ])
    expect(again.clusters[0].topTokens.map(({ id: token, text, count }) => [token, text, count])).toEqual(
      first.topTokens.map(({ id: token, text, count }) => [token, text, count])
    )
    expect([
      again.rows,
      again.vocabulary,
      again.documents,
      again.matrix,
      again.diagnostics,
      again.configuration
    ]).toEqual([set.rows, set.vocabulary, set.documents, set.matrix, set.diagnostics, set.configuration])
    expect(again.parts).toEqual([{ ...set.parts[0], cluster: 0 }])
  })

  test('of what is labelled has what counts as labelled everywhere', async () => {
    const { clusters } = await write('labelled.json', { clusters: 'labelled' })
    expect(clusters.map(({ cluster }) => cluster)).toEqual([0, 1])
    const bare = await storeRun(workspace)
    await expect(write('none.json', { clusters: 'labelled' }, workspace, bare)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('label some')
    })
    await expect(write('none.json', { clusters: [0, 9] }, workspace, bare)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('no cluster 9; it has 0 to 1')
    })
    await expect(readFile(out('none.json'))).rejects.toThrow('ENOENT')
  })

  test('is read in whatever order of keys and whatever white space', async () => {
    const set = await write('order.json')
    const sorted = Object.fromEntries(Object.entries(set).sort(([a], [b]) => (a < b ? -1 : 1)))
    await writeFile(out('sorted.json'), `  ${JSON.stringify(sorted, null, 1).replaceAll('\n', '\r\n\t')}\n\n`)
    expect(lasting(await write('sorted-again.json', {}, other, await imported('sorted.json')))).toEqual(lasting(set))
    await writeFile(out('dense.json'), JSON.stringify(set))
    expect((await readAnnotatedSet(out('dense.json'))).tokenRows).toHaveLength(20)
  })

  test('gives its labels to a clustering of the same study, whatever its numbers', async () => {
    await write('labels.json')
    const id = await storeRun(other)
    const { clusters, leftover, ...rest } = clusteringOf(20)
    const { number } = await other.transaction(id, (writer) =>
      writer.saveClustering({
        ...rest,
        leftover,
        clusters: [...clusters].reverse().map((cluster, order) => ({ ...cluster, order }))
      })
    )
    const { proposals, edits, left } = await labelsForClustering(
      other,
      await readAnnotatedSet(out('labels.json')),
      id,
      number,
      0.5
    )
    expect(left).toEqual([])
    expect(proposals.map(({ target, to, jaccard }) => [target, to, jaccard]).sort()).toEqual([
      ['cluster:-1', -1, 1],
      ['cluster:0', 1, 1],
      ['merge:1', 0, 1],
      ['part:1', 0, 1]
    ])
    expect(edits.find(({ target }) => target === 'cluster:1')?.after).toEqual(annotations['cluster:0'])
    await other.applyAnnotations({ run: id, clustering: number, words: 'import', author: 'Bob', edits })
    expect(await other.getAnnotations(id, number)).toHaveLength(4)
  })

  test('replaces no file unasked, and no folder', async () => {
    await write('there.json')
    await expect(write('there.json', { overwrite: false })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('exists already')
    })
    await mkdir(out('a-folder'))
    await expect(write('a-folder')).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('is a folder')
    })
    expect(await readdir(out('a-folder'))).toEqual([])
    await expect(write('deeper/and/deeper.json')).resolves.toMatchObject({ version: 3 })
  })
})

describe('a file that is not right', () => {
  const refusal = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(out(name), content)
    const error: unknown = await readAnnotatedSet(out(name)).then(
      () => undefined,
      (reason: unknown) => reason
    )
    expect(error).toMatchObject({ kind: 'input' })
    const { message } = error as Error
    expect(message).toContain(out(name))
    expect(message).toMatch(/; .+\.$/)
    expect(message).not.toContain('\n')
    return message
  }

  test('is named, with the place and the remedy', async () => {
    const sound = await write('sound.json')
    const text = await readFile(out('sound.json'), 'utf8')
    const changed = (change: (set: AnnotatedSet & Record<string, unknown>) => void): string => {
      const copy = structuredClone(sound) as AnnotatedSet & Record<string, unknown>
      change(copy)
      return JSON.stringify(copy)
    }
    expect(await refusal('empty.json', '')).toContain('not an annotated cluster set')
    expect(await refusal('text.json', 'Dear reader')).toContain('not an annotated cluster set')
    expect(await refusal('list.json', '[1, 2]')).toContain('not an annotated cluster set')
    expect(await refusal('other.json', '{"format": "something else", "version": 1}')).toContain(
      'its format is "something else"'
    )
    expect(await refusal('run.json', '{"format": "spectroscope run", "version": 1}')).toContain(
      'the run.json of an export as json'
    )
    expect(
      await refusal(
        'newer.json',
        changed((set) => (set.version = 4 as 3))
      )
    ).toContain('newer program (version 4 of the format; this one reads 3); update')
    for (const version of [0, 1.5, -1])
      expect(
        await refusal(
          'version.json',
          changed((set) => (set.version = version as 3))
        )
      ).toContain(`its version ${version} is unknown`)
    expect(
      await refusal(
        'newer-last.json',
        '{"novelty": {"a": [1]}, "version": 9, "format": "spectroscope annotated cluster set"}'
      )
    ).toContain('newer program')
    expect(
      await refusal(
        'key.json',
        changed((set) => (set['novelty'] = 1))
      )
    ).toContain('at novelty, this key is unknown')
    expect(
      await refusal(
        'missing.json',
        changed((set) => delete (set as Partial<AnnotatedSet>).rows)
      )
    ).toContain('row')
    expect(
      await refusal(
        'no-merges.json',
        changed((set) => delete (set as Partial<AnnotatedSet>).merges)
      )
    ).toContain('"merges" is missing')
    expect(
      await refusal(
        'type.json',
        changed((set) => (set.clusters[1].members[2].row = -1))
      )
    ).toContain('at clusters[1].members[2].row, ')
    expect(
      await refusal(
        'id.json',
        changed((set) => (set.rows[0].ids[2] += 1))
      )
    ).toContain('token 1 is not what row 0 has at position 2')
    expect(
      await refusal(
        'twice.json',
        changed((set) => (set.clusters[0].members[1].token = 0))
      )
    ).toContain('token 0 occurs twice')
    expect(
      await refusal(
        'size.json',
        changed((set) => (set.clusters[0].size = 4))
      )
    ).toContain('its size is 4, and it has 5 members')
    expect(
      await refusal(
        'part.json',
        changed((set) => (set.parts[0].tokens = [1]))
      )
    ).toContain('at parts[0], its tokens are not in cluster 1')
    expect(
      await refusal(
        'merge.json',
        changed((set) => (set.merges[0].clusters = [0, 7]))
      )
    ).toContain('there is no cluster 7')
    expect(
      await refusal(
        'matrix.json',
        changed((set) => (set.matrix.blocks[0].standardErrors = 'AAAA'))
      )
    ).toContain('at matrix.blocks[0], it does not hold the numbers')
    expect(
      await refusal(
        'columns.json',
        changed((set) => set.components.push('mlp:9'))
      )
    ).toContain('20 tokens × 3 components, and the file has 20 × 4')
    expect(
      await refusal(
        'status.json',
        changed((set) => (set.clusters[0].label = { ...label('x'), status: 'done' as 'labelled' }))
      )
    ).toContain('at clusters[0].label.status')
    expect(
      await refusal(
        'rows.json',
        changed((set) => (set.run.probeRows = 2))
      )
    ).toContain('there cannot be 2 rows')
    expect(await refusal('damaged.json', text.replace('"members": [', '"members": [!'))).toContain('damaged near byte')
    expect(await refusal('damaged-2.json', text.replace('"members": [', '"members" ['))).toContain('damaged near byte')
    expect(await refusal('trailing.json', `${text}{}`)).toContain('damaged near byte')
    expect(await refusal('double.json', text.replace('"version": 3,', '"version": 3, "version": 3,'))).toContain(
      'at version, this key occurs twice'
    )
    expect(
      await refusal(
        'bytes.json',
        Buffer.concat([
          Buffer.from(text.slice(0, text.indexOf('a run'))),
          Buffer.from([0xff, 0xfe]),
          Buffer.from(text.slice(text.indexOf('a run')))
        ])
      )
    ).toContain('damaged')
  })

  test('is told when it is cut off, wherever that is', async () => {
    await write('whole.json')
    const text = (await readFile(out('whole.json'), 'utf8')).trimEnd()
    for (let share = 1; share < 40; share++)
      expect(await refusal('cut.json', text.slice(0, Math.floor((text.length * share) / 40)))).toMatch(
        /is truncated|not an annotated cluster set/
      )
    expect(await refusal('cut.json', text.slice(0, -1))).toContain('is truncated')
  })

  test('that is not there, or is a folder, is told too', async () => {
    await expect(readAnnotatedSet(out('nowhere.json'))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('nowhere.json cannot be read (ENOENT)')
    })
    await mkdir(out('folder.json'), { recursive: true })
    await expect(readAnnotatedSet(out('folder.json'))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('not of a folder')
    })
  })

  test('leaves no run behind when it cannot be imported', async () => {
    await write('fails.json')
    const before = (await other.listRuns()).length
    const set = await readAnnotatedSet(out('fails.json'))
    await writeFile(
      out('fails.json'),
      (await readFile(out('fails.json'), 'utf8')).replace('"count":20,', '"count":19,')
    )
    await expect(importAsRun(other, set, out('fails.json'), 'Bob')).rejects.toMatchObject({ kind: 'input' })
    expect(await other.listRuns()).toHaveLength(before)
  })
})

/** What version 1 of the format had of a set. */
const asVersion1 = (set: AnnotatedSet): object => {
  const without = (value: object, ...keys: string[]): object =>
    Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)))
  const settings = (value: object | false): object | false =>
    value === false ? value : without(value, 'method', 'stability')
  return {
    ...without(set, 'selections'),
    version: 1,
    configuration: { ...set.configuration, clustering: settings(set.configuration.clustering) },
    clustering: {
      ...without(set.clustering, 'groupsAbove', 'stability', 'modularity', 'sweep'),
      configuration: settings(set.clustering.configuration)
    },
    clusters: set.clusters.map(({ members, ...cluster }) => ({
      ...without(cluster, 'parent', 'stability', 'rule', 'uncaught'),
      members: members.map((member) => without(member, 'strength', 'strengthsAbove'))
    }))
  }
}

describe('a file of version 1', () => {
  test('is read as clusters by ACL, whose stability is not known', async () => {
    const set = await write('now.json')
    await writeFile(out('old.json'), JSON.stringify(asVersion1(set)))
    expect((await readAnnotatedSet(out('old.json'))).head.version).toBe(1)
    const id = await imported('old.json')
    const {
      configuration,
      clusterings: [clustering]
    } = await other.getRun(id)
    expect(configuration.clustering).toEqual({ ...(set.configuration.clustering as object), stability: false })
    expect(clustering).toMatchObject({
      configuration: { method: 'acl', stability: false, alpha: 0.001 },
      groupsAbove: 0,
      stability: null,
      modularity: null,
      sweep: []
    })
    expect(await other.getClusterSummaries(id)).toEqual(await workspace.getClusterSummaries(run))
    expect(await other.getAnnotations(id, 1)).toEqual(await workspace.getAnnotations(run, 1))
  })

  test('may have nothing of version 2', async () => {
    const old = asVersion1(await write('now.json')) as AnnotatedSet
    await writeFile(out('mixed.json'), JSON.stringify({ ...old, version: 2 }))
    await expect(readAnnotatedSet(out('mixed.json'))).rejects.toMatchObject({ kind: 'input' })
  })
})

describe('a set with a tree', () => {
  const treeLabels = {
    'cluster:0': label('zero'),
    'cluster:4': label('a neighbourhood', { confidence: 'high' }),
    'cluster:5': label('a region'),
    'merge:1': label('both', { clusters: [0, 3] }),
    'part:1': label('some of the region', { cluster: 5, tokens: [1, 11] })
  } as const
  let grown: string

  beforeAll(async () => {
    grown = await storeRun(workspace, 4, treeOf(20))
    await workspace.applyAnnotations({
      run: grown,
      clustering: 1,
      words: 'label',
      author: 'Ada',
      edits: Object.entries(treeLabels).map(([target, after]) => ({
        target: target as keyof typeof treeLabels,
        after: { ...after }
      }))
    })
  })

  test('says how groups lie in one another, how well they recur, and where that of each member is', async () => {
    const set = await write('tree.json', {}, workspace, grown)
    expect(annotatedSetSchema.safeParse(set).error?.issues).toBeUndefined()
    const { stability, modularity, sweep } = treeOf(20)
    expect(set.clustering).toMatchObject({
      clusters: 4,
      groupsAbove: 2,
      stability,
      modularity,
      sweep,
      configuration: { method: 'communities', resolution: 8 }
    })
    expect(
      set.clusters.map(({ cluster, kind, parent, size, stability: own, members }) => [
        cluster,
        kind,
        parent,
        size,
        own,
        members.length
      ])
    ).toEqual([
      [0, 'cluster', 4, 5, 0.9, 5],
      [1, 'cluster', 4, 5, 0.4, 5],
      [2, 'cluster', 5, 3, 0.75, 3],
      [3, 'cluster', null, 3, 0.25, 3],
      [4, 'neighbourhood', 5, 10, 0.7, 0],
      [5, 'region', null, 13, 0.6, 0],
      [-1, 'unclustered', null, 4, null, 4]
    ])
    const [cluster, , , , neighbourhood, region] = treeOf(20).clusters
    const { strength, strengthsAbove } = set.clusters[0].members[3]
    expect([strength ?? Number.NaN, ...strengthsAbove].map(Math.fround)).toEqual(
      [cluster, neighbourhood, region].map(({ strengths }) => strengths![3])
    )
    expect(set.clusters[3].members.map((member) => member.strengthsAbove)).toEqual([[], [], []])
    expect(set.clusters[6].members.map((member) => [member.strength, member.strengthsAbove.length])).toEqual(
      Array.from({ length: 4 }, () => [null, 0])
    )
    const profile = await workspace.getClusterProfile(grown, 5)
    set.clusters[5].profile.mean.forEach((mean, i) => expect(mean).toBeCloseTo(profile.mean[i], 12))
  })

  test('is the same tree, with the same strengths and labels at every level, once it is imported', async () => {
    const first = await write('tree.json', {}, workspace, grown)
    const id = await imported('tree.json')
    const [before, after] = [(await workspace.getRun(grown)).clusterings[0], (await other.getRun(id)).clusterings[0]]
    expect(after).toEqual({ ...before, createdAt: after.createdAt })
    expect(await other.getClusterSummaries(id)).toEqual(await workspace.getClusterSummaries(grown))
    for (const level of groupKinds) {
      expect(await other.getMembership(id, { level })).toEqual(await workspace.getMembership(grown, { level }))
      expect(await other.getStrengths(id, { level })).toEqual(await workspace.getStrengths(grown, { level }))
    }
    expect(await other.getAnnotations(id, 1)).toEqual(await workspace.getAnnotations(grown, 1))
    expect(lasting(await write('tree-again.json', {}, other, id))).toEqual(lasting(first))
  })

  test('has the best rules of a clustering that is described', async () => {
    const described = await storeRun(workspace, 4, treeOf(20))
    await workspace.saveDescription(described, 1, treeDescription(20))
    const set = await write('rules.json', {}, workspace, described)
    expect(annotatedSetSchema.safeParse(set).error?.issues).toBeUndefined()
    expect(set.clusters.map(({ rule, uncaught }) => [rule, uncaught])).toEqual([
      ...treeOf(20).clusters.map(({ order, members }) => [
        treeRules(order)[0],
        members.filter((token) => token % 3 === 0).length
      ]),
      [null, null]
    ])
    expect(await imported('rules.json')).toBeDefined()
  })

  test('takes what is below a chosen group along, and leaves out what is above a chosen one', async () => {
    const of = async (clusters: number[]) => {
      const set = await write('some.json', { clusters }, workspace, grown)
      return [
        set.selection,
        set.clusters.map(({ cluster, parent }) => [cluster, parent]),
        set.clusters[0].members[1].strengthsAbove.length,
        set.parts.length
      ]
    }
    expect(await of([4])).toEqual([
      [0, 1, 4],
      [
        [0, 4],
        [1, 4],
        [4, null]
      ],
      1,
      0
    ])
    expect(await of([5, 3])).toEqual([
      [0, 1, 2, 3, 4, 5],
      [
        [0, 4],
        [1, 4],
        [2, 5],
        [3, null],
        [4, 5],
        [5, null]
      ],
      2,
      1
    ])
    expect(await of([2, 1])).toEqual([
      [1, 2],
      [
        [1, null],
        [2, null]
      ],
      0,
      0
    ])
    expect(await of([5, 0, 4])).toEqual([
      [0, 1, 2, 4, 5],
      [
        [0, 4],
        [1, 4],
        [2, 5],
        [4, 5],
        [5, null]
      ],
      2,
      1
    ])
    await write('some.json', { clusters: [4] }, workspace, grown)
    const id = await imported('some.json')
    expect((await other.getTree(id)).nodes).toEqual([
      { kind: 'cluster', parent: 2 },
      { kind: 'cluster', parent: 2 },
      { kind: 'neighbourhood', parent: null }
    ])
    expect((await other.getAnnotations(id, 1)).map(({ target, name }) => [target, name])).toEqual([
      ['cluster:0', 'zero'],
      ['cluster:2', 'a neighbourhood']
    ])
    expect(await other.getStrengths(id, { level: 'neighbourhood' })).toEqual(treeOf(20).clusters[4].strengths)
  })

  test('that does not hang together is refused by name', async () => {
    const sound = await write('tree.json', {}, workspace, grown)
    const refusal = async (change: (set: AnnotatedSet) => void): Promise<string> => {
      const copy = structuredClone(sound)
      change(copy)
      await writeFile(out('bad-tree.json'), JSON.stringify(copy))
      return readAnnotatedSet(out('bad-tree.json')).then(
        () => 'read',
        (error: unknown) => (error as Error).message
      )
    }
    expect(await refusal((set) => (set.clusters[3].parent = 9))).toContain(
      'at clusters[3], group 9, which it is in, does not exist'
    )
    expect(await refusal((set) => (set.clusters[3].parent = 0))).toContain(
      'at clusters[3], a cluster cannot be in a cluster (0)'
    )
    expect(await refusal((set) => (set.clusters[5].parent = 4))).toContain(
      'at clusters[5], a region cannot be in a neighbourhood (4)'
    )
    expect(await refusal((set) => (set.clusters[4].size = 9))).toContain(
      'at clusters[4], its size is 9, and its clusters have 10 members'
    )
    expect(await refusal((set) => (set.clusters[2].parent = null))).toContain(
      'at clusters[2], a member has strengths in 1 groups above, and there are 0'
    )
    expect(await refusal((set) => set.clusters[5].members.push(set.clusters[3].members[0]))).toContain(
      'a region has the members of its clusters, and none of its own'
    )
    expect(await refusal((set) => (set.clusters[0].members[2].strength = 1.5))).toContain(
      'at clusters[0].members[2].strength'
    )
    expect(await refusal((set) => (set.merges[0].clusters = [0, 5]))).toContain(
      'at merges[0], it is of groups of several levels (cluster, region)'
    )
    expect(await refusal((set) => (set.parts[0].tokens = [14]))).toContain(
      'at parts[0], its tokens are not in cluster 5'
    )
  })
})

test('what a file says of clusters is found again', async () => {
  await write('said.json')
  expect(annotationsOf(await readAnnotatedSet(out('said.json'))).map(({ target }) => target)).toEqual([
    'cluster:0',
    'cluster:-1',
    'merge:1',
    'part:1'
  ])
})
