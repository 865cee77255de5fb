import { readFile, stat, statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { ClusteringConfiguration, RunConfiguration, SamplerConfiguration } from '../../preload/configuration'
import type { Estimate } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import { listCorpusFiles } from '../corpora/readers'
import { prepareStudy, spreadTargets } from '../corpora/study'
import { evaluatorsOf } from '../engine/engines'
import { peakBytes } from '../engine/graph'
import { pieceOf, pieceOperations, prefixOperations } from '../engine/operations'
import { pieceGraph } from '../engine/transformer'
import { programBytes } from '../engine/transformer-evaluator'
import type { Architecture, Weights } from '../models/architecture'
import { componentNames, componentSlices, sliceSize } from '../models/components'
import { parseModelConfig } from '../models/config'
import { tensorShapes } from '../models/load'
import { Minibatches } from '../sampling/philox'
import { blockTokens, chunkTokens } from '../sampling/rows'
import { chooseComponents } from './checks'
import type { Prepared } from './messages'

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
interface RowSets {
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
interface Plan {
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
  /** One thread: seconds of a description, per token and neighbour. */
  secondsOfDescription: 1e-6,
  /** What the processes take with nothing in them. */
  processBytes: 350e6,
  threadBytes: 60e6,
  /** What programs hold, over what they need at once. */
  programShare: 2.4
} as const

const sum = (values: Iterable<number>): number => {
  let total = 0
  for (const value of values) total += value
  return total
}

const add = (lengths: Map<number, number>, length: number): Map<number, number> => lengths.set(length, (lengths.get(length) ?? 0) + 1)
const counted = (rows: readonly number[]): Lengths => rows.reduce(add, new Map<number, number>())
const targetsOf = (lengths: Lengths): number => sum([...lengths].map(([length, rows]) => rows * (length - 1)))
const over = (lengths: Lengths, cost: (length: number) => number): number => sum([...lengths].map(([length, rows]) => rows * cost(length)))

/** Rows through the gradients of one chain. */
const minibatchRows = ({ nBeta, batchSize }: SamplerConfiguration, rows: readonly number[], steps: number, seed: number): Lengths => {
  if (nBeta === 0 || rows.length < batchSize) return new Map()
  if (rows.every((length) => length === rows[0])) return new Map([[rows[0], steps * batchSize]])
  const minibatches = new Minibatches(seed, rows.length, batchSize)
  const lengths = new Map<number, number>()
  for (let step = 0; step < steps; step++) for (const row of minibatches.at(step)) add(lengths, rows[row])
  return lengths
}

/** Counts what `sample` will do with these rows and settings, chain by chain and draw by draw (METHOD sections 2 and 3). */
export const samplingWork = (
  architecture: Architecture, components: readonly string[], sampler: SamplerConfiguration, rows: Omit<RowSets, 'tokens'>, seed: number
): SamplingWork => {
  const { nBeta, burnIn, draws, stepsBetweenDraws, chains, estimator } = sampler
  const names = estimator === 'two-chain' ? [...components, 'full'] : components
  const steps = nBeta === 0 ? 0 : burnIn + (draws - 1) * stepsBetweenDraws + 1
  const stepped = minibatchRows(sampler, rows.sampling, steps, seed)
  const evaluated = counted([...rows.observation, ...rows.probe])
  const replicas = names.length * chains
  const prefixes = over(stepped, (length) => prefixOperations(architecture, length)) + draws * over(evaluated, (length) => prefixOperations(architecture, length))
  const own = (name: string): number =>
    over(stepped, (length) => pieceOperations(architecture, name, length).gradient) + draws * over(evaluated, (length) => pieceOperations(architecture, name, length).losses)
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
  return { sampling: lengths(sampling), observation: lengths(observation), probe: lengths(probe), tokens: sum(lengths(targets)) }
}

const rowsOf = async (configuration: RunConfiguration, baseFolder: string, architecture: Architecture): Promise<RowSets> => {
  const { corpus } = configuration
  if (corpus !== undefined) {
    const rows = (count: number): number[] => new Array<number>(count).fill(corpus.rowLength)
    return { sampling: rows(corpus.sampling), observation: rows(corpus.observation), probe: rows(corpus.probe), tokens: corpus.probe * spreadTargets(corpus.rowLength, corpus.probeTokensPerRow).length }
  }
  return rowsOfStudy(await prepareStudy(configuration, baseFolder, { architecture, folder: resolve(baseFolder, configuration.model) }, null))
}

const architectureOf = async (configuration: RunConfiguration, baseFolder: string): Promise<Architecture> => {
  const file = join(resolve(baseFolder, configuration.model), 'config.json')
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new SpectroscopeError('input', `${file} cannot be read; "model" must name a folder with config.json, model.safetensors and tokenizer.json.`, { cause: error })
  })
  return parseModelConfig(text, file)
}

