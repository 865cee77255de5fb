import { type Remainder, columnsOfBlocks } from './block-columns'
import type { Sampled, SampledBlocks, SampledChains } from './sampled'
import { sampleBlocks } from './blocks-sampler'
import { sampleChains } from './chains-sampler'
import { type OpenStorage, inMemory } from './columns'
import { type EstimatedColumns, type SamplingResult, columnsOf, wholeOf } from './estimates'
import { type ChainName, type SamplingInput, type SamplingTransport, byMethod } from './input'
import { sampleRemainders } from './remainder'
import { rowStartsOf } from './rows'

/**
 * Samples chains or draw blocks of a run, all or only `chosen`. Their numbers are those of the whole run. Throws the
 * errors of `sample`, except for failed chains, which are judged once all shards are there.
 */
export const sampleSome = (
  input: SamplingInput,
  chosen?: readonly ChainName[],
  transport: SamplingTransport = {}
): Promise<Sampled> =>
  byMethod<Promise<Sampled>>(
    input,
    (chains) => sampleChains(chains, chosen, transport),
    (blocks) => sampleBlocks(blocks, chosen, transport)
  )

/** Estimates what the first order leaves out, if the settings ask for it (remainder.ts). Empty otherwise. */
export const remaindersOf = async (
  input: SamplingInput,
  sampled: Sampled,
  transport: SamplingTransport = {}
): Promise<ReadonlyMap<string, Remainder>> => {
  const { sampler } = input
  return sampler.method === 'first-order'
    ? sampleRemainders({ ...input, sampler }, sampled as SampledBlocks, transport)
    : new Map()
}

/**
 * Estimates from everything that was sampled in a run. Throws a `sampling` error if no component can be estimated.
 */
export const estimatesOf = (
  input: Pick<SamplingInput, 'components' | 'sampler' | 'precision'>,
  rowStarts: Int32Array,
  sampled: Sampled,
  openStorage: OpenStorage,
  remainders?: ReadonlyMap<string, Remainder>
): Promise<EstimatedColumns> => {
  const { sampler } = input
  if (sampler.method === 'psgld') return columnsOf({ ...input, sampler }, sampled as SampledChains, openStorage)
  return columnsOfBlocks({ ...input, sampler }, rowStarts, sampled as SampledBlocks, openStorage, remainders)
}

/**
 * Samples every component and estimates the susceptibilities of the studied tokens (docs/method.md, sections 2 to
 * 3c). All components advance in lockstep, and the numbers do not depend on the number of threads. Resumes from a
 * checkpoint of the same run in `checkpoint.folder`. Chains with non-finite numbers are flagged and excluded; a
 * component without any left has no column.
 *
 * Throws SpectroscopeError of kind `configuration` (settings do not fit the rows), `sampling` (no component can be
 * estimated), `engine`, `storage` (a checkpoint cannot be written; the previous one is kept), or `interrupted` (after
 * saving a checkpoint).
 */
export const sample = async (input: SamplingInput, transport: SamplingTransport = {}): Promise<SamplingResult> => {
  const sampled = await sampleSome(input, undefined, transport)
  const remainders = await remaindersOf(input, sampled, transport)
  return wholeOf(await estimatesOf(input, rowStartsOf(input.study.targets), sampled, inMemory, remainders))
}
