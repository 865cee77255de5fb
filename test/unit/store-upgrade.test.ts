import { afterAll, beforeAll, expect, test } from 'vitest'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { patternNames } from '../../preload/contract-explore'
import { openDatabase } from '../../main/store/database'
import { migrations } from '../../main/store/schema'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { temporaryFolder } from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder: string
let workspace: Workspace

const settings = {
  neighbours: 3,
  symmetrize: 'union',
  whiten: false,
  allColumns: false,
  alpha: 0.001,
  epsilon: 1e-7,
  rule: 'local',
  minSize: 2,
  maxRejections: 200,
  remaining: 0.001
}
const configuration = {
  model: 'model',
  rows: 'rows.json',
  components: 'all',
  sampler: { method: 'psgld', preset: 'paper' },
  clustering: settings,
  seed: 1,
  engine: 'auto'
}
const label = {
  name: 'brackets',
  note: 'n',
  tags: ['t'],
  confidence: 'high',
  status: 'labelled',
  blindTest: null,
  author: 'Ada',
  changedAt: '2026-11-20T10:00:00.000Z'
}

const [old, bare] = ['20261120-100000-abcd', '20261120-110000-abcd']
const at = "'2026-11-20', NULL, NULL"
const runRow = (number: number, id: string, name: string, clustering: object | false): string => {
  const settled = JSON.stringify({ ...configuration, clustering })
  return `INSERT INTO runs VALUES
    (${number}, '${id}', '${name}', 'finished', NULL, ${at}, '${settled}', '/somewhere', '{}', NULL)`
}
const noPatterns = '[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]'
const groupRow = ([cluster, size, id]: readonly [number, number, number]): string =>
  `INSERT INTO group_descriptions VALUES
    (1, 1, ${cluster}, ${size}, ${size}, 1, 2, [${id}], [1], [2], [0], [${size}], ${noPatterns}, [0.25], [0])`

/**
 * A run of four tokens as the third schema had it: one row, clusters 0 and 1 of a token each, two left over, all
 * described; and a run that is not clustered.
 */
const rows = [
  runRow(1, old, 'an old run', settings),
  runRow(2, bare, 'not clustered', false),
  "INSERT INTO studies VALUES (1, 'hash', 4, 1)",
  "INSERT INTO study_rows VALUES (1, 'probe', 0, 'law', [7, 8, 9, 7, 8])",
  'INSERT INTO tokens SELECT 1, token, 0, token + 1, [8, 9, 7, 8][token + 1] FROM range(4) AS r(token)',
  "INSERT INTO samplings VALUES (1, 2.5, ['embed'], [0.5], [1.0])",
  'INSERT INTO susceptibilities SELECT 1, token, [token::FLOAT], [0.1::FLOAT] FROM range(4) AS r(token)',
  `INSERT INTO clusterings VALUES
    (1, 1, 'k 3', '${JSON.stringify(settings)}', 1, '2026-11-20', '200 rejections', 203, 40, 61.5, 2, 'main body', 2)`,
  'INSERT INTO clustering_numbers VALUES (1, 1)',
  'INSERT INTO clusters VALUES (1, 1, 0, 2, 1, 0.25, 0.2), (1, 1, 1, 0, 1, 0.5, 0.4)',
  'INSERT INTO memberships VALUES (1, 1, 0, 2), (1, 1, 1, 0), (1, 1, -1, 1), (1, 1, -1, 3)',
  `INSERT INTO annotations VALUES (1, 1, 'cluster:1', '${JSON.stringify(label)}')`,
  `INSERT INTO clustering_descriptions VALUES (1, 1, ['law'], [4], ${noPatterns})`,
  ...(
    [
      [0, 1, 7],
      [1, 1, 8],
      [-1, 2, 9]
    ] as const
  ).map(groupRow),
  'INSERT INTO group_edges VALUES (1, 1, 0, 1, 2.0)',
  `INSERT INTO member_places VALUES (1, 1, 0, 0, 2, 7, 0, 1, 0.5), (1, 1, 1, 0, 0, 8, 0, -2, 0),
    (1, 1, -1, 0, 3, 8, 0, -2, 0), (1, 1, -1, 1, 1, 9, 0, -2, 0)`
]

