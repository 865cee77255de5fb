import { stat, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import {
  type BlockConfiguration,
  type ClusteringConfiguration,
  type PsgldConfiguration,
  type RunConfiguration,
  type SamplerConfiguration,
  blockCount,
  roundsOf,
  suitClustering
} from '../../preload/configuration'
import type { Estimate } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import { kernelBytes, ladderOf } from '../clustering/communities'
import { comparisonsOf } from '../clustering/variants'
import { listCorpusFiles } from '../corpora/files'
import { checkRowLength, prepareStudy, spreadTargets } from '../corpora/study'
import { evaluatorsOf, hasDevice, type TokensAtOnce } from '../engine/engines'
import { size } from '../engine/graph'
import { heldWeightBytes, ownWeightBytes, programPeaks, type ProgramPeak } from '../engine/memory'
import { pieceOperations, prefixOperations } from '../engine/operations'
import { programBytes } from '../engine/transformer-evaluator'
import { prefixBytes } from '../engine/transformer'
import type { Architecture, Weights } from '../models/architecture'
import { componentNames, componentSlices, sliceSize } from '../models/components'
import { readModelConfig } from '../models/config'
import { tensorShapes } from '../models/load'
import { groupsOf } from '../sampling/groups'
import { componentBytes, waveBytes } from '../sampling/waves'
import { likelyRounds, pairsFor } from '../sampling/rounds'
import { chainNames, sampledNames } from '../sampling/input'
import { Minibatches } from '../sampling/philox'
import { rowsAtOnce, tokensFor } from '../sampling/rows'
import { usualTile } from '../sampling/columns'
import { partCount } from '../sampling/splits'
import { lanesOf, partsOf, stageBytes as usualStageBytes, stageSizes, type StageSizes } from '../sampling/stages'
import { chooseComponents } from './checks'
import type { Prepared } from './messages'
import { gigabytes, machineMemory, mostThreadsHere } from './room'

/** How fast this machine computes, and how that is known. */
export interface MeasuredRate {
  readonly engine: string
  /** One thread on gradient steps of a small transformer (`measureEngines`); null where the engine was not measured. */
  readonly gigaflopsPerSecond: number | null
  /** ISO 8601. */
  readonly measuredAt: string | null
  /** A run that was sampled here on this engine: tokens through its gradients and losses a second, all threads together. It counts more than the small transformer. */
  readonly lastRun?: { readonly run: RunRecord; readonly tokensPerSecond: number; readonly measuredAt: string }
}

/** Rows of one length: how many there are of each. */
type Lengths = ReadonlyMap<number, number>

/** The rows of a configuration, by their lengths, in order. */
export interface RowSets {
  readonly sampling: readonly number[]
  readonly observation: readonly number[]
  readonly probe: readonly number[]
  readonly tokens: number
}

/** What sampling does: tokens are target positions, as the sampler counts them. */
export interface SamplingWork {
  readonly chains: number
  /** Of each chain. */
  readonly steps: number
  readonly gradientTokens: number
  readonly lossTokens: number
  /** Floating-point operations, the forward passes at w* included. */
  readonly operations: number
}

/** The part of a configuration and its model that decides what a run costs. */
export interface Plan {
  readonly architecture: Architecture
  readonly components: readonly string[]
  readonly rows: RowSets
  readonly corpusBytes: number
}

/** Measured on four cores of an AMD EPYC (Zen 3): see test/bench/NOTES.md. Threads share all but the text. */
const measured = {
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
  secondsOfDescription: 1e-6,
  /** What the processes take with nothing in them. */
  processBytes: 350e6,
  threadBytes: 150e6,
  /** A thread without an evaluator. */
  updatingBytes: 15e6,
  /** A piece's process and its compute process. */
  pieceProcessBytes: 250e6,
  /** Stages whose activations at w* are held: of the one at work, the next, and those that no collection has come for yet. */
  stagesHeld: 3,
  /** What programs hold, over what they need at once. */
  programShare: 2.4,
  /** How many threads hold a program that one of them owns, on average. */
  helpedPrograms: 1.5
} as const

const sum = (values: Iterable<number>): number => {
  let total = 0
  for (const value of values) total += value
  return total
}

const add = (lengths: Map<number, number>, length: number): Map<number, number> =>
  lengths.set(length, (lengths.get(length) ?? 0) + 1)
const counted = (rows: readonly number[]): Lengths => rows.reduce(add, new Map<number, number>())
const targetsOf = (lengths: Lengths): number => sum([...lengths].map(([length, rows]) => rows * (length - 1)))
const over = (lengths: Lengths, cost: (length: number) => number): number =>
  sum([...lengths].map(([length, rows]) => rows * cost(length)))

/** Steps whose rows are counted one by one; more are like these. */
const mostStepsCounted = 100_000

/** Rows through the gradients of one chain. */
const minibatchRows = (
  { nBeta, batchSize }: PsgldConfiguration,
  rows: readonly number[],
  steps: number,
  seed: number
): Lengths => {
  if (nBeta === 0 || rows.length < batchSize) return new Map()
  if (rows.every((length) => length === rows[0])) return new Map([[rows[0], steps * batchSize]])
  const minibatches = new Minibatches(seed, rows.length, batchSize)
  const lengths = new Map<number, number>()
  const looked = Math.min(steps, mostStepsCounted)
  for (let step = 0; step < looked; step++) for (const row of minibatches.at(step)) add(lengths, rows[row])
  if (looked === steps) return lengths
  return new Map([...lengths].map(([length, count]) => [length, count * (steps / looked)]))
}

/** Rounds that a component is likely to take: all of them where no target ends it. */
const roundsExpected = (sampler: BlockConfiguration): number =>
  sampler.targetReliability === false
    ? roundsOf(sampler)
    : Math.min(roundsOf(sampler), likelyRounds(sampler.method, sampler.targetReliability))

/** Pairs of gradients for each block and round, given lengths of rows. */
const pairsOfRows = (
  sampler: BlockConfiguration,
  { probe }: Pick<RowSets, 'probe'>,
  observed: readonly number[]
): number =>
  sampler.method === 'gradient'
    ? 1
    : sampler.pairs === 'auto'
      ? pairsFor(targetsOf(counted(probe)), observed.length, targetsOf(counted(observed)), sampler.observationBatch)
      : sampler.pairs

const blocksWork = (
  architecture: Architecture,
  components: readonly string[],
  sampler: BlockConfiguration,
  rows: Omit<RowSets, 'tokens'>,
  observed: readonly number[]
): SamplingWork => {
  const { method, nBeta, observationBatch } = sampler
  const turns = blockCount * roundsExpected(sampler)
  const gradients = turns * (method === 'first-order' ? 2 * pairsOfRows(sampler, rows, observed) : 1)
  const points = method === 'first-order' ? 4 : 2
  const share = observationBatch / observed.length
  const [ofObserved, ofProbe] = [counted(observed), counted(rows.probe)]
  const passes = method === 'gradient' && nBeta > 0 ? turns : 0
  const own = (name: string): number =>
    gradients * share * over(ofObserved, (length) => pieceOperations(architecture, name, length).gradient) +
    over(ofObserved, (length) => passes * pieceOperations(architecture, name, length).losses) +
    points * turns * over(ofProbe, (length) => pieceOperations(architecture, name, length).losses)
  const prefixes =
    gradients * share * over(ofObserved, (length) => prefixOperations(architecture, length)) +
    turns * over(ofProbe, (length) => prefixOperations(architecture, length))
  return {
    chains: components.length * blockCount,
    steps: 0,
    gradientTokens: Math.round(components.length * gradients * share * targetsOf(ofObserved)),
    lossTokens:
      Math.round(components.length * (points * turns * targetsOf(ofProbe) + passes * targetsOf(ofObserved))) +
      targetsOf(ofObserved),
    operations: sum(components.map(own)) + prefixes
  }
}

/**
 * Counts what `sample` will do with these rows and settings, chain by chain and draw by draw
 * (docs/method.md, sections 2 to 3c); where a target ends it, what is likely.
 */
export const samplingWork = (
  architecture: Architecture,
  components: readonly string[],
  sampler: SamplerConfiguration,
  rows: Omit<RowSets, 'tokens'>,
  seed: number,
  observationIncludesProbe = false
): SamplingWork => {
  if (sampler.method !== 'psgld')
    return blocksWork(
      architecture,
      components,
      sampler,
      rows,
      observationIncludesProbe ? [...rows.observation, ...rows.probe] : rows.observation
    )
  const { nBeta, burnIn, draws, stepsBetweenDraws, chains } = sampler
  const names = sampledNames({ components, sampler })
  const steps = nBeta === 0 ? 0 : burnIn + (draws - 1) * stepsBetweenDraws + 1
  const stepped = minibatchRows(sampler, rows.sampling, steps, seed)
  const evaluated = counted([...rows.observation, ...rows.probe])
  const replicas = names.length * chains
  const prefixes =
    over(stepped, (length) => prefixOperations(architecture, length)) +
    draws * over(evaluated, (length) => prefixOperations(architecture, length))
  const own = (name: string): number =>
    over(stepped, (length) => pieceOperations(architecture, name, length).gradient) +
    draws * over(evaluated, (length) => pieceOperations(architecture, name, length).losses)
  return {
    chains: replicas,
    steps,
    gradientTokens: replicas * targetsOf(stepped),
    // L(w*) and ℓ(w*) are measured once, before the first draw.
    lossTokens: (replicas * draws + 1) * targetsOf(evaluated),
    operations: chains * sum(names.map(own)) + prefixes
  }
}

const rowsOfStudy = ({ sampling, observation, probe, targets }: Prepared['study']): RowSets => {
  const lengths = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)
  return {
    sampling: lengths(sampling),
    observation: lengths(observation),
    probe: lengths(probe),
    tokens: sum(lengths(targets))
  }
}

