import {
  type SamplerConfiguration,
  type PsgldConfiguration,
  type ClusteringConfiguration,
  type BlockConfiguration,
  blockCount,
  type RunConfiguration,
  suitClustering
} from '../../preload/configuration'
import { ladderOf, kernelBytes } from '../clustering/communities'
import { listSize } from '../clustering/descent'
import { comparisonsOf } from '../clustering/variants'
import { hasDevice } from '../engine/engines'
import {
  size,
  type ProgramPeak,
  programPeaks,
  ownWeightBytes,
  heldWeightBytes,
  prefixBytes,
  programBytes
} from '../engine/core'
import type { Architecture, Weights } from '../models/architecture'
import { componentSlices, sliceSize, unitOf } from '../models/components'
import { tensorShapes } from '../models/architectures'
import { usualTile } from '../sampling/columns'
import { programGroups } from '../sampling/groups'
import { rowsAtOnce, tokensFor } from '../sampling/rows'
import { partCount } from '../sampling/splits'
import { type StageSizes, partsOf, lanesOf, stageBytes as usualStageBytes, stageSizes } from '../sampling/stages'
import { componentBytes, waveBytes } from '../sampling/waves'
import type { Prepared } from './messages'
import { sum, type Plan, includesProbe, preparedPlan } from './plan'

/** Measured on the machine of `measuredSpeed`: see test/bench/NOTES.md. */
const measuredMemory = {
  /** All processes when idle. */
  processBytes: 350e6,
  threadBytes: 150e6,
  /** A thread without an evaluator. */
  updatingBytes: 15e6,
  /** A shard's process and its compute process. */
  shardProcessBytes: 250e6,
  /** Stages whose activations at w* are in memory: the current one, the next, and those not yet garbage-collected. */
  stagesHeld: 3,
  /** Memory held by programs, relative to their peak use. */
  programShare: 2.4,
  /** Average copies of a program per owning thread. */
  helpedPrograms: 1.5
} as const

/** Counting needs only the shapes. */
const emptyWeights = (architecture: Architecture): Weights =>
  new Map([...tensorShapes(architecture)].map(([name, shape]) => [name, { shape, data: new Float32Array(0) }]))

const parametersOf = (architecture: Architecture): number => sum([...tensorShapes(architecture).values()].map(size))

/** Memory of a program in bytes, and the number of chains that run it. */
interface Held extends ProgramPeak {
  readonly users: number
}

/** Programs, and what an evaluator holds in addition, in bytes. */
interface Working {
  readonly programs: readonly Held[]
  readonly perThread: number
  /** Gradients and copies of weights of each group of chains that a thread processes together, largest first. */
  readonly own: readonly number[]
}

/** Rows of one gradient; 0 if the sampler computes none. */
const gradientRows = (sampler: SamplerConfiguration): number =>
  sampler.method === 'psgld' ? (sampler.nBeta === 0 ? 0 : sampler.batchSize) : sampler.observationBatch

const workingOf = (
  { architecture, rows }: Plan,
  sampler: SamplerConfiguration,
  chains: readonly string[],
  groups: readonly (readonly number[])[],
  engine: string
): Working => {
  const weights = emptyWeights(architecture)
  const atOnce = tokensFor(engine)
  const evaluated = [...rows.observation, ...rows.probe]
  const ofGradient = gradientRows(sampler)
  const length = evaluated
    .concat(sampler.method !== 'psgld' || ofGradient === 0 ? [] : rows.sampling)
    .reduce((most, one) => Math.max(most, one), 2)
  const programs = new Map<string, Held>()
  const bytes = new Map<string, number>()
  for (const component of new Set(chains)) {
    const slices = componentSlices(architecture, weights, component)
    const unit = unitOf(architecture, component)
    const unitSlices = componentSlices(architecture, weights, unit)
    const users = chains.filter((name) => name === component).length
    const peaks = programPeaks(architecture, unit, unitSlices, {
      positions: length - 1,
      losses: Math.min(evaluated.length, rowsAtOnce(architecture, atOnce.block, length)),
      gradient: ofGradient === 0 ? undefined : Math.min(ofGradient, rowsAtOnce(architecture, atOnce.chunk, length))
    })
    for (const [name, peak] of peaks) programs.set(name, { ...peak, users: users + (programs.get(name)?.users ?? 0) })
    bytes.set(component, ownWeightBytes(architecture, slices, unitSlices, length - 1, ofGradient > 0))
  }
  const own = groups.map((group) => sum(group.map((chain) => bytes.get(chains[chain])!)))
  return {
    programs: [...programs.values()],
    perThread: heldWeightBytes(architecture, parametersOf(architecture), length - 1, hasDevice(engine)),
    own: own.sort((x, y) => y - x)
  }
}

export interface Sizes {
  /** Total weights: of the model, and of all replicas. */
  readonly parameters: number
  readonly replicaWeights: number
  /** Weights of each replica. */
  readonly replicas: readonly number[]
  readonly chains: number
}

