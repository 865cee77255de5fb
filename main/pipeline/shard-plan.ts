import { resolve } from 'node:path'
import { stat } from 'node:fs/promises'
import type { EngineRate } from '../../preload/contract'
import { blockCount } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import type { ShardPlan } from '../../preload/shards'
import { checkEngine, evaluatorsOf, hasDevice, resolveAmong } from '../engine/engines'
import { outlineModel } from '../models/load'
import { chainNames } from '../sampling/input'
import { checkConfiguration } from './checks'
import { rateOf } from './estimate'
import { diskOfShards } from './disk'
import { shardBytes } from './memory'
import { workOf } from './work'
import { planOf } from './plan'
import type { MeasuredRate } from './estimate'
import type { Plan } from './plan'
import { mayDivideComponents, dealChains } from './shard-set'
import type { Shard } from './shard-set'
import { perTaskFor, taskMemory, threadsOfShard, type ScriptSet } from './shard-scripts'
import { maxArraySize } from './slurm'

/**
 * Seconds until a shard's process begins to sample: startup, and reading model and rows from a shared file system.
 */
export const startSeconds = 20
/** Target duration of a shard, and the minimum ratio of its own work to the work that every shard repeats. */
export const aimedSeconds = 3600
const leastOwn = 4
/** Time limit relative to the estimate, minimum, and step. A task that nears its limit saves and is queued again. */
const [timeMargin, leastTime, timeStep] = [1.5, 600, 300]

interface Rated {
  readonly name: string
  readonly rate: MeasuredRate
  readonly notes: readonly string[]
}

/** Where a plan is read: a sentence names the terminal's options, or what the window has. */
export type PlanReader = 'terminal' | 'window'

const readerWords: Readonly<Record<PlanReader, { readonly gpu: string; readonly engine: string }>> = {
  terminal: { gpu: '--sbatch=--gres=gpu:1', engine: 'give --engine onnx-cuda' },
  window: {
    gpu: 'add --gres=gpu:1 to the sbatch command that the shards’ card shows',
    engine: 'set “engine” to onnx-cuda in the form of the run'
  }
}

/** What is said of the engine that an array will use, where something else was asked for or has to be. */
export const engineNotes = (asked: string, name: string, reader: PlanReader = 'terminal'): string[] => {
  const words = readerWords[reader]
  if (hasDevice(name)) return [`Tasks need a GPU; request one from Slurm: ${words.gpu}.`]
  const other = `create the shards on a machine with a GPU, or ${words.engine}`
  const sentence = `The array will run on the CPU (${name}), because "auto" finds no GPU here; to use GPUs, ${other}.`
  return asked === 'auto' ? [sentence] : []
}

/** The engine that the array will use, and the rate that its time is counted by. */
const engineFor = (asked: string, rates: readonly EngineRate[], reader: PlanReader | undefined): Rated => {
  const available = rates.flatMap(({ name, available }) => (available ? [name] : []))
  const name = resolveAmong(asked, available)
  const here = rates.find((each) => each.name === name && each.gigaflopsPerSecond !== null)
  const measured = here ?? rates.find((each) => each.name === resolveAmong('auto', available))
  const timed = measured?.name ?? 'no engine'
  const elsewhere = `${name} is not available on this machine, so times are estimated for ${timed}.`
  const notes = [...engineNotes(asked, name, reader), ...(here === undefined ? [elsewhere] : [])]
  return {
    name,
    rate: {
      engine: measured?.name ?? name,
      gigaflopsPerSecond: measured?.gigaflopsPerSecond ?? null,
      measuredAt: new Date().toISOString()
    },
    notes
  }
}

/** Operations of one chain of a component, and of the passes at w* shared by all chains of a shard. */
const costsOf = (
  plan: Plan,
  configuration: RunConfiguration
): { readonly own: (component: string) => number; readonly shared: (shard: Shard) => number } => {
  const { sampler } = configuration
  const none = workOf({ ...plan, components: [] }, configuration).operations
  const perComponent = sampler.method === 'psgld' ? sampler.chains : blockCount
  const own = new Map(
    plan.components.map((name) => [
      name,
      (workOf({ ...plan, components: [name] }, configuration).operations - none) / perComponent
    ])
  )
  return {
    own: (component) => own.get(component) ?? 0,
    shared: ({ chains }) =>
      sampler.method === 'psgld' ? none : (none * new Set(chains.map(({ chain }) => chain)).size) / blockCount
  }
}

export const limitFor = (seconds: number): number =>
  timeStep * Math.ceil(Math.max(leastTime, timeMargin * seconds) / timeStep)