const rowsOf = async (
  configuration: RunConfiguration,
  baseFolder: string,
  architecture: Architecture
): Promise<RowSets> => {
  const { corpus } = configuration
  if (corpus !== undefined) {
    const rows = (count: number): number[] => new Array<number>(count).fill(corpus.rowLength)
    return {
      sampling: rows(configuration.sampler.method === 'psgld' ? corpus.sampling : 0),
      observation: rows(corpus.observation),
      probe: rows(corpus.probe),
      tokens: corpus.probe * spreadTargets(corpus.rowLength, corpus.probeTokensPerRow).length
    }
  }
  return rowsOfStudy(
    await prepareStudy(
      configuration,
      baseFolder,
      { architecture, folder: resolve(baseFolder, configuration.model) },
      null
    )
  )
}

const architectureOf = async ({ model }: RunConfiguration, baseFolder: string): Promise<Architecture> =>
  (await readModelConfig(resolve(baseFolder, model))).architecture

export const planOf = async (configuration: RunConfiguration, baseFolder: string): Promise<Plan> => {
  const architecture = await architectureOf(configuration, baseFolder)
  if (configuration.corpus !== undefined) checkRowLength(configuration.corpus, architecture)
  const { files } = await listCorpusFiles(configuration.corpus?.files ?? [], baseFolder)
  return {
    architecture,
    components: chooseComponents(configuration.components, componentNames(architecture)),
    rows: await rowsOf(configuration, baseFolder, architecture),
    corpusBytes: sum(files.map(({ bytes }) => bytes))
  }
}