const planOf = async (configuration: RunConfiguration, baseFolder: string): Promise<Plan> => {
  const architecture = await architectureOf(configuration, baseFolder)
  const files = configuration.corpus === undefined ? [] : await listCorpusFiles(configuration.corpus.files, baseFolder)
  return {
    architecture,
    components: chooseComponents(configuration.components, componentNames(architecture)),
    rows: await rowsOf(configuration, baseFolder, architecture),
    corpusBytes: sum(files.map(({ bytes }) => bytes))
  }
}

const workOf = ({ architecture, components, rows }: Plan, { sampler, seed }: RunConfiguration): SamplingWork => samplingWork(architecture, components, sampler, rows, seed)

/** Shapes are all that is needed to count. */
const emptyWeights = (architecture: Architecture): Weights => new Map([...tensorShapes(architecture)].map(([name, shape]) => [name, { shape, data: new Float32Array(0) }]))

/** Bytes of the programs that one thread holds: every piece at the extents of minibatches and of blocks, up to the limit of the evaluator. */
const programsOf = ({ architecture, components, rows }: Plan, { nBeta, batchSize, estimator }: SamplerConfiguration): number => {
  const weights = emptyWeights(architecture)
  const bytes = new Map<string, number>()
  const longest = rows.sampling.concat(rows.observation, rows.probe).reduce((most, length) => Math.max(most, length), 2)
  for (const component of estimator === 'two-chain' ? [...components, 'full'] : components) {
    const piece = pieceOf(component)
    const key = `${piece.kind} ${'layer' in piece ? piece.layer : ''}`
    if (bytes.has(key)) continue
    const slices = componentSlices(architecture, weights, component)
    const graph = (rowsAtOnce: number, withGradient: boolean): number =>
      peakBytes(pieceGraph(architecture, { count: rowsAtOnce, positions: longest - 1 }, piece, slices.map(({ tensor }) => tensor), slices.map(({ shape }) => shape), withGradient))
    const losses = graph(Math.max(1, Math.floor(blockTokens / longest)), false)
    bytes.set(key, losses + (nBeta === 0 ? 0 : graph(Math.max(1, Math.min(batchSize, Math.floor(chunkTokens / longest))), true)))
  }
  const all = [...bytes.values()]
  return measured.programShare * Math.min(sum(all), Math.max(programBytes, ...all))
}

interface Sizes {
  /** Of the parameters, and of every component with `full` where it is sampled, in weights. */
  readonly parameters: number
  readonly replicaWeights: number
  readonly chains: number
}

const sizesOf = ({ architecture, components }: Plan, { chains, estimator }: SamplerConfiguration): Sizes => {
  const weights = emptyWeights(architecture)
  const names = estimator === 'two-chain' ? [...components, 'full'] : components
  return {
    parameters: sum([...weights.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 1))),
    replicaWeights: chains * sum(names.map((name) => sliceSize(componentSlices(architecture, weights, name)))),
    chains: chains * names.length
  }
}

