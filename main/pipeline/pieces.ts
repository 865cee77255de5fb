import { existsSync, readdirSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { cpus, hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SpectroscopeError } from '../../preload/errors'
import { claim, staleSeconds } from '../base/claims'
import type { Claim, HeldClaim } from '../base/claims'
import { makeFolder } from '../base/files'
import { Companion } from './companion'
import type { PieceAbout } from './messages'
import { samplingProgress } from './progress'
import { mostThreadsHere } from './room'
import type { RunOptions } from './run-options'
import { ComputeFailed, ComputeSession } from './session'
import { ShardReporter, reportName } from './shard-report'
import { claimPath, pieceFolder, readSet, resultPath } from './shard-set'
import type { Piece, ShardSet } from './shard-set'
import { quoted, runCommands, threadsOfPiece } from './shard-scripts'
import { memoryToAsk, memoryWords, missingError, resultIsThere, resultState, setStatus } from './shard-status'
import type { ShardPart } from './shard-status'
import { Stopwatch } from './stopwatch'

const holderWords = ({ host, pid, since }: HeldClaim): string =>
  `process ${pid} on ${host}${since === '' ? '' : ` since ${since}`}`

const hasCheckpoint = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.checkpoint'))

/**
 * Throws an error that says which of some pieces are not done, and how to run them, unless all are: `usage`, or
 * `workspace` where other processes are at all of those.
 */
export const checkDone = async (folder: string, pieces: readonly ShardPart[]): Promise<void> => {
  const error = missingError(await setStatus(folder, { id: '', threads: null, pieces }, resultIsThere))
  if (error !== undefined) throw error
}

/**
 * The set in a folder, all of whose pieces are done. Throws a `usage` error that says which are not, and how to run
 * them.
 */
export const readyPieces = async (folder: string, id?: string): Promise<ShardSet> => {
  const set = await readSet(folder)
  if (id !== undefined && set.id !== id) {
    const what = `${folder} holds other shards than this run was gathered from`
    throw new SpectroscopeError('input', `${what}; restore them, or gather the new ones as a new run.`)
  }
  const error = missingError(await setStatus(folder, set))
  if (error !== undefined) throw error
  return set
}

/** What is worth saying of pieces that are gathered. */
export const pieceNotes = (pieces: readonly PieceAbout[]): string[] => {
  const processors = [...new Set(pieces.map(({ processor }) => processor))]
  return processors.length < 2
    ? []
    : [
        `The shards were sampled on ${processors.length} kinds of processors (${processors.join('; ')}), whose ` +
          'results agree within float32 rounding, not bit for bit.'
      ]
}

export interface PieceOptions extends Pick<RunOptions, 'onEvent' | 'signal' | 'checkpointSeconds'> {
  readonly threads?: number
  /** Take the piece from a process on another machine that seems to be alive. */
  readonly takeOver?: boolean
  /** Leave a piece that another process has to that one, in place of waiting until it is done or taken for dead. */
  readonly noWait?: boolean
}

export interface PieceSummary {
  readonly folder: string
  readonly piece: number
  readonly pieces: number
  /** Whether it had been done before. */
  readonly already: boolean
  readonly chains: number
  readonly seconds: number
  readonly failedChains: readonly string[]
}

/** What a process that was killed has left by half, and what a finished piece needs no longer. */
const tidy = async (folder: string, finished: boolean): Promise<void> => {
  for (const name of await readdir(folder)) {
    const isPassing = /\.(checkpoint|blocks)$/.test(name) || ['seconds.json', reportName].includes(name)
    if (/\.tmp$/.test(name) || (finished && isPassing)) await rm(join(folder, name), { force: true })
  }
}

/** A piece of a folder. Throws a `usage` error where there is none of that number. */
export const choosePiece = <P extends Pick<Piece, 'index'>>(folder: string, pieces: readonly P[], index: number): P => {
  const piece = pieces.find((each) => each.index === index)
  if (piece !== undefined) return piece
  const last = pieces.length - 1
  throw new SpectroscopeError('usage', `There is no shard ${index} in ${folder}; its shards are 0 to ${last}.`)
}

/** What a result tells of how it was made. */
export const aboutPiece = ({ id, program }: Pick<ShardSet, 'id' | 'program'>, piece: number, threads: number) => ({
  set: id,
  piece,
  host: hostname(),
  processor: cpus()[0]?.model.trim() ?? '',
  program,
  threads
})

interface SampledPiece {
  readonly seconds: number
  readonly failed: readonly { readonly component: string; readonly chain: number; readonly message: string }[]
}

/** What to say where a compute process was killed for memory; undefined where an error is another. */
const outOfMemory = (
  folder: string,
  set: ShardSet,
  index: number,
  reporter: ShardReporter,
  error: unknown
): SpectroscopeError | undefined => {
  const isKilled = error instanceof ComputeFailed && error.message.includes('SIGKILL')
  const memory = isKilled ? reporter.memoryAfterKill() : null
  if (memory === null) return undefined
  const commands = runCommands(folder, set, [index], new Map([[index, memoryToAsk(memory)]]))
  const fewer = 'where it was started otherwise, give it more memory or fewer --threads'
  const sentence = `${memoryWords(index, memory)}; run it with more: \`${commands.join(' && ')}\`, or ${fewer}.`
  return new SpectroscopeError('engine', sentence, { cause: error, details: { ...memory, commands } })
}

const sampleWith = async (
  folder: string,
  set: ShardSet,
  piece: Piece,
  options: PieceOptions,
  companion: Companion
): Promise<SampledPiece> => {
  const { onEvent, checkpointSeconds, threads = Math.min(threadsOfPiece(set), mostThreadsHere()) } = options
  const own = pieceFolder(folder, piece.index)
  const {
    configuration: { sampler, seed, corpus },
    components
  } = set
  const session = new ComputeSession((message) => onEvent({ type: 'note', message }))
  const stopwatch = new Stopwatch(own, checkpointSeconds)
  const reporter = new ShardReporter(folder, piece.index)
  await stopwatch.open()
  await reporter.open()
  onEvent({
    type: 'stage',
    stage: 'sample',
    detail: `shard ${piece.index} of ${set.pieces.length}, ${piece.chains.length} chains, ${threads} threads${hasCheckpoint(own) ? ', from its checkpoint' : ''}`
  })
  try {
    return await session.use('piece', async (compute) => {
      const off = [
        compute.on('sampling', (report) => {
          reporter.progress(report.fractionDone, report.secondsLeft)
          onEvent({ type: 'progress', progress: samplingProgress(sampler, report) })
        }),
        compute.on('chainEnded', ({ message }) => onEvent({ type: 'note', message }))
      ]
      try {
        const { engine } = await companion.during(() => compute.call('openSet', { folder, withModel: true }))
        stopwatch.start('sample')
        const request = {
          components,
          sampler,
          seed,
          threads,
          engine: engine.name,
          precision: set.configuration.precision,
          observationIncludesProbe: corpus?.observationIncludesProbe ?? false,
          folder: own,
          everySeconds: checkpointSeconds,
          fingerprint: set.id,
          chains: piece.chains,
          result: resultPath(folder, piece.index),
          secondsBefore: stopwatch.seconds,
          about: { ...aboutPiece(set, piece.index, threads), engine }
        }
        const { failed } = await companion.during((ending) => compute.call('samplePiece', request, { signal: ending }))
        return { seconds: stopwatch.seconds, failed }
      } finally {
        off.forEach((remove) => remove())
      }
    })
  } catch (error) {
    throw outOfMemory(folder, set, piece.index, reporter, error) ?? error
  } finally {
    await session.close()
    await stopwatch.close()
    await reporter.close({ silently: companion.hasFailed })
  }
}

/** How often a process that waits for another one looks again: nobody tells it across machines. */
const lookEverySeconds = 2

/** The claim on a piece, once its result is there null; waits for the process that has it, unless told to leave it to that. */
const claimPiece = async (
  folder: string,
  index: number,
  options: PieceOptions,
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
        `Waiting for shard ${index} was interrupted; resume with: spectroscope piece ${quoted(folder)} ${index}`
      )
    })
    if (await isDone()) return null
  }
}

