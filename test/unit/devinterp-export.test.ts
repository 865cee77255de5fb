import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importResults } from '../../main/api/foreign-imports'
import { readResults } from '../../main/exchange/devinterp-results'
import { exportRun } from '../../main/exchange/export'
import { ZarrFolder } from '../../main/exchange/zarr-folder'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { pythonOf } from '../../preload/contract-python'
import { hasShared, sharedPath } from '../shared'
import { components, matrixOf, smallStudy, storeRun, temporaryFolder } from './store-fixture'

/** A Python that has the packages, named by SPECTROSCOPE_TEST_PYTHON or the system's; undefined without one. */
const python = [process.env.SPECTROSCOPE_TEST_PYTHON, 'python3'].find((command) => {
  if (command === undefined) return false
  try {
    execFileSync(command, ['-c', 'import xarray, zarr'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let run: string
const out = (name: string): string => join(place.folder, name)
const watch = { signal: new AbortController().signal, onEvent: (): void => undefined }

beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(out('work'), { create: true })
  run = await storeRun(workspace)
  await exportRun(workspace, run, { format: 'zarr', folder: out('whole.zarr') })
})
afterAll(async () => {
  await workspace.close()
  await place.remove()
})

const valuesOf = async (folder: string): Promise<number[]> => {
  const values: number[] = []
  for await (const block of (await readResults(new ZarrFolder(folder))).blocks()) values.push(...block.susceptibilities)
  return values
}

test('a run is read again as it was, row by row in its subsets', async () => {
  const results = await readResults(new ZarrFolder(out('whole.zarr')))
  expect(results.components).toEqual(components)
  const { probe, provenance } = smallStudy()
  expect(results.rows.map(({ ids }) => [...ids])).toEqual(probe.map((ids) => [...ids]))
  expect(results.rows.map(({ subset }) => subset)).toEqual(provenance.map(({ subset }) => subset))
  expect(await valuesOf(out('whole.zarr'))).toEqual([...matrixOf(20)])
})

test('chosen clusters bring their tokens, with the rows that have them', async () => {
  await exportRun(workspace, run, { format: 'zarr', folder: out('chosen.zarr'), clusters: [1] })
  const results = await readResults(new ZarrFolder(out('chosen.zarr')))
  expect(results.rows.map(({ targets }) => [...targets])).toEqual([[1, 2, 3, 4, 5]])
  expect(await valuesOf(out('chosen.zarr'))).toEqual([...matrixOf(20).slice(15, 30)])
})

test('an earlier export is replaced, and nothing else', async () => {
  const again = { format: 'zarr', folder: out('whole.zarr') } as const
  await expect(exportRun(workspace, run, again)).rejects.toMatchObject({ kind: 'usage' })
  await exportRun(workspace, run, { ...again, overwrite: true })
  expect(await valuesOf(out('whole.zarr'))).toHaveLength(60)
})

test.skipIf(!hasShared)('results of devinterp come out as they went in', async () => {
  const source = sharedPath('fixtures/devinterp/results.zarr')
  const { run: imported } = await importResults(workspace, { paths: [source] }, watch)
  await exportRun(workspace, imported, { format: 'zarr', folder: out('again.zarr') })
  expect(await valuesOf(out('again.zarr'))).toEqual(await valuesOf(source))
  for (const name of ['context/input_ids', 'context/batch', 'susceptibilities/target_position']) {
    const [mine, theirs] = [new ZarrFolder(out('again.zarr')), new ZarrFolder(source)]
    const read = async (store: ZarrFolder): Promise<Float64Array> => store.numbers((await store.find(name))!, [null])
    expect(await read(mine)).toEqual(await read(theirs))
  }
  const head = async (folder: string): Promise<unknown> => {
    const file = await readFile(join(folder, 'susceptibilities/wr/zarr.json'), 'utf8')
    const { data_type: type, dimension_names: names, shape } = JSON.parse(file) as Record<string, unknown>
    return { type, names, shape }
  }
  expect(await head(out('again.zarr'))).toEqual(await head(source))
})

describe.skipIf(python === undefined)('xarray (needs python3 with xarray and zarr)', () => {
  test('opens the tree by the lines of Copy as Python', () => {
    const code = [
      'import warnings; warnings.simplefilter("error")',
      pythonOf('zarr', out('whole.zarr')),
      'import json',
      'ids = tree["context"]["input_ids"]',
      'print(json.dumps([list(chi.shape), chi.ravel().tolist(), components, tokens.columns.tolist(),',
      '  ids.dims, str(ids.dtype), tree["susceptibilities"].attrs["dataset_id_to_name"]]))'
    ].join('\n')
    const answer = execFileSync(python!, ['-c', code], { encoding: 'utf8' })
    const [shape, values, names, columns, ...rest] = JSON.parse(answer) as [number[], number[], string[], string[]]
    expect(shape).toEqual([20, 3])
    expect(values).toEqual([...matrixOf(20)])
    expect(names).toEqual(['embed', 'l0h0', 'l0 mlp'])
    expect(columns.sort()).toEqual(['batch', 'dataset_id', 'target_position'])
    expect(rest).toEqual([['ctx_flat'], 'int64', ['code, "C"', 'law']])
  })
})