beforeAll(async () => {
  place = await temporaryFolder()
  folder = join(place.folder, 'w')
  const instance = await openDatabase(
    folder,
    { create: true, readOnly: false },
    migrations.filter(({ version }) => version <= 3)
  )
  const connection = await instance.connect()
  for (const row of rows) await connection.run(row)
  connection.closeSync()
  instance.closeSync()
  workspace = await openWorkspace(folder)
})

afterAll(async () => {
  await workspace.close()
  await place.remove()
})

test('a database of the third schema opens, with a copy of it put aside', async () => {
  expect((await workspace.listRuns()).map(({ id }) => id)).toEqual([old, bare])
  expect(readdirSync(join(folder, 'backups')).filter((name) => name.startsWith('workspace-schema-3-'))).toHaveLength(1)
})

test('its clusterings are of ACL, without a tree or stability', async () => {
  const {
    configuration: { clustering },
    clusterings
  } = await workspace.getRun(old)
  expect(clustering).toEqual({ ...settings, recall: 1, method: 'acl', stability: false })
  expect((await workspace.getRun(bare)).configuration.clustering).toBe(false)
  expect(clusterings).toMatchObject([
    {
      configuration: { ...settings, method: 'acl', stability: false },
      clusters: 2,
      groupsAbove: 0,
      leftoverSize: 2,
      stability: null,
      neighbourRecall: null,
      modularity: null,
      sweep: []
    }
  ])
  expect((await workspace.getTree(old)).nodes).toEqual([
    { kind: 'cluster', parent: null },
    { kind: 'cluster', parent: null }
  ])
  expect([...(await workspace.getMembership(old))]).toEqual([1, -1, 0, -1])
  expect([...(await workspace.getMembership(old, { level: 'region' }))]).toEqual([-1, -1, -1, -1])
  expect(await workspace.getStrengths(old)).toHaveLength(0)
})

test('its descriptions are read, without rules', async () => {
  expect(
    (await workspace.getOverview(old, 1)).clusters.map(({ cluster, kind, parent, conductance, stability, ruleF1 }) => [
      cluster,
      kind,
      parent,
      conductance,
      stability,
      ruleF1
    ])
  ).toEqual([
    [0, 'cluster', null, 0.25, null, null],
    [1, 'cluster', null, 0.5, null, null],
    [-1, 'main body', null, null, null, null]
  ])
  expect(await workspace.getClusterDetails(old, 1, 0)).toMatchObject({
    conductanceWhenCut: 0.2,
    seed: 2,
    rules: [],
    uncaught: 0,
    core: null,
    nearest: [{ cluster: 1 }]
  })
  // Patterns that came later are not told as if no token showed them.
  const { patterns } = await workspace.getClusterDetails(old, 1, 0)
  expect(patterns.map(({ pattern }) => pattern)).toEqual(patternNames.slice(0, 12))
  expect((await workspace.getClusterSummaries(old)).map(({ rule, uncaught }) => [rule, uncaught])).toEqual([
    [null, null],
    [null, null],
    [null, null]
  ])
  const page = async (stratum: 'core' | 'edge' | 'exceptions') => {
    const { total, tokens } = await workspace.getGallery(old, 1, -1, {
      stratum,
      seed: 1,
      offset: 0,
      limit: 9,
      before: 0,
      after: 0
    })
    return [total, tokens.map(({ token }) => token)]
  }
  expect([await page('core'), await page('edge'), await page('exceptions')]).toEqual([
    [2, [3, 1]],
    [2, [1, 3]],
    [0, []]
  ])
})

test('its labels stay, and new ones go beside them', async () => {
  expect(await workspace.getAnnotations(old, 1)).toEqual([{ target: 'cluster:1', ...label }])
  await workspace.applyAnnotations({
    run: old,
    clustering: 1,
    words: 'more',
    author: 'Ada',
    edits: [{ target: 'cluster:0', after: { ...label, name: 'more', confidence: null, status: 'labelled' } }]
  })
  expect(await workspace.countLabels()).toEqual([{ run: old, clustering: 1, counts: { labelled: 2 } }])
})
