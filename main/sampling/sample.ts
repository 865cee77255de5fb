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
 * Samples some of a run's chains or blocks of draws, or all of them; they have the same numbers as in the whole run.
 * Throws as `sample` does, but for those that fail: what comes of them is judged once all are there.
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

/** What first order leaves out, where the settings ask for it: see remainder.ts. */
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

/** Estimates from all that was sampled of a run. Throws a `sampling` error where nothing came of it. */
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
 * Samples every component and estimates the susceptibilities of the studied tokens, by the method of the settings
 * (docs/method.md, sections 2 and 3 to 3c). All components go in lockstep; the numbers do not depend on the number of
 * threads. Goes on from `checkpoint.folder` when it holds a checkpoint of the same run. What turns non-finite is
 * flagged and left out; a component without anything left has no column. Throws SpectroscopeError of kind
 * `configuration` (rows and settings do not fit), `sampling` (no component can be computed), `engine`, `storage` (a
 * checkpoint cannot be written; the one before it is kept), or `interrupted` (after writing a checkpoint).
 */
export const sample = async (input: SamplingInput, transport: SamplingTransport = {}): Promise<SamplingResult> => {
  const sampled = await sampleSome(input, undefined, transport)
  const remainders = await remaindersOf(input, sampled, transport)
  return wholeOf(await estimatesOf(input, rowStartsOf(input.study.targets), sampled, inMemory, remainders))
}
