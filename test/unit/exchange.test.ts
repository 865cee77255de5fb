import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { AnnotationBody } from '../../preload/contract-annotations'
import { exportRun } from '../../main/exchange/export'
import { readNpy, writeNpy } from '../../main/exchange/npy'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import {
  clusteringOf,
  components,
  matrixOf,
  newRun,
  smallStudy,
  storeRun,
  temporaryFolder,
  texts,
  treeDescription,
  treeOf
} from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let run: string

beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
  run = await storeRun(workspace)
})

afterAll(async () => {
  await workspace.close()
  await place.remove()
})

const out = (name: string): string => join(place.folder, name)

/** Fields of an RFC 4180 file, by a reader that shares nothing with the writer. */
const parseCsv = (text: string): string[][] => {
  const rows: string[][] = [[]]
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y
  while (field.lastIndex < text.length) {
    const match = field.exec(text)
    if (match === null) throw new Error(`malformed at ${field.lastIndex}`)
    rows[rows.length - 1].push(match[1]?.replaceAll('""', '"') ?? match[2])
    if (match[3] !== ',' && field.lastIndex < text.length) rows.push([])
  }
  return rows
}

const python = (() => {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import numpy'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe('npy', () => {
  test('is written and read back, whatever the blocks', async () => {
    const file = out('a.npy')
    await writeNpy(
      file,
      [4, 3],
      [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6, 7, 8, 9), Float32Array.of(-0, NaN, 1e-45)]
    )
    const { shape, data } = await readNpy(file)
    expect(shape).toEqual([4, 3])
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, -0, NaN, Math.fround(1e-45)])
    expect((await readFile(file)).indexOf('\n') % 64).toBe(63)
  })

  test('that is truncated or of another type is refused with the file named', async () => {
    const file = out('bad.npy')
    await writeNpy(file, [2, 2], [new Float32Array(4)])
    const bytes = await readFile(file)
    await writeFile(file, bytes.subarray(0, -1))
    await expect(readNpy(file)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(/bad\.npy: .*truncated/)
    })
    await writeFile(file, bytes.toString('latin1').replace('<f4', '<c8'), 'latin1')
    await expect(readNpy(file)).rejects.toMatchObject({ message: expect.stringContaining('"<c8"') })
    await writeFile(file, 'hello, this is no array')
    await expect(readNpy(file)).rejects.toMatchObject({ message: expect.stringContaining('not an NPY file') })
  })

  test.skipIf(!python)('means the same to numpy, in both directions (needs /usr/bin/python3 with numpy)', async () => {
    const [file, back] = [out('to.npy'), out('from.npy')]
    await writeNpy(file, [20, 3], [matrixOf(20)])
    const script =
      'import numpy, sys, json; a = numpy.load(sys.argv[1]); numpy.save(sys.argv[2], a * 2); ' +
      'print(json.dumps([str(a.dtype), a.shape, bool(a.flags.c_contiguous), a[4].tolist()]))'
    const [dtype, shape, contiguous, row] = JSON.parse(
      execFileSync('/usr/bin/python3', ['-c', script, file, back], { encoding: 'utf8' })
    ) as unknown[]
    expect([dtype, shape, contiguous, row]).toEqual(['float32', [20, 3], true, [...matrixOf(20).subarray(12, 15)]])
    expect([...(await readNpy(back)).data]).toEqual([...matrixOf(20, 2)])
  })
})

