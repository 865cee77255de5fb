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
  /** Of the shard's work, from 0 to 1. */
  fraction: z.number().min(0).max(1),
  secondsLeft: z.number().min(0).nullable(),
  /** What there is to say of a search whose end can't be told. */
  detail: textOf(limits.word).nullable().default(null),
  memory: z.object({ mostBytes: bytes, limitBytes: bytes.nullable(), ranOut: z.boolean() })
})

/** What the latest process at work on a shard said of itself. */
export type ShardReport = z.output<typeof reportSchema>

export const reportName = 'progress.json'

const reportPath = (folder: string, shard: number): string => join(shardFolder(folder, shard), reportName)

/** The last report on a shard; null where there is none that can be read. */
export const readReport = async (folder: string, shard: number): Promise<ShardReport | null> => {
  try {
    return reportSchema.parse(JSON.parse((await readPlain(reportPath(folder, shard))).toString('utf8')))
  } catch {
    return null
  }
}

/** Memory from this share of the limit on is near it: what is read each second misses the last allocations. */
const nearShare = 0.8

export const isNearLimit = ({ mostBytes, limitBytes }: ShardReport['memory']): boolean =>
  limitBytes !== null && mostBytes >= nearShare * limitBytes

/** Growth of the memory in use that is worth a report before the next beat. */
const growth = 1.1

/**
 * Writes how far a shard is, and the memory that its processes use, beside its claim: at each beat, and when memory
 * has grown, as a process that is killed for it says nothing more. Reports are worth no error.
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

  /** Keeps the progress that an earlier process came to until there is new. */
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

  /** After a child was killed: whether that was for memory, and if so what there is to say of it. */
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

  /** Stops; a last report is written for whoever looks next, unless the shard is another process's now. */
  async close({ silently = false } = {}): Promise<void> {
    clearInterval(this.#timer)
    if (!silently) this.#write()
    await this.#writing
  }

  /** Forgets what was said of a shard that is done. */
  async remove(): Promise<void> {
    await rm(reportPath(this.#folder, this.#shard), { force: true })
  }
}