/** Counts what sampling the plan's components will do. */
export const workOf = (
  { architecture, components, rows }: Plan,
  { sampler, seed, corpus }: RunConfiguration
): SamplingWork => samplingWork(architecture, components, sampler, rows, seed, includesProbe(corpus))

/** Shapes are all that is needed to count. */
const emptyWeights = (architecture: Architecture): Weights =>
  new Map([...tensorShapes(architecture)].map(([name, shape]) => [name, { shape, data: new Float32Array(0) }]))

const parametersOf = (architecture: Architecture): number => sum([...tensorShapes(architecture).values()].map(size))

/** A program, in bytes, and how many chains run it. */
interface Held extends ProgramPeak {
  readonly users: number
}

/** Programs, and what an evaluator holds beside them, in bytes. */
interface Working {
  readonly programs: readonly Held[]
  readonly perThread: number
  /** Of own gradients and copies of weights, for each group of chains that a thread works on together; the largest first. */
  readonly own: readonly number[]
}

/** Rows of one gradient; 0 where there is none. */
const gradientRows = (sampler: SamplerConfiguration): number =>
  sampler.method === 'psgld' ? (sampler.nBeta === 0 ? 0 : sampler.batchSize) : sampler.observationBatch

const workingOf = (
  { architecture, rows }: Plan,
  sampler: SamplerConfiguration,
  chains: readonly string[],
  groups: readonly (readonly number[])[],
  atOnce: TokensAtOnce
): Working => {
  const weights = emptyWeights(architecture)
  const evaluated = [...rows.observation, ...rows.probe]
  const ofGradient = gradientRows(sampler)
  const length = evaluated
    .concat(sampler.method !== 'psgld' || ofGradient === 0 ? [] : rows.sampling)
    .reduce((most, one) => Math.max(most, one), 2)
  const programs = new Map<string, Held>()
  const bytes = new Map<string, number>()
  for (const component of new Set(chains)) {
    const slices = componentSlices(architecture, weights, component)
    const users = chains.filter((name) => name === component).length
    const peaks = programPeaks(architecture, component, slices, {
      positions: length - 1,
      losses: Math.min(evaluated.length, rowsAtOnce(architecture, atOnce.block, length)),
      gradient: ofGradient === 0 ? undefined : Math.min(ofGradient, rowsAtOnce(architecture, atOnce.chunk, length))
    })
    for (const [name, peak] of peaks) programs.set(name, { ...peak, users: users + (programs.get(name)?.users ?? 0) })
    bytes.set(component, ownWeightBytes(architecture, slices, length - 1, ofGradient > 0))
  }
  const own = groups.map((group) => sum(group.map((chain) => bytes.get(chains[chain])!)))
  return {
    programs: [...programs.values()],
    perThread: heldWeightBytes(architecture, parametersOf(architecture), length - 1),
    own: own.sort((x, y) => y - x)
  }
}

