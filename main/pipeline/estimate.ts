import { stat, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { type ClusteringConfiguration, type RunConfiguration, suitClustering } from '../../preload/configuration'
import type { Estimate } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import { ladderOf } from '../clustering/communities'
import { evaluatorsOf } from '../engine/engines'
import { machineMemory } from './room'
import { chainsOf, planOf } from './plan'
import { workOf } from './work'
import { memoryOf, sizesOf, matricesOf } from './memory'
import { diskOf } from './disk'

/** How fast this machine computes, and how that is known. */
export interface MeasuredRate {
  readonly engine: string
  /**
   * One thread on gradient steps of a small transformer (`measureEngines`); null where the engine was not measured.
   */
  readonly gigaflopsPerSecond: number | null
  /** ISO 8601. */
  readonly measuredAt: string | null
  /**
   * A run that was sampled here on this engine: tokens through its gradients and losses a second, all threads
   * together. It counts more than the small transformer.
   */
  readonly lastRun?: { readonly run: RunRecord; readonly tokensPerSecond: number; readonly measuredAt: string }
}

/** Measured on four cores of an AMD EPYC (Zen 3): see test/bench/NOTES.md. Threads share all but the text. */
const measuredSpeed = {
  /** Bytes of a corpus that are read, tokenised and packed in a second. */
  textBytesPerSecond: 1.5e6,
  /** One thread: pairs of tokens times components a second, in the search for neighbours. */
  distancesPerSecond: 7e9,
  /** One thread: seconds for one seed of the search for clusters, per token and neighbour, at α = 0.001. */
  secondsOfSeed: 2e-7,
  /** Seeds for each token, beside those whose rejection ends the search. */
  seedsPerToken: 1 / 80,
  /** One thread: seconds of one partition into communities, per token and neighbour. */
  secondsOfPartition: 9e-7,
  /** One thread: seconds of a description, per token and neighbour. */
  secondsOfDescription: 1e-6
} as const

/** Seconds of the search for clusters in one matrix, whose neighbours are found. */
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

/** Seconds of the search for the neighbours of all tokens in one matrix. */
export const neighbourSeconds = (tokens: number, components: number, threads: number): number =>
  (tokens * tokens * components) / (measuredSpeed.distancesPerSecond * threads)

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
  const neighbours = neighbourSeconds(tokens, components, threads)
  const describing = tokens * configuration.neighbours * measuredSpeed.secondsOfDescription
  return {
    neighbours,
    cluster: matrices * searchSeconds(configuration, tokens, threads) + (matrices - 1) * neighbours + describing
  }
}

interface Speed {
  /** Floating-point operations a second, all threads together. */
  readonly operations: number
  readonly basis: string
}

const day = (time: string | null): string => (time === null ? 'at an unknown time' : `on ${time.slice(0, 10)}`)

/** Operations a second of an engine on so many threads. Throws an `engine` error where it was not measured. */
export const rateOf = async (rate: MeasuredRate, threads: number): Promise<Speed> => {
  const { lastRun, gigaflopsPerSecond, engine, measuredAt } = rate
  if (lastRun !== undefined && lastRun.tokensPerSecond > 0) {
    const { run, tokensPerSecond } = lastRun
    // The model of that run may be gone; then the small transformer has to do.
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
 * What a run of a configuration will cost on this machine: tokens counted as the sampler counts them, time from a
 * measured rate, memory and disk from the arrays that there will be. `workspace` is the folder whose disk it will
 * fill. Reads config.json, sizes of the corpus's files, and a rows file whole. Throws `input` and `configuration`
 * errors as a run would, and an `engine` error without any rate.
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