export const sizesOf = ({ architecture }: Plan, chains: readonly string[]): Sizes => {
  const weights = emptyWeights(architecture)
  const lengths = new Map(
    [...new Set(chains)].map((name) => [name, sliceSize(componentSlices(architecture, weights, name))])
  )
  const replicas = chains.map((name) => lengths.get(name)!)
  return { parameters: parametersOf(architecture), replicaWeights: sum(replicas), replicas, chains: chains.length }
}

/**
 * Bytes of all chains' sums over both halves of their draws, plus the losses if φ is only known after them. One
 * quantity per token is summed in float64; if there are two, the first half is stored in float32.
 */
export const sumsBytes = (
  { chains }: Sizes,
  tokens: number,
  { estimator }: PsgldConfiguration,
  observationIncludesProbe: boolean
): number => chains * tokens * ((estimator === 'two-chain' ? 16 : 24) + (observationIncludesProbe ? 4 : 0))

/** Bytes used while columns are estimated one by one and their matrices stored in three tiles (columns.ts). */
const estimatingBytes = (tokens: number, components: number): number =>
  tokens * 200 + 12 * Math.min(usualTile, tokens * components)

/**
 * Bytes of all replicas (weights, centres, squared gradients, and gradients where they wait), sums, losses at w*, and
 * estimation.
 */
const sampledBytes = (
  sizes: Sizes,
  stages: StageSizes,
  tokens: number,
  components: number,
  sampler: PsgldConfiguration,
  observationIncludesProbe: boolean
): number =>
  ((sampler.nBeta === 0 ? 8 : 12) + (stages.waiting ? 4 : 0) + 4 * partsOf(stages, stages.chunks)) *
    sizes.replicaWeights +
  sumsBytes(sizes, tokens, sampler, observationIncludesProbe) +
  4 * tokens +
  estimatingBytes(tokens, components)

/** Number of matrices to partition for one clustering: the whole one and its comparisons. */
export const matricesOf = (
  { stability }: Pick<ClusteringConfiguration, 'stability'>,
  { method }: SamplerConfiguration
): number => 1 + (stability ? comparisonsOf(partCount(method)).length : 0)

/** Graph entries per neighbour list entry. In a union, every edge is stored in both of its rows. */
const entriesPerNeighbour = 2 * 1.4

/**
 * Bytes of clustering: matrix, points, neighbours, the graph and its copies, search vectors, and the stored
 * comparisons.
 */
const clusteredBytes = (
  configuration: ClusteringConfiguration,
  matrices: number,
  tokens: number,
  components: number,
  threads: number
): number => {
  const { method, neighbours: k, recall, stability, minSize } = configuration
  // An approximate search has more than the exact one: a copy of lists and of reversed lists.
  const lists = recall === 1 ? 0 : 20 * listSize(k, recall, tokens)
  const graph = k * (8 + 24 + entriesPerNeighbour * 12 + 8)
  const half = stability ? 4 * components + 8 * k : 0
  const layers = method === 'acl' ? 1 : ladderOf(configuration.resolution, configuration.levels, tokens, minSize).length
  const kept = 4 * layers * matrices
  const kernels =
    method === 'acl'
      ? 0
      : kernelBytes(
          tokens,
          Math.round(entriesPerNeighbour * k * tokens),
          Math.min(threads, layers * configuration.seeds)
        )
  return tokens * (components * 16 + Math.max(graph, lists) + half + kept + 270) + kernels
}

/** What is sampled: the component of every chain, the engine, and the number of threads. */
interface Sampled {
  readonly chains: readonly string[]
  readonly engine: string
  readonly threads: number
}

/** Bytes of the sums and vectors of all draw blocks. Waves hold a part of them at a time, and saved sums all. */
export const blocksBytes = (
  { architecture, rows: { tokens } }: Plan,
  chains: readonly string[],
  sampler: BlockConfiguration
): number => {
  const weights = emptyWeights(architecture)
  return sum(
    [...new Set(chains)].map(
      (component) =>
        (componentBytes(sliceSize(componentSlices(architecture, weights, component)), tokens, sampler) *
          chains.filter((each) => each === component).length) /
        blockCount
    )
  )
}