interface Sizes {
  /** Of the parameters, and of every component with `full` where it is sampled, in weights. */
  readonly parameters: number
  readonly replicaWeights: number
  /** Of each chain. */
  readonly replicas: readonly number[]
  readonly chains: number
}

/** The component of every chain. */
const chainsOf = ({ components }: Plan, sampler: SamplerConfiguration): string[] =>
  chainNames({ components, sampler }).map(({ component }) => component)

const sizesOf = ({ architecture }: Plan, chains: readonly string[]): Sizes => {
  const weights = emptyWeights(architecture)
  const lengths = new Map(
    [...new Set(chains)].map((name) => [name, sliceSize(componentSlices(architecture, weights, name))])
  )
  const replicas = chains.map((name) => lengths.get(name)!)
  return { parameters: parametersOf(architecture), replicaWeights: sum(replicas), replicas, chains: chains.length }
}

/** Sums of all chains over both halves of their draws: of one quantity a token in float64, or of two, the first half's in float32; and losses where φ comes after them. */
const sumsBytes = (
  { chains }: Sizes,
  tokens: number,
  { estimator }: PsgldConfiguration,
  observationIncludesProbe: boolean
): number => chains * tokens * ((estimator === 'two-chain' ? 16 : 24) + (observationIncludesProbe ? 4 : 0))

/** While columns are estimated, one after another, and their matrices stored by three tiles: see columns.ts. */
const estimatingBytes = (tokens: number, components: number): number =>
  tokens * 200 + 12 * Math.min(usualTile, tokens * components)

