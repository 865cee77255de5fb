import { mkdirSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { measureGather, writeDoneSet } from '../bench/gather'
import { hasProc, isBuilt, scratch } from './command'

const { path, remove } = scratch()
const mebibyte = 2 ** 20
const tokens = 60_000
const components = { few: 16, many: 320 }

/** Peak memory of the compute process and of the store, MiB. */
const peaksOf = async (count: number): Promise<{ readonly compute: number; readonly store: number }> => {
  const folder = path(String(count))
  mkdirSync(folder)
  await writeDoneSet(folder, { tokens, components: count, method: 'psgld' })
  const { uses } = await measureGather(folder, path(`workspace of ${count}`))
  const peakOf = (process: string): number => uses.get(process)!.peak / mebibyte
  return { compute: peakOf('compute'), store: peakOf('store') }
}

describe.skipIf(!isBuilt || !hasProc)('gathering', () => {
  afterAll(remove)

  // Holding all columns at once took 18.5 bytes a cell in compute and 20 in the store: 337 and 365 MiB for the cells
  // that are added here. One column at a time adds none, but up to 140 MiB wait for the garbage collector, as they
  // still do with 900 components.
  it('takes no memory that grows with tokens times components', async () => {
    const few = await peaksOf(components.few)
    const many = await peaksOf(components.many)
    expect(many.compute - few.compute).toBeLessThan(220)
    // DuckDB fills its own limit of 512 MiB, and 350 MiB beside it, with any number of components.
    expect(many.store).toBeLessThan(1040)
  })
})