/** Formats seconds for sbatch: "4:05:00", or "2-04:05:00" with days. */
export const slurmTime = (seconds: number): string => {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  const [days, rest] = [Math.floor(seconds / 86_400), seconds % 86_400]
  return `${days > 0 ? `${days}-` : ''}${two(rest / 3600)}:${two((rest % 3600) / 60)}:00`
}

export interface PlanOptions {
  /** By default, a number suited to the study. */
  readonly shards?: number
  readonly threads?: number
  /** The terminal by default. */
  readonly reader?: PlanReader
}

/**
 * Estimates the cost of a run in shards, before anything is prepared or queued. Times use the speed of this machine's
 * engines. Throws `configuration` errors, and a `usage` error if there are fewer chains than shards.
 */
export const planShards = async (
  configuration: RunConfiguration,
  base: string,
  rates: readonly EngineRate[],
  { shards, threads, reader }: PlanOptions,
  mostTasks?: number | null
): Promise<ShardPlan> => {
  await checkConfiguration(configuration, base)
  checkEngine(configuration.engine, configuration.precision)
  const plan = await planOf(configuration, base)
  const { name, rate, notes } = engineFor(configuration.engine, rates, reader)
  const each = threadsOfShard({ threads: threads ?? configuration.threads ?? null })
  const { operations: perSecond } = await rateOf(rate, evaluatorsOf(rate.engine, each))
  const { own, shared } = costsOf(plan, configuration)
  const chains = chainNames({ components: plan.components, sampler: configuration.sampler })
  const together = !mayDivideComponents(configuration.sampler)
  const most = together ? new Set(chains.map(({ component }) => component)).size : chains.length
  const total = chains.reduce((sum, { component }) => sum + own(component), 0) / perSecond
  const repeated = startSeconds + shared({ index: 0, share: 1, chains }) / perSecond
  const sensible = Math.max(
    1,
    Math.min(most, Math.ceil(total / aimedSeconds), Math.floor(total / (leastOwn * repeated)))
  )
  const dealt = dealChains(chains, own, shards ?? sensible, together)
  const secondsOf = (shard: Shard): number =>
    startSeconds + (shared(shard) + shard.chains.reduce((sum, { component }) => sum + own(component), 0)) / perSecond
  const seconds = dealt.map(secondsOf)
  const array = mostTasks === undefined ? await maxArraySize() : mostTasks
  const perTask = perTaskFor({ shards: dealt }, array)
  const longest = Math.max(...seconds)
  const divided = {
    perTask,
    threads: each,
    shards: dealt.map((shard) => ({
      ...shard,
      memoryBytes: shardBytes(plan, configuration, {
        chains: shard.chains.map(({ component }) => component),
        engine: name,
        threads: each
      })
    }))
  }
  const outline = await outlineModel(
    resolve(base, configuration.model),
    configuration.weights === undefined ? undefined : resolve(base, configuration.weights)
  )
  const modelBytes = (await Promise.all(outline.files.map(async (file) => (await stat(file)).size))).reduce(
    (sum, size) => sum + size,
    0
  )
  const memory = [...taskMemory(divided).values()]
  return {
    engine: name,
    tokens: plan.rows.tokens,
    components: plan.components.length,
    chains: chains.length,
    shards: dealt.length,
    sensibleShards: sensible,
    threads: each,
    nodeSeconds: seconds.reduce((sum, one) => sum + one, 0),
    longestSeconds: longest,
    repeatedSeconds: (dealt.length - 1) * repeated,
    secondsPerChain: total / chains.length,
    memoryMebibytes: [...new Set(memory)]
      .sort((a, b) => a - b)
      .map((mebibytes) => ({ mebibytes, tasks: memory.filter((one) => one === mebibytes).length })),
    diskBytes: modelBytes + diskOfShards(plan, configuration, dealt.length),
    timeLimit: slurmTime(limitFor(longest * perTask)),
    maxArraySize: array,
    perTask,
    notes: [...notes, ...arrayNotes({ shards: dealt }, array)],
    assumption:
      `Times assume ${each} × ${basisWords(rate)} and ${startSeconds} s for each start; ` + 'faster nodes take less.'
  }
}

const basisWords = ({ engine, gigaflopsPerSecond }: MeasuredRate): string =>
  `${(gigaflopsPerSecond ?? 0).toFixed(1)} GFLOP/s, the speed of ${engine} on one thread of this machine,`

const grouped = (count: number): string => count.toLocaleString('en')

/** What is said where an array may not have as many tasks as there are shards. */
export const arrayNotes = ({ shards }: Pick<ScriptSet, 'shards'>, mostTasks: number | null): string[] =>
  mostTasks === null || shards.length <= mostTasks
    ? []
    : [
        `${grouped(shards.length)} shards exceed the limit of array tasks here (MaxArraySize is ` +
          `${grouped(mostTasks)}), so each task runs ${perTaskFor({ shards }, mostTasks)} in turn.`
      ]
