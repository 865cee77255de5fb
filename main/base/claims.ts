import { randomUUID } from 'node:crypto'
import { readlinkSync, rmSync } from 'node:fs'
import { open, readdir, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { writingError } from './files'
import { openPlain } from './plain-files'
import { attemptSchema, precedes, thisAttempt } from './scheduled'
import type { Attempt } from './scheduled'

/** The process that holds a claim, and where it runs. */
export interface Holder {
  readonly host: string
  readonly pid: number
  /**
   * Identifies the process number's namespace. Containers number processes on their own, even under the same host
   * name.
   */
  readonly space: string
  readonly token: string
  readonly since: string
  /** The scheduled attempt that the process belongs to; null without a known scheduler. */
  readonly attempt: Attempt | null
}

export interface HeldClaim extends Holder {
  /** Seconds since the holder's last heartbeat, by the clock of the folder's file system. */
  readonly silence: number
}

export interface Claim {
  /** Aborts when another process has taken over the claim. */
  readonly lost: AbortSignal
  readonly release: () => Promise<void>
}

const holderSchema = z.object({
  host: z.string(),
  pid: z.int(),
  space: z.string(),
  token: z.string(),
  since: z.string(),
  attempt: attemptSchema.nullable().default(null)
})

/** A holder that has been silent for longer counts as dead. */
export const staleSeconds = 180
/** Seconds between two heartbeats of a holder. */
export const beatSeconds = 15

const processSpace = (): string => {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code

/** Current time of the file system. The clocks of the machines that share it may disagree. */
const fileSystemTime = async (folder: string): Promise<number> => {
  const probe = join(folder, `.clock.${randomUUID()}.tmp`)
  try {
    await (await open(probe, 'wx')).close()
    return (await stat(probe)).mtimeMs
  } catch {
    return Date.now()
  } finally {
    await rm(probe, { force: true }).catch(() => undefined)
  }
}

const nobody: Holder = { host: 'unknown', pid: 0, space: '', token: '', since: '', attempt: null }

const holderIn = (text: string): Holder => {
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch {
    // The writer has just begun, or died just then.
    return nobody
  }
}

/** Numbers of a claim's files. The process with the highest number holds the claim. */
const numbersOf = async (path: string): Promise<number[]> => {
  const prefix = `${basename(path)}.`
  const names = await readdir(dirname(path))
  return names
    .flatMap((name) =>
      name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)) ? [Number(name.slice(prefix.length))] : []
    )
    .sort((a, b) => b - a)
}

const readNumbered = async (path: string, number: number): Promise<HeldClaim | null> => {
  let file: FileHandle | undefined
  try {
    file = await openPlain(`${path}.${number}`)
    const [text, { mtimeMs }] = [await file.readFile('utf8'), await file.stat()]
    return { ...holderIn(text), silence: Math.max(0, ((await fileSystemTime(dirname(path))) - mtimeMs) / 1000) }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  } finally {
    await file?.close()
  }
}

/** Returns the holder of the claim, or null if nobody holds it. */
export const readClaim = async (path: string): Promise<HeldClaim | null> => {
  try {
    const [highest] = await numbersOf(path)
    return highest === undefined ? null : await readNumbered(path, highest)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/**
 * Tokens of the claims that this process holds. A claim with this process's number but another token was made by an
 * earlier process of the same number.
 */
const own = new Set<string>()

const isHere = ({ host, space }: Holder): boolean => host === hostname() && space === processSpace()

/**
 * Whether the holder counts as dead: its process is gone from this machine, it has been silent for too long, or this
 * process is a later attempt of the same task, which a scheduler starts only after the earlier one has ended.
 */
export const isStale = (held: HeldClaim): boolean => {
  const { pid, token, silence, attempt } = held
  const later = thisAttempt()
  if (silence > staleSeconds || (attempt?.number != null && precedes(attempt, later))) return true
  if (isHere(held)) return pid === process.pid ? !own.has(token) : !isAlive(pid)
  return precedes(attempt, later)
}

/** Creates a file. Returns false if it already exists. */
const write = async (path: string, holder: Holder): Promise<boolean> => {
  try {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(JSON.stringify(holder))
      await file.sync()
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw writingError(path, error)
  }
}

/** Claims held by this process. They are released if the process exits abruptly. */
const kept = new Set<string>()

const releaseAll = (): void => {
  for (const file of kept) rmSync(file, { force: true })
}

/** Sends heartbeats until the claim is released, and detects when another process takes it over. */
const keep = (path: string, number: number, holder: Holder): Claim => {
  const { token } = holder
  const controller = new AbortController()
  if (kept.size === 0) process.once('exit', releaseAll)
  kept.add(`${path}.${number}`)
  const beat = async (): Promise<void> => {
    const [highest] = await numbersOf(path)
    if (highest !== number) {
      kept.delete(`${path}.${number}`)
      return controller.abort()
    }
    const file = await openPlain(`${path}.${number}`, 'r+')
    await file.writeFile(JSON.stringify(holder)).finally(() => file.close())
  }
  const timer = setInterval(() => void beat().catch(() => undefined), 1000 * beatSeconds)
  return {
    lost: controller.signal,
    release: async () => {
      clearInterval(timer)
      own.delete(token)
      kept.delete(`${path}.${number}`)
      if (kept.size === 0) process.removeListener('exit', releaseAll)
      const numbers = await numbersOf(path).catch(() => [])
      for (const each of numbers.filter((other) => other <= number)) await rm(`${path}.${each}`, { force: true })
    }
  }
}

/**
 * A live holder with a lower number than the one just taken, unless it is the one that was meant to be taken over.
 */
const liveBelow = async (path: string, number: number, known: number | undefined): Promise<HeldClaim | undefined> => {
  for (const each of await numbersOf(path)) {
    const held = each < number && each !== known ? await readNumbered(path, each) : null
    if (held !== null && !isStale(held)) return held
  }
  return undefined
}

const settle = async (path: string, holder: Holder, takeOver: boolean): Promise<Claim | HeldClaim> => {
  for (;;) {
    const [highest] = await numbersOf(path)
    const held = highest === undefined ? null : await readNumbered(path, highest)
    if (held !== null && !takeOver && !isStale(held)) return held
    const number = (highest ?? 0) + 1
    if (!(await write(`${path}.${number}`, holder))) continue
    // If a claim was released in between, other processes may have seen a different highest number. The one that
    // finds a live holder below its own number gives way.
    const live = await liveBelow(path, number, takeOver ? highest : undefined)
    if (live === undefined && (await numbersOf(path))[0] === number) return keep(path, number, holder)
    await rm(`${path}.${number}`, { force: true })
    if (live !== undefined) return live
  }
}

/**
 * Claims a piece of work for this process by creating a file `path.N`. Only one process can create it, even on a file
 * system shared by several machines. Returns the holder instead if there is one that may be alive. The next number
 * takes over a dead holder's claim, or with `takeOver` anyone's.
 */
export const claim = async (
  path: string,
  { takeOver = false }: { readonly takeOver?: boolean } = {}
): Promise<Claim | HeldClaim> => {
  const holder: Holder = {
    host: hostname(),
    pid: process.pid,
    space: processSpace(),
    token: randomUUID(),
    since: new Date().toISOString(),
    attempt: thisAttempt()
  }
  own.add(holder.token)
  const found = await settle(path, holder, takeOver).catch((error: unknown) => {
    own.delete(holder.token)
    throw error
  })
  if (!('release' in found)) own.delete(holder.token)
  return found
}
