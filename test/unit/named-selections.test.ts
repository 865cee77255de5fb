import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AnnotationChange } from '../../preload/contract-annotations'
import { exportTo } from '../../main/api/exports'
import { importFile } from '../../main/api/imports'
import { destinationOf } from '../../main/api/label-transfer'
import { labelsOf } from '../../main/api/run-labels'
import { readNpy } from '../../main/exchange/npy'
import { carryLabels } from '../../main/labels/carry'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'

import { storeRun, treeDescription, treeOf, workspaceTemplate } from './store-fixture'
import type { WorkspaceTemplate } from './store-fixture'

let template: WorkspaceTemplate
let place: Awaited<ReturnType<WorkspaceTemplate['copy']>>
let folder: string
let workspace: Workspace
let run: string
const lasso = [3, 11, 17]

beforeAll(async () => {
  template = await workspaceTemplate(async (made) => {
    run = await storeRun(made, 4, treeOf(20))
  })
})
afterAll(() => template.remove())
beforeEach(async () => {
  place = await template.copy()
  folder = place.workspace
  workspace = await openWorkspace(folder)
  return async () => {
    await workspace.close()
    await place.remove()
  }
})

const change = (clustering: number, ...changes: readonly AnnotationChange[]) =>
  workspace.changeLabels({ run, clustering, changes, words: 'label', author: 'Ada' })
const select = (tokens: number[], name: string): AnnotationChange => ({ do: 'select', tokens, label: { name } })
const clusterAgain = async (): Promise<number> =>
  (await workspace.transaction(run, (writer) => writer.saveClustering(treeOf(20)))).number
const selections = async (clustering = 1, of = run) =>
  (await workspace.getAnnotations(of, clustering))
    .filter(({ target }) => target.startsWith('selection:'))
    .map(({ target, name, tokens }) => [target, name, tokens])
const reopened = async (): Promise<void> => {
  await workspace.close()
  workspace = await openWorkspace(folder)
}

describe('a named selection', () => {
  test('keeps its tokens in ascending order, each once, and is labelled', async () => {
    const { changed } = await change(1, select([17, 3, 11, 3], ' a  lasso '))
    expect(changed).toMatchObject([
      { target: 'selection:1', annotation: { name: 'a lasso', status: 'labelled', tokens: lasso, author: 'Ada' } }
    ])
    await reopened()
    expect(await selections()).toEqual([['selection:1', 'a lasso', lasso]])
  })

  test('is renamed when exactly its tokens are selected again, and others get another number', async () => {
    await change(1, select(lasso, 'first'))
    await change(1, { do: 'select', tokens: lasso, label: { note: 'seen twice' } }, select([3, 11], 'fewer'))
    expect(await selections()).toEqual([
      ['selection:1', 'first', lasso],
      ['selection:2', 'fewer', [3, 11]]
    ])
    expect((await workspace.getAnnotations(run, 1))[0].note).toBe('seen twice')
  })

  test('is refused where the run has no such token, and nothing changes', async () => {
    await expect(change(1, select([2, 20], 'beyond'))).rejects.toThrow(`Run ${run} has no token 20`)
    expect(await selections()).toEqual([])
  })

  test('belongs to the run: other clusterings have it, change it, and undo that', async () => {
    await change(1, select(lasso, 'first'))
    const second = await clusterAgain()
    expect(await selections(second)).toEqual([['selection:1', 'first', lasso]])
    await change(second, { do: 'set', targets: ['selection:1'], label: { name: 'renamed' } })
    expect(await selections(1)).toEqual([['selection:1', 'renamed', lasso]])
    await change(1, select([0], 'another'))
    expect(await selections(second)).toHaveLength(2)
    await workspace.undo()
    await workspace.undo()
    for (const clustering of [1, second])
      expect(await selections(clustering)).toEqual([['selection:1', 'first', lasso]])
    await workspace.redo()
    await reopened()
    expect(await selections(1)).toEqual([['selection:1', 'renamed', lasso]])
  })

  test('outlives the clustering in which it was named', async () => {
    const second = await clusterAgain()
    await change(second, select(lasso, 'kept'), {
      do: 'set',
      targets: ['cluster:1'],
      label: { name: 'gone with its clustering' }
    })
    await workspace.deleteClustering(run, second)
    expect(await selections(1)).toEqual([['selection:1', 'kept', lasso]])
    await reopened()
    expect(await selections(1)).toEqual([['selection:1', 'kept', lasso]])
  })

  test('is removed by clearing it, and comes back by undo', async () => {
    await change(1, select(lasso, 'first'))
    await change(1, { do: 'clear', targets: ['selection:1'] })
    expect(await selections()).toEqual([])
    await workspace.undo()
    expect(await selections()).toEqual([['selection:1', 'first', lasso]])
    await expect(change(1, { do: 'clear', targets: ['selection:9'] })).rejects.toThrow(
      'The selection 9 no longer exists'
    )
  })

  test('counts as no labelled cluster', async () => {
    await change(1, select(lasso, 'first'))
    expect(await workspace.countLabels()).toMatchObject([{ counts: {} }])
  })
})

