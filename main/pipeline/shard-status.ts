import { existsSync, readdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'
import type { SetStatus, ShardState, ShardStatus } from '../../preload/shards'
import { beatSeconds, isStale, readClaim } from '../base/claims'
import type { HeldClaim } from '../base/claims'
import { checkSampled } from '../sampling/sampled-file'
import type { ShardAbout } from './messages'
import { claimPath, shardFolder, resultPath } from './shard-set'
import type { ShardSet } from './shard-set'
import { beginnersOf, hereCommand, indexRanges, quoted, runCommands } from './shard-scripts'
import { isNearLimit, readReport } from './shard-report'
import type { ShardReport } from './shard-report'
import { taskWords, tasksOver } from './slurm'

/** A process that missed more heartbeats than this counts as lost. Others take over its shard much later. */
const beatsMissed = 3

/** Limit of shards whose files are open at once. */
const lookedAtOnce = 16

const known = new Map<string, boolean>()

/**
 * Checks a shard's result: whether it exists, is undamaged and belongs to the shard. Reads a file again only when it
 * has changed.
 */
export type ResultCheck = (
  folder: string,
  set: Pick<ShardSet, 'id'>,
  shard: number
) => Promise<'none' | 'done' | 'damaged'>

type IsOwn = (about: Pick<ShardAbout, 'set' | 'shard'>) => boolean

/** Makes a check from `isWhole`, which says whether a file is readable and its header satisfies `isOwn`. */
export const stateBy =
  (isWhole: (path: string, isOwn: IsOwn) => Promise<boolean>): ResultCheck =>
  async (folder, { id }, shard) => {
    const path = resultPath(folder, shard)
    const found = await stat(path).catch(() => null)
    if (found === null) return 'none'
    const key = `${path} ${id} ${found.ino} ${found.size} ${found.mtimeMs}`
    const whole = known.get(key) ?? (await isWhole(path, (about) => about.set === id && about.shard === shard))
    known.set(key, whole)
    return whole ? 'done' : 'damaged'
  }

export const resultState = stateBy((path, isOwn) => checkSampled<ShardAbout>(path, isOwn))

/** Only checks that a result exists. For results that are checked when they are read. */
export const resultIsThere: ResultCheck = (folder, _set, shard) =>
  Promise.resolve(existsSync(resultPath(folder, shard)) ? 'done' : 'none')

/** A shard of sampling or clustering. */
export interface ShardPart {
  readonly index: number
  readonly share: number
  readonly chains?: readonly unknown[]
  readonly memoryBytes?: number | undefined
  readonly search?: string | null
}

/** What a status needs to know of a set. */
export type ShardParts = Pick<ShardSet, 'id' | 'threads' | 'perTask'> & { readonly shards: readonly ShardPart[] }

const hasCheckpoint = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.checkpoint'))

const isLost = (held: HeldClaim, over: ReadonlySet<string>): boolean =>
  isStale(held) || held.silence > beatsMissed * beatSeconds || (held.attempt !== null && over.has(held.attempt.task))

/** Whether the last process ran out of memory: it said so, was lost near its limit, or exceeded the limit. */
const ranOut = (state: ShardState, memory: ShardReport['memory'] | undefined): boolean => {
  if (memory === undefined || state === 'done' || state === 'running') return false
  const { mostBytes, limitBytes } = memory
  return memory.ranOut || (state === 'lost' && isNearLimit(memory)) || (limitBytes !== null && mostBytes >= limitBytes)
}

interface Found {
  readonly shard: ShardPart
  readonly result: 'none' | 'done' | 'damaged'
  readonly held: HeldClaim | null
  readonly report: ShardReport | null
}

const lookAt = async (folder: string, shard: ShardPart, check: ResultCheck, id: string): Promise<Found> => {
  const result = await check(folder, { id }, shard.index)
  if (result === 'done') return { shard, result, held: null, report: null }
  const [held, report] = [await readClaim(claimPath(folder, shard.index)), await readReport(folder, shard.index)]
  return { shard, result, held, report }
}

const stateOf = (folder: string, { shard, result, held }: Found, over: ReadonlySet<string>): ShardState => {
  if (result === 'done') return 'done'
  if (held !== null) return isLost(held, over) ? 'lost' : 'running'
  if (result === 'damaged') return 'damaged'
  return hasCheckpoint(shardFolder(folder, shard.index)) ? 'interrupted' : 'waiting'
}

const statusOf = (folder: string, found: Found, over: ReadonlySet<string>): ShardStatus => {
  const {
    shard: { index, share, chains },
    held,
    report
  } = found
  const state = stateOf(folder, found, over)
  const fraction = state === 'done' ? 1 : state === 'waiting' || state === 'damaged' ? 0 : (report?.fraction ?? 0)
  const job = held?.attempt?.task
  const { mostBytes, limitBytes } = report?.memory ?? { mostBytes: null, limitBytes: null }
  return {
    index,
    share,
    chains: chains?.length ?? 0,
    state,
    fraction,
    host: held?.host ?? (state === 'interrupted' ? (report?.host ?? null) : null),
    pid: held?.pid ?? null,
    since: held === null || held.since === '' ? null : held.since,
    job: job === undefined ? null : taskWords(job),
    silentSeconds: held?.silence ?? null,
    secondsLeft: state === 'running' ? (report?.secondsLeft ?? null) : null,
    detail: state === 'running' ? (report?.detail ?? null) : null,
    memory: mostBytes === null ? null : { mostBytes, limitBytes, ranOut: ranOut(state, report?.memory) }
  }
}

/** Seconds until all shards are done if as many keep running as now; null if unknown. */
const secondsLeftOf = (shards: readonly ShardStatus[]): number | null => {
  const working = shards.filter(({ state }) => state === 'running')
  const rates = working.map(({ share, fraction, secondsLeft }) =>
    secondsLeft === null ? NaN : (share * (1 - fraction)) / Math.max(1, secondsLeft)
  )
  const rate = rates.filter((each) => each > 0).reduce((sum, each) => sum + each, 0)
  const left = shards.reduce((sum, { share, fraction }) => sum + share * (1 - fraction), 0)
  if (left === 0) return 0
  return rate > 0 ? Math.max(left / rate, ...working.map(({ secondsLeft }) => secondsLeft ?? 0)) : null
}

/** States in which no process is running the shard. */
const idle: ReadonlySet<ShardState> = new Set(['waiting', 'interrupted', 'lost', 'damaged'])

/** Memory to request after a shard ran out of it, in bytes: twice as much. */
export const memoryToAsk = ({
  mostBytes,
  limitBytes
}: Pick<ShardReport['memory'], 'mostBytes' | 'limitBytes'>): number => 2 * Math.max(mostBytes, limitBytes ?? 0)

const memoryAsked = (shards: readonly ShardStatus[]): ReadonlyMap<number, number> =>
  new Map(shards.flatMap(({ index, memory }) => (memory?.ranOut === true ? [[index, memoryToAsk(memory)]] : [])))

/**
 * Shards to queue: not those that wait for shards which others are at, as Slurm would start them too early.
 */
const queueable = (set: ShardParts, shards: readonly ShardStatus[], missing: readonly number[]): readonly number[] => {
  const beginners = beginnersOf(set)
  const isBusy = shards.some(({ index, state }) => index < beginners && state === 'running')
  return isBusy ? missing.filter((index) => index < beginners) : missing
}

/**
 * How far shards of a set are, all by default, by results, claims and Slurm's queue; and commands for those that
 * are not running.
 */
export const setStatus = async (
  folder: string,
  set: ShardParts,
  check: ResultCheck = resultState,
  asked: readonly ShardPart[] = set.shards
): Promise<SetStatus> => {
  const found: Found[] = []
  for (let at = 0; at < asked.length; at += lookedAtOnce) {
    found.push(
      ...(await Promise.all(asked.slice(at, at + lookedAtOnce).map((shard) => lookAt(folder, shard, check, set.id))))
    )
  }
  const over = await tasksOver(found.flatMap(({ held }) => (held?.attempt == null ? [] : [held.attempt.task])))
  const shards = found.map((each) => statusOf(folder, each, over))
  const missing = shards.filter(({ state }) => idle.has(state))
  // A search for local clusters cannot tell when it will end.
  const beginners = beginnersOf(set)
  // Shares of a clustering are of a kind of shards each, and there may be two kinds.
  const whole = shards.reduce((sum, { share }) => sum + share, 0)
  const fraction = shards.reduce((sum, { share, fraction }) => sum + share * fraction, 0) / whole
  const indices = missing.map(({ index }) => index)
  return {
    folder,
    set: set.id,
    shards,
    fraction: Math.min(1, fraction),
    secondsLeft: shards.some(({ index, state }) => state !== 'done' && index >= beginners)
      ? null
      : secondsLeftOf(shards),
    commands: runCommands(folder, set, queueable(set, shards, indices), memoryAsked(missing)),
    here: hereCommand(folder, set, indices)
  }
}

const order: readonly ShardState[] = ['running', 'interrupted', 'lost', 'damaged', 'waiting']

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6).toLocaleString('en')} MB`

/** Says that a shard ran out of memory, for error messages. */
export const memoryWords = (
  index: number,
  { mostBytes, limitBytes }: Pick<ShardReport['memory'], 'mostBytes' | 'limitBytes'>
): string => {
  const limit = limitBytes === null ? '' : ` of the ${megabytes(limitBytes)} that it may use`
  return `Shard ${index} ran out of memory: it used ${megabytes(mostBytes)}${limit}`
}

const outOfMemoryWords = (shards: readonly ShardStatus[]): string => {
  if (shards.length === 0) return ''
  const [{ index, memory }] = shards
  if (shards.length === 1) return `; ${memoryWords(index, memory!)}`
  return `; shards ${indexRanges(shards.map((each) => each.index))} ran out of memory`
}

/** Longer words in a message are cut (quoting.ts), which would break a command. */
const longestCommand = 200

/** Remedy for unfinished shards: run them, or wait. */
const remedyFor = ({ folder, shards, commands }: SetStatus): string => {
  const unattended = shards.filter(({ state }) => idle.has(state))
  if (unattended.length === 0) return 'wait for them'
  const isLong = commands.some((each) => each.length > longestCommand)
  const shown = isLong ? [`spectroscope shards status ${quoted(folder)}`] : commands
  const queue = `${isLong ? 'the lines of ' : ''}${shown.map((each) => `\`${each}\``).join(' and ')}`
  const here = `\`spectroscope shards run ${quoted(folder)} ${unattended[0].index}\``
  if (commands.length === 0) return 'wait for those that are running; the others need them'
  return `start those not running with ${queue}, or here with ${here}${unattended.length > 1 ? ' and so on' : ''}`
}

