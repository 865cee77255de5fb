import { existsSync, readdirSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { cpus, hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SpectroscopeError } from '../../preload/errors'
import { plural } from '../../preload/plural'
import { claim, staleSeconds } from '../base/claims'
import type { Claim, HeldClaim } from '../base/claims'
import { makeFolder } from '../base/files'
import { AbortScope } from './abort-scope'
import type { ShardAbout } from './messages'
import { samplingProgress } from './progress'
import { mostThreadsHere } from './room'
import type { RunOptions } from './run-options'
import { ComputeFailed, ComputeSession, type Compute } from './session'
import { ShardReporter, reportName } from './shard-report'
import { claimPath, shardFolder, readSet, resultPath } from './shard-set'
import type { Shard, ShardSet } from './shard-set'
import { quoted, runCommands, threadsOfShard, type ScriptSet } from './shard-scripts'
import { memoryToAsk, memoryWords, missingError, resultIsThere, resultState, setStatus } from './shard-status'
import type { ShardPart, ShardParts } from './shard-status'
import { Stopwatch } from './stopwatch'

const holderWords = ({ host, pid, since }: HeldClaim): string =>
  `process ${pid} on ${host}${since === '' ? '' : ` since ${since}`}`

const hasCheckpoint = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.checkpoint'))

/**
 * Throws an error that says which of some shards of a set are not done, all by default, and how to run them, unless
 * all are: `usage`, or `workspace` where other processes are at all of those.
 */
export const checkDone = async (
  folder: string,
  set: ShardParts,
  shards: readonly ShardPart[] = set.shards
): Promise<void> => {
  const error = missingError(await setStatus(folder, set, resultIsThere, shards))
  if (error !== undefined) throw error
}

/** Reads a set whose shards are all done. Throws a `usage` error that lists unfinished shards and how to run them. */
export const readyShards = async (folder: string, id?: string): Promise<ShardSet> => {
  const set = await readSet(folder)
  if (id !== undefined && set.id !== id) {
    const what = `${folder} holds other shards than this run was gathered from`
    throw new SpectroscopeError('input', `${what}; restore them, or gather the new ones as a new run.`)
  }
  const error = missingError(await setStatus(folder, set))
  if (error !== undefined) throw error
  return set
}

/** Notes on gathered shards, such as that they ran on different processors. */
export const shardNotes = (shards: readonly ShardAbout[]): string[] => {
  const processors = [...new Set(shards.map(({ processor }) => processor))]
  return processors.length < 2
    ? []
    : [
        `The shards were sampled on ${processors.length} kinds of processors (${processors.join('; ')}), whose ` +
          'results agree within float32 rounding, not bit for bit.'
      ]
}

export interface ShardTaskOptions extends Pick<RunOptions, 'onEvent' | 'signal' | 'checkpointSeconds'> {
  readonly threads?: number
  /** Take over the shard from a process on another machine that seems to be alive. */
  readonly takeOver?: boolean
  /** Fail if another process is running the shard, instead of waiting for it. */
  readonly noWait?: boolean
}

export interface ShardTaskSummary {
  readonly folder: string
  readonly shard: number
  readonly shards: number
  /** Whether it was already done. */
  readonly already: boolean
  readonly chains: number
  readonly seconds: number
  readonly failedChains: readonly string[]
}

/** Deletes temporary files of killed processes, and checkpoints if the shard is finished. */
const tidy = async (folder: string, finished: boolean): Promise<void> => {
  for (const name of await readdir(folder)) {
    const isPassing = /\.(checkpoint|blocks)$/.test(name) || ['seconds.json', reportName].includes(name)
    if (/\.tmp$/.test(name) || (finished && isPassing)) await rm(join(folder, name), { force: true })
  }
}

/** The shard with the given index. Throws a `usage` error if there is none. */
export const chooseShard = <P extends Pick<Shard, 'index'>>(folder: string, shards: readonly P[], index: number): P => {
  const shard = shards.find((each) => each.index === index)
  if (shard !== undefined) return shard
  const last = shards.length - 1
  throw new SpectroscopeError('usage', `There is no shard ${index} in ${folder}; its shards are 0 to ${last}.`)
}

/** Header of a shard's result, without its times. */
export const aboutShard = ({ id, program }: Pick<ShardSet, 'id' | 'program'>, shard: number, threads: number) => ({
  set: id,
  shard,
  host: hostname(),
  processor: cpus()[0]?.model.trim() ?? '',
  program,
  threads
})

interface SampledShard {
  readonly seconds: number
  readonly failed: readonly { readonly component: string; readonly chain: number; readonly message: string }[]
}

/** Error for a compute process that was killed for its memory; undefined for other errors. */
const outOfMemory = (
  folder: string,
  set: ScriptSet,
  index: number,
  reporter: ShardReporter,
  error: unknown
): SpectroscopeError | undefined => {
  const isKilled = error instanceof ComputeFailed && error.message.includes('SIGKILL')
  const memory = isKilled ? reporter.memoryAfterKill() : null
  if (memory === null) return undefined
  const commands = runCommands(folder, set, [index], new Map([[index, memoryToAsk(memory)]]))
  const fewer = 'without Slurm, give it more memory or fewer --threads'
  const sentence = `${memoryWords(index, memory)}; run it with more: \`${commands.join(' && ')}\`, or ${fewer}.`
  return new SpectroscopeError('engine', sentence, { cause: error, details: { ...memory, commands } })
}

/** Tools of a shard's work. */
export interface ShardTools {
  readonly compute: Compute
  readonly stopwatch: Stopwatch
  readonly reporter: ShardReporter
}

/**
 * Runs a shard's work with a compute process, and reports its progress and memory use. Throws an `engine` error that
 * says how much memory to request if it ran out.
 */
export const reporting = async <T>(
  folder: string,
  set: ScriptSet,
  index: number,
  { onEvent, checkpointSeconds }: ShardTaskOptions,
  scope: AbortScope,
  work: (tools: ShardTools) => Promise<T>
): Promise<T> => {
  const session = new ComputeSession((message) => onEvent({ type: 'note', message }))
  const stopwatch = new Stopwatch(shardFolder(folder, index), checkpointSeconds)
  const reporter = new ShardReporter(folder, index)
  await stopwatch.open()
  await reporter.open()
  try {
    return await session.use('shard', (compute) => work({ compute, stopwatch, reporter }))
  } catch (error) {
    throw outOfMemory(folder, set, index, reporter, error) ?? error
  } finally {
    await session.close()
    await stopwatch.close()
    await reporter.close({ silently: scope.hasFailed })
  }
}

const sampleWith = (
  folder: string,
  set: ShardSet,
  shard: Shard,
  options: ShardTaskOptions,
  scope: AbortScope
): Promise<SampledShard> => {
  const { onEvent, checkpointSeconds, threads = Math.min(threadsOfShard(set), mostThreadsHere()) } = options
  const own = shardFolder(folder, shard.index)
  const {
    configuration: { sampler, seed, corpus, precision },
    components
  } = set
  const from = hasCheckpoint(own) ? ', from its checkpoint' : ''
  const work = `${plural(shard.chains.length, 'chain')}, ${plural(threads, 'thread')}`
  const what = `shard ${shard.index} of ${set.shards.length}, ${work}`
  onEvent({ type: 'stage', stage: 'sample', detail: `${what}${from}` })
  return reporting(folder, set, shard.index, options, scope, async ({ compute, stopwatch, reporter }) => {
    const off = [
      compute.on('sampling', (report) => {
        reporter.progress(report.fractionDone, report.secondsLeft)
        onEvent({ type: 'progress', progress: samplingProgress(sampler, report) })
      }),
      compute.on('chainEnded', ({ message }) => onEvent({ type: 'note', message }))
    ]
    try {
      const { engine } = await scope.during(() => compute.call('openSet', { folder, withModel: true }))
      stopwatch.start('sample')
      const request = {
        components,
        sampler,
        seed,
        threads,
        engine: engine.name,
        precision,
        observationIncludesProbe: corpus?.observationIncludesProbe ?? false,
        folder: own,
        everySeconds: checkpointSeconds,
        fingerprint: set.id,
        chains: shard.chains,
        result: resultPath(folder, shard.index),
        secondsBefore: stopwatch.seconds,
        about: { ...aboutShard(set, shard.index, threads), engine }
      }
      const { failed } = await scope.during((ending) => compute.call('sampleShard', request, { signal: ending }))
      return { seconds: stopwatch.seconds, failed }
    } finally {
      off.forEach((remove) => remove())
    }
  })
}

/** Polling interval of a process that waits for another one, which may be on another machine. */
const lookEverySeconds = 2

/**
 * Claims a shard. Waits while another process runs it, or with `noWait` throws a `workspace` error. Returns null once
 * the shard's result is there.
 */
const claimShard = async (
  folder: string,
  index: number,
  options: ShardTaskOptions,
  isDone: () => Promise<boolean>
): Promise<Claim | null> => {
  let known = ''
  for (;;) {
    const held = await claim(claimPath(folder, index), options)
    if ('release' in held) return held
    const holder = holderWords(held)
    if (options.noWait === true) {
      throw new SpectroscopeError(
        'workspace',
        `Shard ${index} of ${folder} is held by ${holder}; wait for it, or give --take-over if that process is dead.`
      )
    }
    if (holder !== known) {
      const seconds = `${staleSeconds / 60} minutes`
      options.onEvent({
        type: 'note',
        message:
          `Shard ${index} is held by ${holder}; this process waits, and takes over after ${seconds} ` +
          'without a sign of life.'
      })
    }
    known = holder
    await delay(1000 * lookEverySeconds, undefined, { signal: options.signal }).catch(() => {
      throw new SpectroscopeError(
        'interrupted',
        `Waiting for shard ${index} was interrupted; resume with: spectroscope shards run ${quoted(folder)} ${index}`
      )
    })
    if (await isDone()) return null
  }
}

/**
 * Runs `work` on a shard while holding its claim, then deletes its checkpoints. Returns null if the shard is already
 * done. Waits while another process runs it. Throws a `workspace` error with `noWait` instead of waiting, or if
 * another process takes the shard over, and an `interrupted` error when stopped.
 */
export const withShard = async <T>(
  folder: string,
  index: number,
  options: ShardTaskOptions,
  work: (scope: AbortScope) => Promise<T>,
  isDone: () => Promise<boolean> = () => Promise.resolve(existsSync(resultPath(folder, index)))
): Promise<T | null> => {
  if (await isDone()) return null
  const own = shardFolder(folder, index)
  await makeFolder(own)
  const held = await claimShard(folder, index, options, isDone)
  if (held === null) return null
  const scope = new AbortScope(options.signal)
  const taken = `Shard ${index} of ${folder} was taken over by another process, so this one stops.`
  held.lost.addEventListener('abort', () => scope.fail(new SpectroscopeError('workspace', taken)))
  try {
    if (await isDone()) return null
    await tidy(own, false)
    const done = await work(scope)
    await tidy(own, true)
    return done
  } catch (error) {
    const mine = error instanceof SpectroscopeError && error.kind === 'interrupted'
    throw mine
      ? new SpectroscopeError(
          'interrupted',
          `Shard ${index} was interrupted; resume with: spectroscope shards run ${quoted(folder)} ${index}`,
          { cause: error }
        )
      : error
  } finally {
    await held.release()
  }
}

/**
 * Samples one shard of a set, resuming from a checkpoint if there is one, and writes its result. Does nothing if an
 * undamaged result exists. Throws a `workspace` error if another process runs it, and an `interrupted` error after
 * saving a checkpoint when stopped.
 */
export const runShard = async (folder: string, index: number, options: ShardTaskOptions): Promise<ShardTaskSummary> => {
  const set = await readSet(folder)
  const shard = chooseShard(folder, set.shards, index)
  const summary = { folder, shard: index, shards: set.shards.length, chains: shard.chains.length }
  const sample = (scope: AbortScope): Promise<SampledShard> => sampleWith(folder, set, shard, options, scope)
  const isDone = async (): Promise<boolean> => (await resultState(folder, set, index)) === 'done'
  const sampled = await withShard(folder, index, options, sample, isDone)
  if (sampled === null) return { ...summary, already: true, seconds: 0, failedChains: [] }
  const { seconds, failed } = sampled
  options.onEvent({ type: 'finished', stage: 'sample', seconds, detail: `shard ${index} of ${set.shards.length}` })
  const failedChains = failed.map(({ component, chain, message }) => `${component}, chain ${chain}: ${message}`)
  return { ...summary, already: false, seconds, failedChains }
}