/** Weights, their centres and squared gradients, and gradients or parts of them where steps take several stages or threads, or others update; sums, and losses at w*; what comes of them. */
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

/** Matrices that are clustered for one clustering: the whole, and what it is compared with. */
const matricesOf = (
  { stability }: Pick<ClusteringConfiguration, 'stability'>,
  { method }: SamplerConfiguration
): number => 1 + (stability ? comparisonsOf(partCount(method)).length : 0)

/** Entries of the neighbour graph for each that the lists have: of a union, in both of an edge's rows. */
const entriesPerNeighbour = 2 * 1.4

/** The matrix, points, neighbours, the graph with its copies, and vectors of the search; and what is kept to compare with. */
const clusteredBytes = (
  configuration: ClusteringConfiguration,
  matrices: number,
  tokens: number,
  components: number,
  threads: number
): number => {
  const { method, neighbours: k, stability, minSize } = configuration
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
  return tokens * (components * 16 + graph + half + kept + 270) + kernels
}

const includesProbe = (corpus: RunConfiguration['corpus']): boolean => corpus?.observationIncludesProbe ?? false

/** What samples: the components of the chains, the engine, and how many threads. */
interface Sampled {
  readonly chains: readonly string[]
  readonly engine: string
  readonly threads: number
}

/** Sums and vectors of all draw blocks: what waves hold in turn, and what is kept on disk. */
const blocksBytes = (
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
    hasDevice(engine) ? groupsOf(chains) : chains.map((_, chain) => [chain]),
    atOnce
  )
  const sizes = sizesOf(plan, chains)
  if (sampler.method !== 'psgld') {
    const working = Math.min(lanes.evaluating, chains.length)
    const copies = ({ owned, users }: Held): number =>
      Math.min(working, users, owned ? measured.helpedPrograms : working)
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
      working * (measured.threadBytes + perThread) +
      sum(own.slice(0, working)) +
      measured.programShare * held +
      measured.stagesHeld * stage +
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
    stages.split ? working : Math.min(working, users, owned ? measured.helpedPrograms : working)
  const held = Math.min(
    sum(programs.map((program) => copies(program) * program.bytes)),
    working * Math.max(programBytes, ...programs.map(({ bytes }) => bytes))
  )
  return (
    4 * sizes.parameters +
    working * (measured.threadBytes + perThread) +
    lanes.updating * measured.updatingBytes +
    sum(own.slice(0, working)) +
    measured.programShare * held +
    measured.stagesHeld * stages.bytes +
    sampledBytes(sizes, stages, rows.tokens, components.length, sampler, includesProbe(corpus))
  )
}

/** χ̂ from every part of the draws. */
const partsBytes = ({ components, rows: { tokens } }: Plan, { method }: SamplerConfiguration): number =>
  4 * partCount(method) * tokens * components.length

/** While sampling, and at most. */
const memoryOf = (
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
      : weights + sampled.threads * measured.threadBytes + clustered(suitClustering(clustering, tokens))
  return {
    sampling: measured.processBytes + sampling,
    all: measured.processBytes + Math.max(weights + corpusBytes, sampling, grouping)
  }
}

/** An estimate is up to so many times what is used (test/bench/NOTES.md), so only a run that is further above the machine's memory is refused. */
const mostOverestimated = 1.6

