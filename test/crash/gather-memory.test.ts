import { mkdirSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { measureGather, writeDoneSet } from '../bench/gather'
import type { GatherSize } from '../bench/gather'
import { hasProc, isBuilt, scratch } from './command'

const { path, remove } = scratch()
const mebibyte = 2 ** 20

/** Peak memory of the compute process and of the store, MiB. */
const peaksOf = async (name: string, size: GatherSize): Promise<readonly number[]> => {
  mkdirSync(path(name))
  await writeDoneSet(path(name), size)
  const { uses } = await measureGather(path(name), path(`workspace of ${name}`))
  return ['compute', 'store'].map((process) => uses.get(process)!.peak / mebibyte)
}

describe.skipIf(!isBuilt || !hasProc)('gathering', () => {
  afterAll(remove)

  it('takes no memory that grows with tokens times components', async () => {
    const small = await peaksOf('small', { tokens: 20_000, components: 64, method: 'psgld' })
    const large = await peaksOf('large', { tokens: 200_000, components: 64, method: 'psgld' })
    // χ̂, its errors and two parts of the larger are 205 MB, of which compute held all, and the store twice as much.
    expect(large[0] - small[0]).toBeLessThan(150)
    expect(large[1]).toBeLessThan(512 + 200)
  })
})