/** Sums of all chains over both halves of their draws: of one quantity a token in float64, or of two, the first half's in float32; and losses where φ comes after them. */
const sumsBytes = ({ chains }: Sizes, tokens: number, { estimator }: SamplerConfiguration, observationIncludesProbe: boolean): number =>
  chains * tokens * ((estimator === 'two-chain' ? 16 : 24) + (observationIncludesProbe ? 4 : 0))

/** Weights, their centres and squared gradients; sums, and losses at w*; what comes of them. */
const sampledBytes = (sizes: Sizes, tokens: number, components: number, sampler: SamplerConfiguration, observationIncludesProbe: boolean): number =>
  (sampler.nBeta === 0 ? 8 : 12) * sizes.replicaWeights + sumsBytes(sizes, tokens, sampler, observationIncludesProbe) + tokens * (components * 16 + 4)

/** The matrix, points, neighbours, the graph with its copies, and vectors of the search. */
const clusteredBytes = (tokens: number, components: number, k: number): number => tokens * (components * 16 + k * (8 + 24 + 2 * 1.4 * 12 + 8) + 200)

const includesProbe = (corpus: RunConfiguration['corpus']): boolean => corpus?.observationIncludesProbe ?? false

const memoryOf = (plan: Plan, { sampler, clustering, corpus }: RunConfiguration, sizes: Sizes, threads: number): number => {
  const { rows: { tokens }, components, corpusBytes } = plan
  const weights = 4 * sizes.parameters
  const sampling = weights + threads * (measured.threadBytes + weights + programsOf(plan, sampler)) + sampledBytes(sizes, tokens, components.length, sampler, includesProbe(corpus))
  const grouping = clustering === false ? 0 : weights + threads * measured.threadBytes + clusteredBytes(tokens, components.length, clustering.neighbours)
  return measured.processBytes + Math.max(weights + corpusBytes, sampling, grouping)
}

/** Of this machine, or of the part of it that this process may use. */
const machineMemory = (): number => {
  const most = process.constrainedMemory()
  return most > 0 ? Math.min(most, totalmem()) : totalmem()
}

/** Says of a study that is prepared whether its run will need more memory than there is, and what would help; undefined where it fits. */
export const memoryWarning = async (configuration: RunConfiguration, baseFolder: string, { components, study }: Pick<Prepared, 'components' | 'study'>, memory = machineMemory()): Promise<string | undefined> => {
  const plan = { architecture: await architectureOf(configuration, baseFolder), components, rows: rowsOfStudy(study), corpusBytes: 0 }
  const sizes = sizesOf(plan, configuration.sampler)
  const needed = memoryOf(plan, configuration, sizes, Math.min(configuration.threads ?? availableParallelism(), sizes.chains))
  if (needed <= memory) return undefined
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
  return `This run needs about ${gigabytes(needed)} of memory and has ${gigabytes(memory)}, so it may be slow or end early: stop it and study fewer tokens, or set fewer "threads" or "sampler.chains".`
}

/** What stays in the workspace, and the two checkpoints that a run keeps while it samples. */
const diskOf = ({ rows, components }: Plan, { sampler, clustering, corpus }: RunConfiguration, sizes: Sizes): number => {
  const ids = sum([...rows.sampling, ...rows.observation, ...rows.probe])
  const results = rows.tokens * (components.length * 8 + 20) + ids * 4
  const clusters = clustering === false ? 0 : rows.tokens * (clustering.neighbours * 8 + 40)
  const checkpoint = (sampler.nBeta === 0 ? 0 : 8 * sizes.replicaWeights) + sumsBytes(sizes, rows.tokens, sampler, includesProbe(corpus)) + 4 * rows.tokens
  return results + clusters + 2 * checkpoint
}