/** The largest of some numbers that fits, where each smaller one does too; the first where none does. */
const largestFrom = (first: number, last: number, fits: (count: number) => boolean): number => {
  let [low, high] = [first, Math.max(first, last)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

/** Whatever number of threads a study's run is to have, and what is to be said of its memory. */
export interface FittingThreads {
  readonly threads: number
  readonly warning?: string
}

const preparedPlan = async (
  configuration: RunConfiguration,
  baseFolder: string,
  { components, study }: Pick<Prepared, 'components' | 'study'>
): Promise<Plan> => ({
  architecture: await architectureOf(configuration, baseFolder),
  components,
  rows: rowsOfStudy(study),
  corpusBytes: 0
})

/**
 * On how many threads a prepared study is sampled, so that it fits in memory: those asked for, or fewer, as numbers do not depend on them.
 * Says so where it is fewer, and where what is needed may be more than there is. Throws a `configuration` error where one thread can't fit.
 */
export const threadsThatFit = async (
  configuration: RunConfiguration,
  baseFolder: string,
  prepared: Pick<Prepared, 'components' | 'study' | 'engine'>,
  memory = machineMemory()
): Promise<FittingThreads> => {
  const plan = await preparedPlan(configuration, baseFolder, prepared)
  const wanted = Math.min(configuration.threads ?? availableParallelism(), mostThreadsHere())
  const neededOn = (threads: number): { readonly sampling: number; readonly all: number } =>
    memoryOf(plan, configuration, {
      chains: chainsOf(plan, configuration.sampler),
      engine: prepared.engine.name,
      threads
    })
  const whole = neededOn(wanted)
  const fits = ({ sampling }: { readonly sampling: number }): boolean => sampling <= memory
  const threads = fits(whole) ? wanted : largestFrom(1, wanted - 1, (count) => fits(neededOn(count)))
  const { sampling } = threads === wanted ? whole : neededOn(threads)
  const scarce = `Sampling needs about ${gigabytes(sampling)} of memory even on one thread, and there is ${gigabytes(memory)}`
  const fewerChains = configuration.sampler.method === 'psgld' ? ', set fewer "sampler.chains"' : ''
  const remedy = `study fewer tokens or components${fewerChains}, or divide the run with \`spectroscope shard\``
  if (sampling > mostOverestimated * memory) throw new SpectroscopeError('configuration', `${scarce}; ${remedy}.`)
  if (sampling > memory)
    return {
      threads,
      warning: `${scarce}: it runs on one thread and may be slow or run out of memory; if so, ${remedy}.`
    }
  if (threads < wanted)
    return {
      threads,
      warning:
        `Sampling needs about ${gigabytes(whole.sampling)} of memory on ${wanted} threads, and there is ` +
        `${gigabytes(memory)}: it runs on ${threads} threads, which takes longer but gives the same results.`
    }
  if (whole.all <= memory) return { threads }
  return {
    threads,
    warning:
      `This run needs about ${gigabytes(whole.all)} of memory for its clusters and has ${gigabytes(memory)}, ` +
      'so it may be slow or run out of memory; study fewer tokens.'
  }
}

/** Bytes that a process needs to sample some chains of a plan, whose components are given. */
export const shardBytes = (plan: Plan, configuration: RunConfiguration, sampled: Sampled): number =>
  measured.pieceProcessBytes + samplingBytes(plan, configuration, sampled)

/** Bytes that a process needs to sample some chains of a prepared study, whose components are given. */
export const pieceBytes = async (
  configuration: RunConfiguration,
  baseFolder: string,
  prepared: Pick<Prepared, 'components' | 'study' | 'engine'>,
  chains: readonly string[],
  threads: number
): Promise<number> => {
  const plan = await preparedPlan(configuration, baseFolder, prepared)
  return shardBytes(plan, configuration, { chains, engine: prepared.engine.name, threads })
}

/** What the folder of a divided run has at the end beside its model: rows, and what all chains came to. */
export const diskOfShards = (plan: Plan, { sampler, corpus }: RunConfiguration, shards: number): number => {
  const { rows } = plan
  const chains = chainsOf(plan, sampler)
  const ids = sum([...rows.sampling, ...rows.observation, ...rows.probe])
  const sums =
    sampler.method === 'psgld'
      ? sumsBytes(sizesOf(plan, chains), rows.tokens, sampler, includesProbe(corpus))
      : blocksBytes(plan, chains, sampler)
  return 4 * (ids + rows.tokens * shards) + sums
}

/**
 * Bytes that a process needs for a piece of a clustering: some rows' neighbours, or null for the local clusters of a
 * matrix.
 */
export const clusterPieceBytes = (
  configuration: ClusteringConfiguration,
  tokens: number,
  components: number,
  rows: number | null,
  threads: number
): number => {
  const { neighbours: k } = configuration
  const common = measured.pieceProcessBytes + threads * measured.updatingBytes
  // The matrix of a cloud is made from the whole one; points are in float64, and in 16 bits for the search.
  if (rows !== null) return common + tokens * (components * (4 + 4 + 8 + 2) + 20) + rows * (8 * k + 8 * (2 * k + 32))
  return common + clusteredBytes({ ...configuration, stability: false }, 1, tokens, components, threads)
}

/** Matrices until they are stored: χ̂, its errors and its parts, and of blocks two halves. */
const columnsBytes = (plan: Plan, sampler: SamplerConfiguration): number =>
  partsBytes(plan, sampler) + 4 * (sampler.method === 'psgld' ? 2 : 4) * plan.rows.tokens * plan.components.length

/** What stays in the workspace; matrices until they are stored, and two checkpoints that a run keeps till then. */
const diskOf = (plan: Plan, { sampler, clustering, corpus }: RunConfiguration, sizes: Sizes): number => {
  const { rows, components } = plan
  const ids = sum([...rows.sampling, ...rows.observation, ...rows.probe])
  const stored = rows.tokens * (components.length * 8 + 20) + partsBytes(plan, sampler) + ids * 4
  const results = stored + columnsBytes(plan, sampler)
  const clusters =
    clustering === false ? 0 : rows.tokens * (suitClustering(clustering, rows.tokens).neighbours * 8 + 40)
  if (sampler.method !== 'psgld') {
    const sums = blocksBytes(plan, chainsOf(plan, sampler), sampler)
    return results + clusters + 2 * Math.min(waveBytes(), sums) + (sampler.keepSums ? sums : 0)
  }
  const checkpoint =
    (sampler.nBeta === 0 ? 0 : 8 * sizes.replicaWeights) +
    sumsBytes(sizes, rows.tokens, sampler, includesProbe(corpus)) +
    4 * rows.tokens
  return results + clusters + 2 * checkpoint
}

const searchSeconds = (configuration: ClusteringConfiguration, tokens: number, threads: number): number => {
  const entries = tokens * configuration.neighbours
  if (configuration.method === 'acl') {
    const { alpha, maxRejections } = configuration
    const seeds = maxRejections + tokens * measured.seedsPerToken
    return (seeds * entries * measured.secondsOfSeed * Math.min(1, 0.001 / alpha)) / threads
  }
  const { resolution, levels, seeds, minSize } = configuration
  const partitions = ladderOf(resolution, levels, tokens, minSize).length * (seeds === 1 ? 1 : seeds + 1)
  return (partitions * entries * measured.secondsOfPartition) / Math.min(threads, seeds)
}

/** Seconds of the search for neighbours, which is a stage of its own for the whole, and of all that comes after it. */
const clusterSeconds = (
  configuration: ClusteringConfiguration,
  sampler: SamplerConfiguration,
  tokens: number,
  components: number,
  threads: number
): { readonly neighbours: number; readonly cluster: number } => {
  const neighbours = (tokens * tokens * components) / (measured.distancesPerSecond * threads)
  const matrices = matricesOf(configuration, sampler)
  const describing = tokens * configuration.neighbours * measured.secondsOfDescription
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
 * What a run of a configuration will cost on this machine: tokens counted as the sampler counts them, time from a measured rate, memory
 * and disk from the arrays that there will be. `workspace` is the folder whose disk it will fill. Reads config.json, sizes of the corpus's
 * files, and a rows file whole. Throws `input` and `configuration` errors as a run would, and an `engine` error without any rate.
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
  const speed = await rateOf(rate, evaluatorsOf(rate.engine, working))
  return {
    tokens,
    components: components.length,
    seconds: {
      prepare: 1 + corpusBytes / measured.textBytesPerSecond,
      sample: work.operations / speed.operations,
      ...(clustering === false
        ? { neighbours: 0, cluster: 0 }
        : clusterSeconds(suitClustering(clustering, tokens), sampler, tokens, components.length, working))
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