/** Indices of unfinished shards by state. */
export const indicesByState = (shards: readonly ShardStatus[]): Partial<Record<ShardState, number[]>> =>
  Object.fromEntries(
    order.flatMap((state) => {
      const own = shards.filter((each) => each.state === state).map(({ index }) => index)
      return own.length === 0 ? [] : [[state, own]]
    })
  )

/**
 * The error that prevents gathering a set, with details: `usage` if shards are not done, `input` if all of these are
 * damaged, `workspace` if other processes are running all of them. Undefined if all are done.
 */
export const missingError = (status: SetStatus): SpectroscopeError | undefined => {
  const { folder, shards, commands, here } = status
  const states = indicesByState(shards)
  const missing = Object.values(states).flat()
  if (missing.length === 0) return undefined
  const damaged = states.damaged ?? []
  const onlyDamaged = damaged.length === missing.length
  const said = Object.entries(states)
    .map(([state, own]) => `${state}: ${indexRanges(own)}`)
    .join('; ')
  const what = onlyDamaged
    ? `${damaged.length} of ${shards.length} results in ${folder} are damaged (shards ${indexRanges(damaged)})`
    : `${missing.length} of ${shards.length} shards of ${folder} are not done (${said})`
  const out = shards.filter(({ memory }) => memory?.ranOut === true)
  const details = { folder, missing, states, outOfMemory: out.map(({ index }) => index), commands, here }
  const sentence = `${what}${outOfMemoryWords(out)}; ${remedyFor(status)}.`
  const kind = onlyDamaged ? 'input' : shards.some(({ state }) => idle.has(state)) ? 'usage' : 'workspace'
  return new SpectroscopeError(kind, sentence, { details })
}