/**
 * Does `work` on a piece while this process has the claim to it, and takes away what only an unfinished piece needs;
 * null where the piece is done already. Waits while another process is at it. Throws a `workspace` error in place of
 * waiting where that is asked for, or when another process takes the piece over, and an `interrupted` error when it is
 * stopped.
 */
export const withPiece = async <T>(
  folder: string,
  index: number,
  options: PieceOptions,
  work: (companion: Companion) => Promise<T>,
  isDone: () => Promise<boolean> = () => Promise.resolve(existsSync(resultPath(folder, index)))
): Promise<T | null> => {
  if (await isDone()) return null
  const own = pieceFolder(folder, index)
  await makeFolder(own)
  const held = await claimPiece(folder, index, options, isDone)
  if (held === null) return null
  const companion = new Companion(options.signal)
  const taken = `Shard ${index} of ${folder} was taken over by another process, so this one stops.`
  held.lost.addEventListener('abort', () => companion.fail(new SpectroscopeError('workspace', taken)))
  try {
    if (await isDone()) return null
    await tidy(own, false)
    const done = await work(companion)
    await tidy(own, true)
    return done
  } catch (error) {
    const mine = error instanceof SpectroscopeError && error.kind === 'interrupted'
    throw mine
      ? new SpectroscopeError(
          'interrupted',
          `Shard ${index} was interrupted; resume with: spectroscope piece ${quoted(folder)} ${index}`,
          { cause: error }
        )
      : error
  } finally {
    await held.release()
  }
}

/**
 * Samples one piece of a set, from its checkpoint where there is one, and writes its result. Does nothing where that
 * is there already, and whole. Throws a `workspace` error while another process is at it, and an `interrupted` error
 * after a checkpoint when it is stopped.
 */
export const runPiece = async (folder: string, index: number, options: PieceOptions): Promise<PieceSummary> => {
  const set = await readSet(folder)
  const piece = choosePiece(folder, set.pieces, index)
  const summary = { folder, piece: index, pieces: set.pieces.length, chains: piece.chains.length }
  const sample = (companion: Companion): Promise<SampledPiece> => sampleWith(folder, set, piece, options, companion)
  const isDone = async (): Promise<boolean> => (await resultState(folder, set, index)) === 'done'
  const sampled = await withPiece(folder, index, options, sample, isDone)
  if (sampled === null) return { ...summary, already: true, seconds: 0, failedChains: [] }
  const { seconds, failed } = sampled
  options.onEvent({ type: 'finished', stage: 'sample', seconds, detail: `shard ${index} of ${set.pieces.length}` })
  const failedChains = failed.map(({ component, chain, message }) => `${component}, chain ${chain}: ${message}`)
  return { ...summary, already: false, seconds, failedChains }
}