const samplingBytes = (
  plan: Plan,
  { sampler, corpus }: RunConfiguration,
  { chains, engine, threads }: Sampled
): number => {
  const { architecture, components, rows } = plan
  const lanes = lanesOf(engine, threads)
  const atOnce = tokensFor(engine)
  const { programs, perThread, own } = workingOf(
    plan,
    sampler,
    chains,
    hasDevice(engine) ? programGroups(chains) : chains.map((_, chain) => [chain]),
    engine
  )
  const sizes = sizesOf(plan, chains)
  if (sampler.method !== 'psgld') {
    const working = Math.min(lanes.evaluating, chains.length)
    const copies = ({ owned, users }: Held): number =>
      Math.min(working, users, owned ? measuredMemory.helpedPrograms : working)
    const held = Math.min(
      sum(programs.map((program) => copies(program) * program.bytes)),
      working * Math.max(programBytes, ...programs.map(({ bytes }) => bytes))
    )
    const longest = [...rows.observation, ...rows.probe].reduce((most, length) => Math.max(most, length), 2)
    const stage = Math.min(
      usualStageBytes,
      prefixBytes(architecture, 2 * blockCount * sampler.observationBatch * (longest - 1))
    )
    return (
      4 * sizes.parameters +
      working * (measuredMemory.threadBytes + perThread) +
      sum(own.slice(0, working)) +
      measuredMemory.programShare * held +
      measuredMemory.stagesHeld * stage +
      Math.min(waveBytes(), blocksBytes(plan, chains, sampler)) +
      estimatingBytes(rows.tokens, components.length)
    )
  }
  const stages = stageSizes({
    architecture,
    sampler,
    atOnce,
    lanes,
    sampling: rows.sampling,
    evaluated: [...rows.observation, ...rows.probe],
    replicas: sizes.replicas
  })
  const working = stages.split ? lanes.evaluating : Math.min(lanes.evaluating, chains.length)
  const copies = ({ owned, users }: Held): number =>
    stages.split ? working : Math.min(working, users, owned ? measuredMemory.helpedPrograms : working)
  const held = Math.min(
    sum(programs.map((program) => copies(program) * program.bytes)),
    working * Math.max(programBytes, ...programs.map(({ bytes }) => bytes))
  )
  return (
    4 * sizes.parameters +
    working * (measuredMemory.threadBytes + perThread) +
    lanes.updating * measuredMemory.updatingBytes +
    sum(own.slice(0, working)) +
    measuredMemory.programShare * held +
    measuredMemory.stagesHeld * stages.bytes +
    sampledBytes(sizes, stages, rows.tokens, components.length, sampler, includesProbe(corpus))
  )
}

/** Bytes of χ̂ from every part of the draws. */
export const partsBytes = ({ components, rows: { tokens } }: Plan, { method }: SamplerConfiguration): number =>
  4 * partCount(method) * tokens * components.length

/** Memory that a run needs in bytes: while sampling, and at its peak. */
export const memoryOf = (
  plan: Plan,
  configuration: RunConfiguration,
  sampled: Sampled
): { readonly sampling: number; readonly all: number } => {
  const {
    rows: { tokens },
    components,
    corpusBytes,
    architecture
  } = plan
  const { clustering, sampler } = configuration
  const weights = 4 * parametersOf(architecture)
  const sampling = samplingBytes(plan, configuration, sampled)
  const clustered = (settings: ClusteringConfiguration): number =>
    clusteredBytes(settings, matricesOf(settings, sampler), tokens, components.length, sampled.threads)
  const grouping =
    clustering === false
      ? 0
      : weights + sampled.threads * measuredMemory.threadBytes + clustered(suitClustering(clustering, tokens))
  return {
    sampling: measuredMemory.processBytes + sampling,
    all: measuredMemory.processBytes + Math.max(weights + corpusBytes, sampling, grouping)
  }
}

/** Memory that a process needs to sample the chains of a shard, in bytes. `sampled.chains` has their components. */
export const shardBytes = (plan: Plan, configuration: RunConfiguration, sampled: Sampled): number =>
  measuredMemory.shardProcessBytes + samplingBytes(plan, configuration, sampled)

/** Memory that a process needs to sample chains of a prepared study, in bytes. `chains` has their components. */
export const preparedShardBytes = async (
  configuration: RunConfiguration,
  baseFolder: string,
  prepared: Pick<Prepared, 'components' | 'study' | 'engine'>,
  chains: readonly string[],
  threads: number
): Promise<number> => {
  const plan = await preparedPlan(configuration, baseFolder, prepared)
  return shardBytes(plan, configuration, { chains, engine: prepared.engine.name, threads })
}

/**
 * Memory that a process needs for a clustering shard, in bytes: for the neighbours of `rows` tokens, or if null for
 * the local clusters of a matrix.
 */
export const clusterShardBytes = (
  configuration: ClusteringConfiguration,
  tokens: number,
  components: number,
  rows: number | null,
  threads: number
): number => {
  const { neighbours: k } = configuration
  const common = measuredMemory.shardProcessBytes + threads * measuredMemory.updatingBytes
  // The cloud's matrix is computed from the whole one. Points are held in float64, and in 16 bits for the search.
  if (rows !== null) return common + tokens * (components * (4 + 4 + 8 + 2) + 20) + rows * (8 * k + 8 * (2 * k + 32))
  return common + clusteredBytes({ ...configuration, stability: false }, 1, tokens, components, threads)
}