describe('an exported run', () => {
  test('as npy holds matrices, components, tokens and clusters', async () => {
    await exportRun(workspace, run, { format: 'npy', folder: out('npy') })
    expect((await readdir(out('npy'))).sort()).toEqual([
      'clusters.json',
      'columns.json',
      'components.json',
      'run.json',
      'standard_errors.npy',
      'susceptibilities.npy',
      'tokens.csv'
    ])
    expect(JSON.parse(await readFile(out('npy/run.json'), 'utf8'))).toMatchObject({ run: { id: run }, components })
    expect(await readNpy(out('npy/susceptibilities.npy'))).toEqual({ shape: [20, 3], data: matrixOf(20) })
    expect(await readNpy(out('npy/standard_errors.npy'))).toEqual({ shape: [20, 3], data: matrixOf(20, 0.1) })
    expect(JSON.parse(await readFile(out('npy/components.json'), 'utf8'))).toEqual(components)
    const columns = JSON.parse(await readFile(out('npy/columns.json'), 'utf8')) as {
      component: string
      reliability: number
    }[]
    expect(columns.map(({ component }) => component)).toEqual(components)
    expect(columns.map(({ reliability }) => reliability)).toEqual(components.map(() => 0.9))
    const [header, ...rows] = parseCsv(await readFile(out('npy/tokens.csv'), 'utf8'))
    expect(header).toEqual([
      'token',
      'row',
      'position',
      'id',
      'text',
      'subset',
      'document',
      'file',
      'record',
      'cluster',
      'label',
      'strength',
      'neighbourhood',
      'neighbourhood_label',
      'region',
      'region_label',
      'merge',
      'part',
      'selections'
    ])
    const study = smallStudy()
    expect(rows).toEqual(
      Array.from({ length: 20 }, (_, token) => {
        const [row, position] = [Math.floor(token / 5), (token % 5) + 1]
        const id = study.probe[row][position]
        const second = position >= 3
        return [
          token,
          row,
          position,
          id,
          texts[id].replace(/^\t/, "'\t"),
          row % 2 === 0 ? 'code, "C"' : 'law',
          second ? 1 : 0,
          second ? 'b.jsonl' : 'a.jsonl',
          second ? 6 : 5,
          token < 5 ? 0 : token < 10 ? 1 : -1,
          ...Array<string>(9).fill('')
        ].map(String)
      })
    )
    const clusters = JSON.parse(await readFile(out('npy/clusters.json'), 'utf8')) as Record<string, unknown>[]
    expect(
      clusters.map(({ cluster, kind, order, size, seed, members }) => ({ cluster, kind, order, size, seed, members }))
    ).toEqual([
      { cluster: 0, kind: 'cluster', order: 0, size: 5, seed: 2, members: [0, 1, 2, 3, 4] },
      { cluster: 1, kind: 'cluster', order: 1, size: 5, seed: 7, members: [5, 6, 7, 8, 9] },
      {
        cluster: -1,
        kind: 'main body',
        order: null,
        size: 10,
        seed: null,
        members: [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
      }
    ])
    expect(clusters[0]).toMatchObject({
      conductance: 0.25,
      conductanceWhenCut: 0.2,
      subsets: [{ subset: 'code, "C"', count: 5 }]
    })
  })

  test('as json can be read without the program', async () => {
    await exportRun(workspace, run, { format: 'json', folder: out('json') })
    const content = JSON.parse(await readFile(out('json/run.json'), 'utf8')) as Record<string, unknown> & {
      clusters: Record<string, unknown>[]
    }
    expect(content).toMatchObject({
      format: 'spectroscope run',
      version: 1,
      run: { id: run, tokens: 20 },
      components,
      provenance: { seed: 7 },
      configuration: { model: 'model' },
      clustering: { number: 1 }
    })
    expect(content.diagnostics).toHaveLength(4)
    expect(content.clusters.map(({ kind }) => kind)).toEqual(['cluster', 'cluster', 'main body'])
    const row = [...smallStudy().probe[1]].map((id) => texts[id])
    expect((content.clusters[1].members as unknown[])[1]).toEqual({
      token: 6,
      row: 1,
      position: 2,
      id: smallStudy().probe[1][2],
      text: row[2],
      subset: 'law',
      document: { file: 'a.jsonl', record: 5 },
      strength: null,
      before: row.slice(0, 2).join(''),
      after: row.slice(3).join('')
    })
    expect(content.clusters[2].members).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  })

  test('as csv names its columns', async () => {
    await exportRun(workspace, run, { format: 'csv', folder: out('csv') })
    const read = async (name: string): Promise<string[][]> => parseCsv(await readFile(out(`csv/${name}.csv`), 'utf8'))
    const chi = await read('susceptibilities')
    expect(chi[0]).toEqual(['token', ...components])
    expect(chi.slice(1).flatMap((row) => row.slice(1).map((text) => Math.fround(Number(text))))).toEqual([
      ...matrixOf(20)
    ])
    expect((await read('standard_errors'))[1].slice(1).map((text) => Math.fround(Number(text)))).toEqual([
      ...matrixOf(20, 0.1).subarray(0, 3)
    ])
    const clusters = await read('clusters')
    expect(clusters[0]).toEqual([
      'cluster',
      'kind',
      'parent',
      'size',
      'conductance',
      'conductance_when_cut',
      'seed',
      'stability',
      'rule',
      'rule_recall',
      'rule_precision',
      'rule_f1',
      'uncaught',
      'label',
      'status',
      'confidence',
      'tags',
      'note',
      'author',
      'changed_at',
      'blind_right',
      'blind_of',
      'merge'
    ])
    expect(clusters.slice(1).map((row) => row.slice(0, 13))).toEqual([
      ['0', 'cluster', '', '5', '0.25', '0.2', '2', '', '', '', '', '', ''],
      ['1', 'cluster', '', '5', '0.5', '0.4', '7', '', '', '', '', '', ''],
      ['-1', 'main body', '', '10', '', '', '', '', '', '', '', '', '']
    ])
    expect((await read('diagnostics')).map(([component]) => component)).toEqual(['component', ...components, 'full'])
    expect(await read('chains')).toHaveLength(9)
    expect((await read('traces'))[1]).toEqual(['embed', '0', '0', '1.0', '3.0'])
    const [header, first] = await read('cluster_tokens')
    expect(header).toEqual(['cluster', 'id', 'text', 'count', 'lift'])
    const [{ topTokens }] = await workspace.getClusterSummaries(run)
    expect(first.slice(0, 4)).toEqual(['0', String(topTokens[0].id), topTokens[0].text, String(topTokens[0].count)])
    expect(Number(first[4])).toBe(topTokens[0].lift)
    expect(JSON.parse(await readFile(out('csv/run.json'), 'utf8'))).toMatchObject({ run: { id: run } })
  })

  describe('of some clusters, labelled', () => {
    let labelled: string
    const edit = (name: string, changes: Partial<AnnotationBody> = {}): AnnotationBody => ({
      name,
      note: 'a "note",\nin two lines',
      tags: ['x', 'y'],
      confidence: 'high',
      status: 'labelled',
      blindTest: { right: 1, of: 2 },
      author: 'Ada',
      changedAt: '2026-11-20T10:00:00.000Z',
      ...changes
    })

    beforeAll(async () => {
      labelled = await storeRun(workspace)
      await workspace.applyAnnotations({
        run: labelled,
        clustering: 1,
        words: 'label',
        author: 'Ada',
        edits: [
          { target: 'cluster:1', after: edit('two, "quoted"') },
          { target: 'cluster:-1', after: edit('rest') },
          { target: 'merge:1', after: edit('as one', { clusters: [0, 1] }) },
          { target: 'part:1', after: edit('a few', { cluster: 1, tokens: [6, 7] }) }
        ]
      })
    })

    test('as csv has their tokens and what is said of them', async () => {
      await exportRun(workspace, labelled, { format: 'csv', folder: out('some-csv'), clusters: [1] })
      const read = async (name: string): Promise<string[][]> =>
        parseCsv(await readFile(out(`some-csv/${name}.csv`), 'utf8'))
      expect((await read('tokens')).slice(1).map((row) => [row[0], ...row.slice(9)])).toEqual(
        [5, 6, 7, 8, 9].map((token) => [
          String(token),
          '1',
          'two, "quoted"',
          '',
          '',
          '',
          '',
          '',
          'as one',
          token === 6 || token === 7 ? 'a few' : '',
          ''
        ])
      )
      expect((await read('susceptibilities')).slice(1).map(([token]) => token)).toEqual(['5', '6', '7', '8', '9'])
      expect(await read('clusters')).toEqual([
        expect.anything(),
        [
          '1',
          'cluster',
          '',
          '5',
          '0.5',
          '0.4',
          '7',
          '',
          '',
          '',
          '',
          '',
          '',
          'two, "quoted"',
          'labelled',
          'high',
          'x; y',
          'a "note",\nin two lines',
          'Ada',
          '2026-11-20T10:00:00.000Z',
          '1',
          '2',
          'as one'
        ]
      ])
      expect((await read('labels')).slice(1).map((row) => row.slice(0, 6))).toEqual([
        ['cluster', '1', '1', '', '', 'two, "quoted"'],
        ['part', '1', '1', '', '2', 'a few']
      ])
      expect(new Set((await read('cluster_tokens')).slice(1).map(([cluster]) => cluster))).toEqual(new Set(['1']))
      expect(JSON.parse(await readFile(out('some-csv/run.json'), 'utf8'))).toMatchObject({ selection: [1] })
    })

    test('as npy has their rows of the matrix', async () => {
      await exportRun(workspace, labelled, { format: 'npy', folder: out('some-npy'), clusters: 'labelled' })
      expect((await readNpy(out('some-npy/susceptibilities.npy'))).shape).toEqual([20, 3])
      await exportRun(workspace, labelled, { format: 'npy', folder: out('one-npy'), clusters: [1] })
      const { shape, data } = await readNpy(out('one-npy/susceptibilities.npy'))
      expect(shape).toEqual([5, 3])
      expect([...data]).toEqual([...matrixOf(20).subarray(15, 30)])
      expect(parseCsv(await readFile(out('one-npy/tokens.csv'), 'utf8'))).toHaveLength(6)
      expect(JSON.parse(await readFile(out('one-npy/clusters.json'), 'utf8'))).toMatchObject([
        { cluster: 1, label: { name: 'two, "quoted"', author: 'Ada' }, members: [5, 6, 7, 8, 9] }
      ])
    })

    test('as json and parquet', async () => {
      await exportRun(workspace, labelled, { format: 'json', folder: out('some-json'), clusters: [-1, 0] })
      const { clusters } = JSON.parse(await readFile(out('some-json/run.json'), 'utf8')) as {
        clusters: { cluster: number; label: { name: string } | null }[]
      }
      expect(clusters.map(({ cluster, label }) => [cluster, label?.name])).toEqual([
        [0, undefined],
        [-1, 'rest']
      ])
      await exportRun(workspace, labelled, { format: 'parquet', folder: out('some-parquet'), clusters: [0, 1] })
      const instance = await DuckDBInstance.create()
      const connection = await instance.connect()
      const rows = (
        await connection.runAndReadAll(
          `SELECT kind, number, clusters, label FROM '${out('some-parquet/labels.parquet')}'`
        )
      ).getRowObjectsJS()
      expect(rows).toEqual([
        { kind: 'cluster', number: 1, clusters: null, label: 'two, "quoted"' },
        { kind: 'merge', number: 1, clusters: '0; 1', label: 'as one' },
        { kind: 'part', number: 1, clusters: null, label: 'a few' }
      ])
      connection.closeSync()
      instance.closeSync()
    })
  })

  describe('with a tree', () => {
    let grown: string
    const tree = treeOf(20)
    const body = (name: string, changes: Partial<AnnotationBody> = {}): AnnotationBody => ({
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

    beforeAll(async () => {
      grown = await storeRun(workspace, 4, tree)
      await workspace.saveDescription(grown, 1, treeDescription(20))
      await workspace.applyAnnotations({
        run: grown,
        clustering: 1,
        words: 'label',
        author: 'Ada',
        edits: [
          { target: 'cluster:0', after: body('zero') },
          { target: 'cluster:4', after: body('a neighbourhood') },
          { target: 'cluster:5', after: body('a region') },
          { target: 'merge:1', after: body('one', { clusters: [0, 3] }) },
          { target: 'part:1', after: body('wide', { cluster: 5, tokens: [1, 11] }) },
          { target: 'part:2', after: body('narrow', { cluster: 0, tokens: [1, 2] }) }
        ]
      })
    })

    const parsed = async (folder: string, name: string): Promise<Record<string, string>[]> => {
      const [header, ...rows] = parseCsv(await readFile(out(`${folder}/${name}.csv`), 'utf8'))
      return rows.map((row) => Object.fromEntries(header.map((key, at) => [key, row[at]])))
    }

    test('as csv has the groups above of every token, once each, and its strength', async () => {
      await exportRun(workspace, grown, { format: 'csv', folder: out('tree-csv') })
      const rows = await parsed('tree-csv', 'tokens')
      expect(rows).toHaveLength(20)
      const cells = (token: number): string[] =>
        ['cluster', 'label', 'neighbourhood', 'neighbourhood_label', 'region', 'region_label', 'merge', 'part'].map(
          (key) => rows[token][key]
        )
      expect(cells(1)).toEqual(['0', 'zero', '4', 'a neighbourhood', '5', 'a region', 'one', 'narrow'])
      expect(cells(11)).toEqual(['2', '', '', '', '5', 'a region', '', 'wide'])
      expect(cells(14)).toEqual(['3', '', '', '', '', '', 'one', ''])
      expect(cells(18)).toEqual(['-1', '', '', '', '', '', '', ''])
      expect(rows.map(({ strength }) => strength).slice(16)).toEqual(['', '', '', ''])
      expect(Math.fround(Number(rows[3].strength))).toBe(tree.clusters[0].strengths![3])
    })

    test('as csv has kinds, parents, stability and best rules in words of every group', async () => {
      const rows = await parsed('tree-csv', 'clusters')
      const cells = [
        'cluster',
        'kind',
        'parent',
        'size',
        'seed',
        'stability',
        'rule',
        'rule_recall',
        'rule_precision',
        'rule_f1',
        'uncaught',
        'label'
      ]
      const rule = 'is before "," and is from law'
      expect(rows.map((row) => cells.map((key) => row[key]))).toEqual([
        ['0', 'cluster', '4', '5', '', '0.9', rule, '0.5', '0.125', '0.2', '2', 'zero'],
        ['1', 'cluster', '4', '5', '', '0.4', rule, '0.5', '0.25', String(2 / 6), '2', ''],
        ['2', 'cluster', '5', '3', '', '0.75', rule, '0.5', '0.375', String(3 / 7), '1', ''],
        ['3', 'cluster', '', '3', '', '0.25', rule, '0.5', '0.5', '0.5', '1', ''],
        ['4', 'neighbourhood', '5', '10', '', '0.7', rule, '0.5', '0.625', String(5 / 9), '4', 'a neighbourhood'],
        ['5', 'region', '', '13', '', '0.6', rule, '0.5', '0.75', '0.6', '5', 'a region'],
        ['-1', 'unclustered', '', '4', '', '', '', '', '', '', '', '']
      ])
      expect(new Set((await parsed('tree-csv', 'cluster_tokens')).map(({ cluster }) => cluster))).toEqual(
        new Set(['0', '1', '2', '3', '4', '5', '-1'])
      )
      expect(JSON.parse(await readFile(out('tree-csv/run.json'), 'utf8'))).toMatchObject({
        clustering: { groupsAbove: 2, stability: tree.stability, sweep: tree.sweep, modularity: 0.375 }
      })
    })

    test('of some groups has their clusters, and every token once', async () => {
      await exportRun(workspace, grown, { format: 'csv', folder: out('tree-some'), clusters: [4, 3] })
      expect((await parsed('tree-some', 'tokens')).map(({ token }) => Number(token))).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15
      ])
      expect((await parsed('tree-some', 'clusters')).map(({ cluster }) => cluster)).toEqual(['0', '1', '3', '4'])
      expect((await parsed('tree-some', 'susceptibilities')).map(({ token }) => Number(token))).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15
      ])
      await exportRun(workspace, grown, { format: 'npy', folder: out('tree-npy'), clusters: [5] })
      expect((await readNpy(out('tree-npy/susceptibilities.npy'))).shape).toEqual([13, 3])
    })

    test('as npy and json has members and strengths of every group', async () => {
      await exportRun(workspace, grown, { format: 'npy', folder: out('tree-npy'), overwrite: true })
      interface Entry {
        cluster: number
        kind: string
        parent: number | null
        order: number | null
        members: number[]
        strengths?: number[]
        rule: { words: string; f1: number } | null
      }
      const entries = JSON.parse(await readFile(out('tree-npy/clusters.json'), 'utf8')) as Entry[]
      expect(
        entries.map(({ cluster, kind, parent, order, members }) => ({
          order: cluster,
          kind,
          parent,
          number: order,
          members: Int32Array.from(members)
        }))
      ).toEqual([
        ...tree.clusters.map(({ order, kind, parent, members }) => ({
          order,
          kind,
          parent,
          number: kind === 'cluster' ? order : null,
          members
        })),
        { order: -1, kind: 'unclustered', parent: null, number: null, members: tree.leftover.members }
      ])
      expect(entries.map(({ strengths }) => strengths && Float32Array.from(strengths))).toEqual([
        ...tree.clusters.map(({ strengths }) => strengths),
        undefined
      ])
      expect(entries[5].rule).toMatchObject({ words: 'is before "," and is from law', f1: 0.6 })
      await exportRun(workspace, grown, { format: 'json', folder: out('tree-json') })
      const { clusters } = JSON.parse(await readFile(out('tree-json/run.json'), 'utf8')) as {
        clusters: (Omit<Entry, 'members'> & { members: { token: number; strength: number }[] })[]
      }
      expect(clusters[1].members.map(({ token }) => token)).toEqual([5, 6, 7, 8, 9])
      expect(Math.fround(clusters[1].members[2].strength)).toBe(tree.clusters[1].strengths![2])
      expect(clusters[5].members).toEqual([...tree.clusters[5].members])
      expect(clusters[5].strengths).toHaveLength(13)
    })
  })

  test('as parquet is read by DuckDB', async () => {
    await exportRun(workspace, run, { format: 'parquet', folder: out('parquet') })
    const instance = await DuckDBInstance.create()
    const connection = await instance.connect()
    const read = async (name: string): Promise<Record<string, unknown>[]> =>
      (await connection.runAndReadAll(`SELECT * FROM '${out(`parquet/${name}.parquet`)}'`)).getRowObjectsJS()
    const chi = await read('susceptibilities')
    expect(chi.flatMap((row) => components.map((component) => row[component]))).toEqual([...matrixOf(20)])
    expect((await read('tokens')).map(({ text }) => text)).toEqual(
      smallStudy().probe.flatMap((row) => [...row.subarray(1)].map((id) => texts[id]))
    )
    expect((await read('tokens')).map(({ token }) => token)).toEqual(Array.from({ length: 20 }, (_, token) => token))
    connection.closeSync()
    instance.closeSync()
  })

  test('replaces an earlier export when told to, and nothing else', async () => {
    await mkdir(out('mine'))
    await writeFile(out('mine/thesis.txt'), 'precious')
    await expect(exportRun(workspace, run, { format: 'npy', folder: out('mine') })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('mine is not empty')
    })
    expect(await readdir(out('mine'))).toEqual(['thesis.txt'])
    await expect(
      exportRun(workspace, run, { format: 'npy', folder: out('mine'), overwrite: true })
    ).rejects.toMatchObject({ kind: 'usage' })
    expect(await readdir(out('mine'))).toEqual(['thesis.txt'])
    await rm(out('mine/thesis.txt'))
    await exportRun(workspace, run, { format: 'json', folder: out('mine') })
    await exportRun(workspace, run, { format: 'npy', folder: out('mine'), overwrite: true })
    expect(await readdir(out('mine'))).toHaveLength(7)
    await mkdir(out('empty'))
    await exportRun(workspace, run, { format: 'npy', folder: out('empty/deeper') })
    expect(await readdir(out('empty'))).toEqual(['deeper'])
  })

  test('leaves nothing behind when it fails, and says where', async () => {
    await writeFile(out('a-file'), '')
    await expect(exportRun(workspace, run, { format: 'json', folder: out('a-file/there') })).rejects.toMatchObject({
      kind: 'storage',
      message: expect.stringContaining('a-file')
    })
    const failing = { ...workspace, readSusceptibilities: () => Promise.reject(new Error('lost')) }
    await expect(exportRun(failing, run, { format: 'npy', folder: out('half') })).rejects.toThrow('lost')
    expect((await readdir(place.folder)).filter((name) => name.includes('half'))).toEqual([])
  })

  test('may have another clustering or none, but needs susceptibilities', async () => {
    await expect(
      exportRun(workspace, run, { format: 'json', folder: out('none'), clustering: 9 })
    ).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining('no clustering 9; it has 1') })
    const { id } = await workspace.createRun(newRun())
    await expect(exportRun(workspace, id, { format: 'json', folder: out('none') })).rejects.toMatchObject({
      kind: 'input'
    })
    const other = await storeRun(workspace)
    await workspace.deleteClustering(other, 1)
    for (const format of ['npy', 'csv', 'json', 'parquet'] as const)
      await exportRun(workspace, other, { format, folder: out(`unclustered-${format}`) })
    expect(JSON.parse(await readFile(out('unclustered-npy/clusters.json'), 'utf8'))).toEqual([])
    expect(
      (JSON.parse(await readFile(out('unclustered-json/run.json'), 'utf8')) as { clusters: unknown[] }).clusters
    ).toEqual([])
    expect(parseCsv(await readFile(out('unclustered-csv/tokens.csv'), 'utf8'))[0]).not.toContain('cluster')
    await workspace.transaction(other, (writer) => writer.saveClustering({ ...clusteringOf(20), name: 'again' }))
  })
})