describe('transfer of labels', () => {
  test('leaves a selection alone where it is already, and brings it where it is not', async () => {
    await change(1, select(lasso, 'first'), select([0, 1], 'second'))
    const second = await clusterAgain()
    const source = { ...(await destinationOf(workspace, { run, clustering: 1 })) }
    const there = await destinationOf(workspace, { run, clustering: second })
    expect(carryLabels(source, there, null, 0.5)).toEqual({ proposals: [], edits: [], left: [] })

    const matched = new Int32Array(20).fill(-1)
    matched.set([9, 4], 3)
    for (const token of lasso) matched[token] = 19 - token
    const { proposals, edits, left } = carryLabels(
      source,
      { ...there, annotations: [], nextSelection: 6 },
      matched,
      0.5
    )
    expect(proposals).toMatchObject([{ target: 'selection:1', from: 1, to: 6, jaccard: 1, name: 'first' }])
    expect(edits).toMatchObject([{ target: 'selection:6', after: { name: 'first', tokens: [2, 8, 16] } }])
    expect(left).toMatchObject([{ target: 'selection:2' }])
  })
})

describe('a selection in files', () => {
  const out = (name: string): string => join(place.workspace, '..', name)
  const closed = async <T>(work: () => Promise<T>): Promise<T> => {
    await workspace.close()
    try {
      return await work()
    } finally {
      workspace = await openWorkspace(folder)
    }
  }
  const annotated = async (clusters: 'all' | number[] = 'all'): Promise<string> => {
    const path = out('set.json')
    await closed(() => exportTo(folder, run, { format: 'annotated', path, clusters, overwrite: true }))
    return path
  }

  test('goes with an annotated set, as a run and into a run', async () => {
    await change(1, select(lasso, 'first'))
    const path = await annotated()
    const set = JSON.parse(await readFile(path, 'utf8')) as { version: number; selections: object[] }
    expect(set).toMatchObject({ version: 3, selections: [{ selection: 1, tokens: lasso, label: { name: 'first' } }] })
    const imported = await closed(() => importFile(folder, path, undefined))
    expect(await selections(1, imported.run)).toEqual([['selection:1', 'first', lasso]])
    await workspace.undo()
    await change(1, { do: 'clear', targets: ['selection:1'] })
    expect(await closed(() => importFile(folder, path, { run }))).toMatchObject({ labels: 1, left: [] })
    expect(await selections()).toEqual([['selection:2', 'first', lasso]])
    expect(await closed(() => importFile(folder, path, { run }))).toMatchObject({ labels: 0, left: [] })
  })

  test('is left out of a set that lacks some of its tokens', async () => {
    const [own] = [await workspace.getClusterMembers(run, 0)]
    await change(1, select([...own.slice(0, 2)], 'inside'), select([own[0], 19], 'partly outside'))
    const set = JSON.parse(await readFile(await annotated([0]), 'utf8')) as object
    expect(set).toMatchObject({ selections: [{ tokens: [0, 1], label: { name: 'inside' } }] })
  })

  test('is read from no file that contradicts itself, and from version 2 there are none', async () => {
    await change(1, select(lasso, 'first'))
    const path = await annotated()
    const set = JSON.parse(await readFile(path, 'utf8')) as { selections?: { tokens: number[] }[]; version: number }
    const fault = async (tokens: number[]): Promise<string> => {
      await writeFile(path, JSON.stringify({ ...set, selections: [{ ...set.selections?.[0], tokens }] }))
      return closed(() => importFile(folder, path, undefined)).then(String, String)
    }
    expect(await fault([3, 20])).toContain('selections[0], there is no token 20')
    expect(await fault([11, 3])).toContain('selections[0], its tokens are not in ascending order')
    const { selections: _, ...old } = set
    await writeFile(path, JSON.stringify({ ...old, version: 2 }))
    const imported = await closed(() => importFile(folder, path, undefined))
    expect(await selections(1, imported.run)).toEqual([])
    await writeFile(path, JSON.stringify(old))
    await expect(closed(() => importFile(folder, path, undefined))).rejects.toThrow('"selections" is missing')
  })

  test('is exported alone, by number or name, as tables and matrices', async () => {
    await change(1, select(lasso, 'Lasso'), { do: 'set', targets: ['cluster:0'], label: { name: 'zero' } })
    const paths = await closed(async () => {
      const to = async (format: 'csv' | 'npy' | 'json' | 'parquet', selection?: string): Promise<string> => {
        const path = out(`${format}-${selection}`)
        await exportTo(folder, run, { format, path, clusters: 'all', selection, overwrite: false })
        return path
      }
      await to('parquet', '1')
      return {
        whole: await to('npy'),
        npy: await to('npy', '1'),
        csv: await to('csv', 'lasso'),
        json: await to('json', '1')
      }
    })
    const matrix = (path: string) => readNpy(join(path, 'susceptibilities.npy'))
    const [own, all] = [await matrix(paths.npy), await matrix(paths.whole)]
    expect(own.shape).toEqual([3, 3])
    expect(own.data).toEqual(Float32Array.from(lasso.flatMap((token) => [...all.data.slice(3 * token, 3 * token + 3)])))
    const clusters = JSON.parse(await readFile(join(paths.npy, 'clusters.json'), 'utf8')) as { members: number[] }[]
    expect(clusters.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual(lasso)

    const lines = async (name: string): Promise<string[]> =>
      (await readFile(join(paths.csv, name), 'utf8')).trimEnd().split('\n').slice(1)
    expect((await lines('susceptibilities.csv')).map((line) => Number(line.split(',')[0]))).toEqual(lasso)
    expect((await lines('labels.csv')).filter((line) => line.startsWith('"selection"'))).toEqual([
      expect.stringMatching(/^"selection",1,,,3,"Lasso","labelled"/)
    ])
    expect((await lines('tokens.csv')).filter((line) => line.endsWith(',"Lasso"'))).toHaveLength(3)
    expect(JSON.parse(await readFile(join(paths.csv, 'run.json'), 'utf8'))).toMatchObject({
      selectedTokens: { count: 3, label: { name: 'Lasso' } }
    })
    const { clusters: read } = JSON.parse(await readFile(join(paths.json, 'run.json'), 'utf8')) as {
      clusters: { members: (number | { token: number })[] }[]
    }
    const listed = read.flatMap(({ members }) => members.map((one) => (typeof one === 'number' ? one : one.token)))
    expect(listed.sort((a, b) => a - b)).toEqual(lasso)
  })

  test('is in a report and on the first page of a site, if all of its tokens are', async () => {
    await workspace.saveDescription(run, 1, treeDescription(20))
    const [inside] = await workspace.getClusterMembers(run, 0)
    await change(1, select(lasso, 'odd <b>quotes</b>'), select([inside], 'inside'))
    const written = async (format: 'html' | 'site', clusters: 'all' | number[]): Promise<string> => {
      const path = out(`${format}-${clusters.length}`)
      await closed(() => exportTo(folder, run, { format, path, clusters, overwrite: true }))
      return readFile(format === 'site' ? join(path, 'index.html') : path, 'utf8')
    }
    for (const format of ['html', 'site'] as const) {
      const all = await written(format, 'all')
      expect(all).toContain('odd &lt;b&gt;quotes&lt;/b&gt;</h3>')
      expect(all).toContain('inside</h3>')
      expect(all).toContain('3 tokens')
      const some = await written(format, [0])
      expect(some).toContain('inside</h3>')
      expect(some).not.toContain('quotes')
    }
  })

  test('is refused in one sentence where it is not there, or the format holds clusters', async () => {
    await change(1, select(lasso, 'twice'), select([1], 'twice'))
    const attempt = (format: 'csv' | 'html', selection: string): Promise<unknown> =>
      closed(() => exportTo(folder, run, { format, path: out('none'), clusters: 'all', selection, overwrite: false }))
    await expect(attempt('csv', 'nothing')).rejects.toThrow(`Run ${run} has no selection "nothing"; \`labels ${run}\``)
    await expect(attempt('csv', 'twice')).rejects.toThrow(`Run ${run} has several selections named "twice"`)
    await expect(attempt('html', '1')).rejects.toMatchObject({ kind: 'usage' })
  })

  test('is listed with the other labels', async () => {
    await change(1, select(lasso, 'first'))
    const { annotations } = await closed(() => labelsOf(folder, run, {}))
    expect(annotations).toMatchObject([{ target: 'selection:1', name: 'first', tokens: lasso }])
  })
})
