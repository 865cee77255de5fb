import { rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { limits, text as textOf } from '../../preload/limits'
import { beatSeconds } from '../base/claims'
import { writeFileAtomically } from '../base/files'
import { memoryKills, memoryLimit, memoryUsed } from '../base/memory-use'
import { readPlain } from '../base/plain-files'
import { shardFolder } from './shard-set'

const bytes = z.number().min(0)

const reportSchema = z.object({
  host: textOf(limits.word),
  pid: z.int(),
  /** Fraction of the shard's work that is done. */
  fraction: z.number().min(0).max(1),
  secondsLeft: z.number().min(0).nullable(),
  /** What there is to say of a search whose end can't be told. */
  detail: textOf(limits.word).nullable().default(null),
  memory: z.object({ mostBytes: bytes, limitBytes: bytes.nullable(), ranOut: z.boolean() })
})

/** Last report of the process running a shard. */
export type ShardReport = z.output<typeof reportSchema>

export const reportName = 'progress.json'

const reportPath = (folder: string, shard: number): string => join(shardFolder(folder, shard), reportName)

/** Reads the last report of a shard; null if there is none that is readable. */
export const readReport = async (folder: string, shard: number): Promise<ShardReport | null> => {
  try {
    return reportSchema.parse(JSON.parse((await readPlain(reportPath(folder, shard))).toString('utf8')))
  } catch {
    return null
  }
}

/**
 * Memory above this share of the limit counts as near it. Memory is sampled once a second, which misses the last
 * allocations.
 */
const nearShare = 0.8

export const isNearLimit = ({ mostBytes, limitBytes }: ShardReport['memory']): boolean =>
  limitBytes !== null && mostBytes >= nearShare * limitBytes

/** Growth of memory use that triggers a report before the next heartbeat. */
const growth = 1.1

/**
 * Writes the progress and memory use of a shard beside its claim, at each heartbeat and when memory has grown,
 * because a process killed for its memory cannot report any more. Errors in writing are ignored.
 */
export class ShardReporter {
  readonly #folder: string
  readonly #shard: number
  readonly #limit = memoryLimit()
  readonly #killsBefore = memoryKills()
  #fraction = 0
  #secondsLeft: number | null = null
  #detail: string | null = null
  #most = 0
  #ranOut = false
  #written = { most: 0, fraction: 0, at: -Infinity }
  #writing: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  constructor(folder: string, shard: number) {
    this.#folder = folder
    this.#shard = shard
  }

  /** Starts reporting, from the progress of an earlier process until there is newer. */
  async open(): Promise<void> {
    this.#fraction = (await readReport(this.#folder, this.#shard))?.fraction ?? 0
    this.#look()
    this.#timer = setInterval(() => this.#look(), 1000)
  }

  progress(fraction: number, secondsLeft: number | undefined, detail: string | null = null): void {
    this.#detail = detail
    this.#fraction = Math.min(1, Math.max(0, fraction))
    this.#secondsLeft = secondsLeft !== undefined && Number.isFinite(secondsLeft) ? Math.max(0, secondsLeft) : null
    if (this.#written.fraction === 0 && this.#fraction > 0) this.#write()
  }

  /** After a child was killed: memory use if that was the cause, else null. */
  memoryAfterKill(): ShardReport['memory'] | null {
    this.#most = Math.max(this.#most, memoryUsed())
    this.#ranOut = memoryKills() > this.#killsBefore || isNearLimit(this.#memory)
    if (!this.#ranOut) return null
    this.#write()
    return this.#memory
  }

  get #memory(): ShardReport['memory'] {
    return { mostBytes: this.#most, limitBytes: this.#limit, ranOut: this.#ranOut }
  }

  #look(): void {
    this.#most = Math.max(this.#most, memoryUsed())
    const { most, at } = this.#written
    if (this.#most > growth * most || performance.now() - at >= 1000 * beatSeconds) this.#write()
  }

  #write(): void {
    this.#written = { most: this.#most, fraction: this.#fraction, at: performance.now() }
    const report: ShardReport = {
      host: hostname(),
      pid: process.pid,
      fraction: this.#fraction,
      secondsLeft: this.#secondsLeft,
      detail: this.#detail,
      memory: this.#memory
    }
    const path = reportPath(this.#folder, this.#shard)
    this.#writing = this.#writing.then(() => writeFileAtomically(path, JSON.stringify(report))).catch(() => undefined)
  }

  /** Stops reporting. Writes a last report, unless another process has taken the shard. */
  async close({ silently = false } = {}): Promise<void> {
    clearInterval(this.#timer)
    if (!silently) this.#write()
    await this.#writing
  }

  /** Deletes the report of a finished shard. */
  async remove(): Promise<void> {
    await rm(reportPath(this.#folder, this.#shard), { force: true })
  }
}