const clusterSeconds = ({ neighbours, alpha, maxRejections }: ClusteringConfiguration, tokens: number, threads: number): number => {
  const seeds = maxRejections + tokens * measured.seedsPerToken
  const search = (seeds * tokens * neighbours * measured.secondsOfSeed * Math.min(1, 0.001 / alpha)) / threads
  return search + tokens * neighbours * measured.secondsOfDescription
}

interface Speed {
  /** Floating-point operations a second, all threads together. */
  readonly operations: number
  readonly basis: string
}

const day = (time: string | null): string => (time === null ? 'at an unknown time' : `on ${time.slice(0, 10)}`)

const speedFrom = async (rate: MeasuredRate, threads: number): Promise<Speed> => {
  const { lastRun, gigaflopsPerSecond, engine, measuredAt } = rate
  if (lastRun !== undefined && lastRun.tokensPerSecond > 0) {
    const { run, tokensPerSecond } = lastRun
    // The model of that run may be gone; then the small transformer has to do.
    const work = await planOf(run.configuration, run.baseFolder).then((plan) => workOf(plan, run.configuration), () => undefined)
    if (work !== undefined) {
      const usedThen = Math.min(evaluatorsOf(engine, run.configuration.threads ?? availableParallelism()), work.chains)
      const operations = (tokensPerSecond * work.operations) / (work.gradientTokens + work.lossTokens)
      return { operations: (operations * threads) / usedThen, basis: `the rate of run "${run.name}" on ${engine}, ${day(lastRun.measuredAt)}` }
    }
  }
  if (gigaflopsPerSecond === null) throw new SpectroscopeError('engine', `How fast ${engine} is on this machine has not been measured; measure the engines first.`)
  return { operations: gigaflopsPerSecond * 1e9 * threads, basis: `what ${engine} did on a small model, ${day(measuredAt)}` }
}

const freeBytes = async (folder: string): Promise<number> => {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await stat(at).then(() => statfs(at), () => undefined)
    if (found !== undefined) return found.bavail * found.bsize
    if (at === dirname(at)) return 0
  }
}

/**
 * What a run of a configuration will cost on this machine: tokens counted as the sampler counts them, time from a measured rate, memory
 * and disk from the arrays that there will be. `workspace` is the folder whose disk it will fill. Reads config.json, sizes of the corpus's
 * files, and a rows file whole. Throws `input` and `configuration` errors as a run would, and an `engine` error without any rate.
 */
export const estimateRun = async (configuration: RunConfiguration, baseFolder: string, rate: MeasuredRate, workspace = baseFolder): Promise<Estimate> => {
  const plan = await planOf(configuration, baseFolder)
  const { rows: { tokens }, components, corpusBytes } = plan
  const { sampler, clustering } = configuration
  const work = workOf(plan, configuration)
  const sizes = sizesOf(plan, sampler)
  const threads = configuration.threads ?? availableParallelism()
  const working = Math.min(threads, availableParallelism())
  const speed = await speedFrom(rate, Math.min(evaluatorsOf(rate.engine, working), work.chains))
  return {
    tokens,
    components: components.length,
    seconds: {
      prepare: 1 + corpusBytes / measured.textBytesPerSecond,
      sample: work.operations / speed.operations,
      neighbours: clustering === false ? 0 : (tokens * tokens * components.length) / (measured.distancesPerSecond * working),
      cluster: clustering === false ? 0 : clusterSeconds(clustering, tokens, working)
    },
    memoryBytes: Math.round(memoryOf(plan, configuration, sizes, Math.min(evaluatorsOf(rate.engine, threads), work.chains))),
    diskBytes: Math.round(diskOf(plan, configuration, sizes)),
    machineMemoryBytes: machineMemory(),
    diskFreeBytes: await freeBytes(workspace),
    lossTokens: work.lossTokens,
    gradientTokens: work.gradientTokens,
    basis: `Sampling from ${speed.basis}; the other stages from what 100,000 tokens took on four cores.`
  }
}
