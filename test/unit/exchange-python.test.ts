import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportAnnotatedSet } from '../../main/exchange/annotated-export'
import { exportRun } from '../../main/exchange/export'
import { openWorkspace } from '../../main/store/store'
import { pythonOf } from '../../preload/contract-python'
import type { PythonSource } from '../../preload/contract-python'
import { components, matrixOf, smallStudy, storeRun, temporaryFolder, texts } from './store-fixture'

/** A Python that has the packages, named by SPECTROSCOPE_TEST_PYTHON or the system's; undefined without one. */
const python = [process.env.SPECTROSCOPE_TEST_PYTHON, 'python3'].find((command) => {
  if (command === undefined) return false
  try {
    execFileSync(command, ['-c', 'import duckdb, pandas, pyarrow, numpy'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})

let place: Awaited<ReturnType<typeof temporaryFolder>>
let run: string
const folder = (): string => join(place.folder, 'wörk "😀" space')
const out = (name: string): string => join(folder(), name)

beforeAll(async () => {
  place = await temporaryFolder()
  const workspace = await openWorkspace(folder(), { create: true })
  run = await storeRun(workspace)
  for (const format of ['csv', 'parquet', 'npy', 'json'] as const)
    await exportRun(workspace, run, { format, folder: out(format) })
  await exportAnnotatedSet(workspace, run, { file: out('annotated'), program: 'spectroscope', clusters: 'all' })
  await workspace.close()
})
afterAll(() => place.remove())

/** What the lines for a source leave in a variable, as JSON. */
const loaded = (source: PythonSource, expression: string): unknown => {
  const path = out(source === 'workspace' ? 'workspace.duckdb' : source)
  const file = join(place.folder, `load_${source}.py`)
  writeFileSync(file, `${pythonOf(source, path, run, 1)}\nimport json\nprint(json.dumps(${expression}))\n`)
  return JSON.parse(execFileSync(python!, [file], { encoding: 'utf8' })) as unknown
}

const expectedTexts = smallStudy().probe.flatMap((row) => Array.from(row.subarray(1), (id) => texts[id]))

describe.skipIf(python === undefined)('the lines of Python (need python3 with duckdb, pandas, pyarrow, numpy)', () => {
  test.each(['workspace', 'parquet', 'csv', 'npy'] as const)('load matrix and tokens of %s', (source) => {
    const [shape, values, tokens] = loaded(
      source,
      '[list(chi.shape), [float(x) for x in chi.ravel()], tokens["text"].tolist()]'
    ) as [number[], number[], string[]]
    expect(shape).toEqual([20, components.length])
    values.forEach((value, at) => expect(value).toBeCloseTo(matrixOf(20)[at], 5))
    expect(tokens).toEqual(expectedTexts)
  })

  test('load the clusters of a workspace', () => {
    const clusters = loaded('workspace', 'tokens["cluster"].tolist()') as number[]
    expect(clusters.slice(0, 10)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
  })

  test.each(['json', 'annotated'] as const)('load clusters and members of %s', (source) => {
    const [clusters, tokens] = loaded(
      source,
      '[clusters["cluster"].tolist(), sorted([int(c), int(t)] for c, t in zip(tokens["cluster"], tokens["token"]))]'
    ) as [number[], [number, number][]]
    expect(clusters).toContain(0)
    expect(tokens.filter(([cluster]) => cluster === 0).map(([, token]) => token)).toEqual([0, 1, 2, 3, 4])
  })
})

test('a path of any characters is one Python string', () => {
  expect(pythonOf('npy', 'C:\\x\\"é😀\n')).toContain('pathlib.Path("C:\\\\x\\\\\\"\\u00e9\\U0001f600\\n")')
})
