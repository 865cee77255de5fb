import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databaseName } from '../../main/store/database'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { labelBody, labelEdits, storeRun, treeDescription, treeOf, workspaceTemplate } from './store-fixture'
import type { WorkspaceTemplate } from './store-fixture'

let template: WorkspaceTemplate
let place: Awaited<ReturnType<WorkspaceTemplate['copy']>>
let run = ''

beforeAll(async () => {
  template = await workspaceTemplate(async (workspace) => {
    run = await storeRun(workspace, 4, treeOf(20))
    await workspace.saveDescription(run, 1, treeDescription(20))
    const edits = labelEdits({ 'cluster:0': labelBody('commas') })
    await workspace.applyAnnotations({ run, clustering: 1, words: 'label', author: 'Ada', edits })
  })
})
afterAll(() => template.remove())
beforeEach(async () => {
  place = await template.copy()
})
afterEach(() => place.remove())

const update = async (statement: string): Promise<void> => {
  const instance = await DuckDBInstance.create(join(place.workspace, databaseName))
  const connection = await instance.connect()
  await connection.run(statement)
  connection.closeSync()
  instance.closeSync()
}

type Reading = (workspace: Workspace) => Promise<unknown>
const runs: Reading = (workspace) => workspace.listRuns()
const study: Reading = (workspace) => workspace.getStudy(run)
const diagnostics: Reading = (workspace) => workspace.getDiagnostics(run)
const traces: Reading = (workspace) => workspace.getTraces(run)
const overview: Reading = (workspace) => workspace.getOverview(run, 1)
const members: Reading = (workspace) => workspace.getClusterTokens(run, 0, { clustering: 1, order: 'central' })
const labels: Reading = (workspace) => workspace.getAnnotations(run, 1)
const undo: Reading = (workspace) => workspace.undo()
const history: Reading = (workspace) => workspace.getHistory(10)
const membership: Reading = (workspace) => workspace.getMembership(run, { clustering: 1 })
const details: Reading = (workspace) => workspace.getClusterDetails(run, 1, 0)
const subsets: Reading = (workspace) => workspace.getSubsetIndices(run)
const page = { stratum: 'central', seed: 1, offset: 0, limit: 5, before: 8, after: 8 } as const
const edges: Reading = (workspace) => workspace.getEdges(run, 0, 3, Int32Array.of(0, 1), 10)
const gallery: Reading = (workspace) => workspace.getGallery(run, 1, 0, page)

/** Columns are part of a run's record. */
const tableNamed = (table: string): string => (table === 'samplings' ? 'runs' : table)

/** What is set to what, how it is read, and the row that is named. */
const hostile: readonly (readonly [string, string, Reading, string])[] = [
  ['runs', "status = 'constructor'", runs, 'run 1'],
  ['runs', "stage = '../..'", runs, 'run 1'],
  ['runs', "name = repeat('x', 2000000)", runs, 'run 1'],
  ['runs', "configuration = '[]'", runs, 'run 1'],
  ['runs', `configuration = '{"sampler": {"method": {}}}'`, runs, 'run 1'],
  ['runs', "provenance = 'null'", runs, 'run 1'],
  ['runs', `provenance = '{"engine": {"name": {}}}'`, runs, 'run 1'],
  ['runs', "created_at = 'infinity'", runs, 'run 1'],
  ['stages', "stage = 'x'", runs, 'run 1'],
  ['stages', `details = '{"engine": 5}'`, runs, 'run 1'],
  ['clusterings', "configuration = 'null'", runs, 'clustering 1 of run 1'],
  ['clusterings', "leftover_kind = '<script>'", runs, 'clustering 1 of run 1'],
  ['clusterings', 'clusters = -1', runs, 'clustering 1 of run 1'],
  ['clusterings', 'leftover_size = 1', membership, 'clustering 1 of run 1'],
  ['clusterings', 'groups_above = 2147483647', runs, 'clustering 1 of run 1'],
  ['clusterings', `structure = '{"levels": 5}'`, runs, 'clustering 1 of run 1'],
  ['studies', 'tokens = 7', subsets, 'run 1'],
  ['neighbours', 'token = 99 WHERE token = 5', edges, 'tokens of run 1'],
  ['neighbours', 'nearest = list_transform(nearest, lambda each: 99)', edges, 'tokens of run 1'],
  ['study_rows', 'row_index = 2147483647', study, 'run 1'],
  ['segments', 'row_index = -1', study, 'run 1'],
  ['tokens', 'row_index = 99', study, 'run 1'],
  ['tokens', 'run = -2147483648', study, 'run 1'],
  ['samplings', "components = ['a', '', 'b']", runs, 'run 1'],
  ['samplings', "components = ['a', 'A', 'b']", runs, 'run 1'],
  ['tokens', 'position = -5', gallery, 'token 0 of run 1'],
  ['diagnostics', `failed_chains = '[null]'`, diagnostics, 'run 1'],
  ['diagnostics', `blocks = '{"rounds": "x"}'`, diagnostics, 'run 1'],
  ['traces', 'draw = -2147483648', traces, 'run 1'],
  ['clusters', "kind = 'toString'", overview, 'clustering 1 of run 1'],
  ['clusters', 'cluster = 2147483647', overview, 'clustering 1 of run 1'],
  ['clusters', 'parent = 0', overview, 'clustering 1 of run 1'],
  ['memberships', 'cluster = 0', membership, 'run 1'],
  ['group_descriptions', `rules = '[{"conditions": 7}]'`, details, 'rules of cluster 0'],
  ['group_descriptions', 'cluster = -9', details, 'clustering 1 of run 1'],
  ['susceptibilities', 'chi = [1]', members, 'run 1'],
  ['annotations', "target = 'cluster:x'", labels, 'target "cluster:x"'],
  ['annotations', `body = '{"name": 5}'`, labels, 'target "cluster:0"'],
  ['journal', "changes = '[[]]'", undo, 'step 1'],
  ['journal', "made_at = 'infinity'", history, 'step 1']
]

describe('a row that this program did not write', () => {
  test.each(hostile)('is named, with its table and what helps: %s, %s', async (table, change, read, row) => {
    await update(`UPDATE ${table} SET ${change}`)
    const reading = (async () => {
      const workspace = await openWorkspace(place.workspace, { readOnly: read !== undo })
      try {
        await read(workspace)
      } finally {
        await workspace.close()
      }
    })()
    const error: unknown = await reading.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ kind: 'workspace' })
    const { message } = error as Error
    const what = `the table "${tableNamed(table)}" has rows that this program did not write`
    expect(message).toContain(`${place.workspace}: ${databaseName}: ${what}`)
    expect(message).toContain(row)
    expect(message).toMatch(/; `spectroscope restore` restores a copy and the labels\.$/)
    expect(message.length).toBeLessThan(600)
  })
})
