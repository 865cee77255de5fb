import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { inFile } from '../../main/sampling/columns'
import { chainNames } from '../../main/sampling/input'
import { estimatesOf } from '../../main/sampling/sample'
import type { Sampled, SampledChains } from '../../main/sampling/sampled'
import { configurationOf, sampledBy } from '../bench/gather'
import { temporaryFolder } from './models-fixtures'

const folder = temporaryFolder()
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
/** Bytes of buffers that something refers to still; the second time what the first one found has been given back. */
const held = (): number => {
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

it('estimates from sums hold a few columns at a time, whatever their number', async () => {
  const tokens = 50_000
  const components = Array.from({ length: 48 }, (_, i) => `head:0.${i}`)
  const { sampler } = configurationOf('psgld')
  const names = chainNames({ components, sampler })
  const order = new Map([...components, 'full'].map((component, i) => [component, i]))
  const sampled = sampledBy({ method: 'psgld', tokens, components: components.length }, tokens, names, order)
  const before = held()
  let most = 0
  const sums = async (at: number): ReturnType<SampledChains['sums']> => {
    if (at % 4 === 0) most = Math.max(most, held() - before)
    return (sampled as SampledChains).sums(at)
  }
  const rowStarts = Int32Array.of(0)
  const storage = inFile(join(folder, 'columns'))
  const { columns } = await estimatesOf({ components, sampler }, rowStarts, { ...sampled, sums } as Sampled, storage)
  most = Math.max(most, held() - before)
  await columns.close()
  // It is 20, and was 212 with χ̂, its errors and two parts of all components in memory.
  expect(most / (4 * tokens)).toBeLessThan(48)
  expect(most / (4 * tokens)).toBeGreaterThan(1)
})
