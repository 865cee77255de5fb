import { stat, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { type ClusteringConfiguration, type RunConfiguration, suitClustering } from '../../preload/configuration'
import type { Estimate } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import { ladderOf } from '../clustering/communities'
import { listSize } from '../clustering/descent'
import { evaluatorsOf } from '../engine/engines'
import { machineMemory } from './room'
import { chainsOf, planOf } from './plan'
import { workOf } from './work'
import { memoryOf, sizesOf, matricesOf } from './memory'
import { diskOf } from './disk'

/** Speed of an engine on this machine, and its source. */
export interface MeasuredRate {
  readonly engine: string
  /** Speed of one thread on gradient steps of a small transformer (`measureEngines`); null if not measured. */
  readonly gigaflopsPerSecond: number | null
  /** Time of the measurement, ISO 8601. */
  readonly measuredAt: string | null
  /**
   * An earlier run on this engine: tokens per second through gradients and losses, over all threads. Preferred to the
   * small transformer.
   */
  readonly lastRun?: { readonly run: RunRecord; readonly tokensPerSecond: number; readonly measuredAt: string }
}

/** Speeds on four cores of an AMD EPYC (Zen 3), see test/bench/NOTES.md. All but reading text scale with threads. */
const measuredSpeed = {
  /** Corpus text read, tokenised and packed, in bytes per second. */
  textBytesPerSecond: 1.5e6,
  /** Token pairs times components per second and thread in the neighbour search. */
  distancesPerSecond: 7e9,
  /**
   * Seconds per token, squared length of its list, and component on one thread, in an approximate search for
   * neighbours: 11 s for 100,000 tokens, lists of 36 and 32 components.
   */
  secondsOfJoin: 1.8e-9,
  /** Seconds per seed, token and neighbour on one thread in the `acl` search, at α = 0.001. */
  secondsOfSeed: 2e-7,
  /** Seeds per token, not counting the rejected ones that end the search. */
  seedsPerToken: 1 / 80,
  /** Seconds per token and neighbour on one thread, for one partition into communities. */
  secondsOfPartition: 9e-7,
  /** Seconds per token and neighbour on one thread, for a description. */
  secondsOfDescription: 1e-6
} as const

/** Seconds to cluster one matrix whose neighbours are known. */
export const searchSeconds = (configuration: ClusteringConfiguration, tokens: number, threads: number): number => {
  const entries = tokens * configuration.neighbours
  if (configuration.method === 'acl') {
    const { alpha, maxRejections } = configuration
    const seeds = maxRejections + tokens * measuredSpeed.seedsPerToken
    return (seeds * entries * measuredSpeed.secondsOfSeed * Math.min(1, 0.001 / alpha)) / threads
  }
  const { resolution, levels, seeds, minSize } = configuration
  const partitions = ladderOf(resolution, levels, tokens, minSize).length * (seeds === 1 ? 1 : seeds + 1)
  return (partitions * entries * measuredSpeed.secondsOfPartition) / Math.min(threads, seeds)
}

/**
 * Seconds to find the neighbours of all tokens in one matrix. An approximate search joins lists with lists, and
 * compares a sample with all tokens.
 */
export const neighbourSeconds = (
  { neighbours, recall }: Pick<ClusteringConfiguration, 'neighbours' | 'recall'>,
  tokens: number,
  components: number,
  threads: number
): number => {
  if (recall === 1) return (tokens * tokens * components) / (measuredSpeed.distancesPerSecond * threads)
  const entries = listSize(neighbours, recall, tokens)
  return (tokens * entries ** 2 * (components + 16) * measuredSpeed.secondsOfJoin) / threads
}

/**
 * Seconds of the search for neighbours, which is a stage of its own for the whole, and of all that comes after it.
 * `matrices`: the whole, and what it is compared with for stability.
 */
export const clusterSeconds = (
  configuration: ClusteringConfiguration,
  matrices: number,
  tokens: number,
  components: number,
  threads: number
): { readonly neighbours: number; readonly cluster: number } => {
  const neighbours = neighbourSeconds(configuration, tokens, components, threads)
  const describing = tokens * configuration.neighbours * measuredSpeed.secondsOfDescription
  return {
    neighbours,
    cluster: matrices * searchSeconds(configuration, tokens, threads) + (matrices - 1) * neighbours + describing
  }
}

interface Speed {
  /** Floating-point operations per second, over all threads. */
  readonly operations: number
  readonly basis: string
}

const day = (time: string | null): string => (time === null ? 'at an unknown time' : `on ${time.slice(0, 10)}`)

/** Speed of an engine on a number of threads. Throws an `engine` error if it was never measured. */
export const rateOf = async (rate: MeasuredRate, threads: number): Promise<Speed> => {
  const { lastRun, gigaflopsPerSecond, engine, measuredAt } = rate
  if (lastRun !== undefined && lastRun.tokensPerSecond > 0) {
    const { run, tokensPerSecond } = lastRun
    // The model of that run may no longer exist. Then use the small transformer.
    const work = await planOf(run.configuration, run.baseFolder).then(
      (plan) => workOf(plan, run.configuration),
      () => undefined
    )
    if (work !== undefined) {
      const usedThen = evaluatorsOf(engine, run.configuration.threads ?? availableParallelism())
      const operations = (tokensPerSecond * work.operations) / (work.gradientTokens + work.lossTokens)
      return {
        operations: (operations * threads) / usedThen,
        basis: `the rate of run "${run.name}" on ${engine}, ${day(lastRun.measuredAt)}`
      }
    }
  }
  if (gigaflopsPerSecond === null)
    throw new SpectroscopeError(
      'engine',
      `The speed of ${engine} on this machine is not measured yet; measure the engines first.`
    )
  return {
    operations: gigaflopsPerSecond * 1e9 * threads,
    basis: `a measurement of ${engine} on a small model, ${day(measuredAt)}`
  }
}

const freeBytes = async (folder: string): Promise<number> => {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await stat(at).then(
      () => statfs(at),
      () => undefined
    )
    if (found !== undefined) return found.bavail * found.bsize
    if (at === dirname(at)) return 0
  }
}

