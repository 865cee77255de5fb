import { randomUUID } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { link, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { writingError } from './files'

/** Who works on something, and where. */
export interface Holder {
  readonly host: string
  readonly pid: number
  /** Where the process's number means something: a container counts processes by itself though its host has the same name. */
  readonly space: string
  readonly token: string
  readonly since: string
}

export interface HeldClaim extends Holder {
  /** Seconds since the holder last gave a sign of life, by the clock of the folder's file system. */
  readonly silence: number
}

export interface Claim {
  /** Aborts when another process has taken the claim over. */
  readonly lost: AbortSignal
  readonly release: () => Promise<void>
}

const holderSchema = z.object({ host: z.string(), pid: z.int(), space: z.string(), token: z.string(), since: z.string() })

/** A holder that has been silent for longer is taken for dead. */
export const staleSeconds = 180
const beatSeconds = 15

const processSpace = (): string => {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code

/** The file system's own time, which the clocks of the machines that share it need not agree with. */
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

/** Who holds the claim; null if nobody does. A file that is empty or torn belongs to a writer that just begins, or died just then. */
export const readClaim = async (path: string): Promise<HeldClaim | null> => {
  try {
    const [text, { mtimeMs }, now] = [await readFile(path, 'utf8'), await stat(path), await fileSystemTime(dirname(path))]
    const silence = Math.max(0, (now - mtimeMs) / 1000)
    const parsed = holderSchema.safeParse(text === '' ? {} : JSON.parse(text))
    return parsed.success ? { ...parsed.data, silence } : { host: 'unknown', pid: 0, space: '', token: '', since: '', silence }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    if (error instanceof SyntaxError) return { host: 'unknown', pid: 0, space: '', token: '', since: '', silence: 0 }
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

/** Tokens of the claims that this process holds: where it holds none, its own number in a claim was another process's before. */
const own = new Set<string>()

/** Whether the holder can be taken for dead: its process is gone from this machine, or it has been silent for long. */
export const isStale = ({ host, space, pid, token, silence }: HeldClaim): boolean =>
  silence > staleSeconds || (host === hostname() && space === processSpace() && (pid === process.pid ? !own.has(token) : !isAlive(pid)))

/** Puts a dead holder's claim aside. False where it was another's by then, whose claim stands. */
const putAside = async (path: string, { token }: HeldClaim): Promise<boolean> => {
  const aside = `${path}.${randomUUID()}.tmp`
  try {
    await rename(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true
    throw error
  }
  const found = await readClaim(aside)
  const same = (found?.token ?? '') === token
  if (!same) await link(aside, path).catch(() => undefined)
  await rm(aside, { force: true })
  return same
}

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

/** Shows signs of life until it is released, and finds out if the claim is another's. */
const keep = (path: string, holder: Holder): Claim => {
  const { token } = holder
  own.add(token)
  const controller = new AbortController()
  const beat = async (): Promise<void> => {
    const found = await readClaim(path).catch(() => undefined)
    if (found === undefined) return
    if (found?.token !== token) return controller.abort()
    await writeFile(path, JSON.stringify(holder), { flag: 'r+' }).catch(() => undefined)
  }
  const timer = setInterval(() => void beat(), 1000 * beatSeconds)
  return {
    lost: controller.signal,
    release: async () => {
      clearInterval(timer)
      own.delete(token)
      const found = await readClaim(path).catch(() => null)
      if (found?.token === token) await rm(path, { force: true })
    }
  }
}

/**
 * Claims a piece of work for this process by a file that only one can make, also on a file system that machines share. Gives back the
 * holder where there is one that may be alive. A dead one's claim is taken over, and with `takeOver` anyone's.
 */
export const claim = async (path: string, { takeOver = false }: { readonly takeOver?: boolean } = {}): Promise<Claim | HeldClaim> => {
  const holder: Holder = { host: hostname(), pid: process.pid, space: processSpace(), token: randomUUID(), since: new Date().toISOString() }
  for (;;) {
    if (await write(path, holder)) return keep(path, holder)
    const held = await readClaim(path)
    if (held === null) continue
    if (!takeOver && !isStale(held)) return held
    await putAside(path, held)
  }
}