/**
 * Estimates the cost of a run on this machine: tokens as the sampler counts them, seconds from a measured speed, and
 * bytes of memory and disk from the sizes of arrays. `workspace` is the folder whose disk is checked. Reads
 * config.json, the sizes of the corpus files, and a rows file completely. Throws the `input` and `configuration`
 * errors of a run, and an `engine` error if no speed is known.
 */
export const estimateRun = async (
  configuration: RunConfiguration,
  baseFolder: string,
  rate: MeasuredRate,
  workspace = baseFolder
): Promise<Estimate> => {
  const plan = await planOf(configuration, baseFolder)
  const {
    rows: { tokens },
    components,
    corpusBytes
  } = plan
  const { sampler, clustering } = configuration
  const work = workOf(plan, configuration)
  const chains = chainsOf(plan, sampler)
  const sizes = sizesOf(plan, chains)
  const threads = configuration.threads ?? availableParallelism()
  const working = Math.min(threads, availableParallelism())
  const matrices = clustering === false ? 0 : matricesOf(suitClustering(clustering, tokens), sampler)
  const speed = await rateOf(rate, evaluatorsOf(rate.engine, working))
  return {
    tokens,
    components: components.length,
    seconds: {
      prepare: 1 + corpusBytes / measuredSpeed.textBytesPerSecond,
      sample: work.operations / speed.operations,
      ...(clustering === false
        ? { neighbours: 0, cluster: 0 }
        : clusterSeconds(suitClustering(clustering, tokens), matrices, tokens, components.length, working))
    },
    memoryBytes: Math.round(memoryOf(plan, configuration, { chains, engine: rate.engine, threads }).all),
    diskBytes: Math.round(diskOf(plan, configuration, sizes)),
    machineMemoryBytes: machineMemory(),
    diskFreeBytes: await freeBytes(workspace),
    lossTokens: work.lossTokens,
    gradientTokens: work.gradientTokens,
    basis: `Sampling from ${speed.basis}; other stages from 100,000 tokens on four cores.`
  }
}
