import { join } from 'node:path'
import type { StageName } from '../../preload/records'
import { writeFileAtomically } from '../base/files'
import { readPlain } from '../base/plain-files'

/** Seconds of work in each stage, over all interruptions of a run. Stored in the run's folder. */
export class Stopwatch {
  readonly #file: string
  readonly #everySeconds: number
  #earlier: Partial<Record<StageName, number>> = {}
  #stage: StageName | undefined
  #startedAt = 0
  #timer: NodeJS.Timeout | undefined

  constructor(folder: string, everySeconds: number) {
    this.#file = join(folder, 'seconds.json')
    this.#everySeconds = everySeconds
  }

  async open(): Promise<void> {
    try {
      this.#earlier = JSON.parse((await readPlain(this.#file)).toString('utf8')) as Partial<Record<StageName, number>>
    } catch {
      this.#earlier = {}
    }
    this.#timer = setInterval(() => void this.#write(), 1000 * Math.max(1, this.#everySeconds))
  }

  start(stage: StageName): void {
    this.#settle()
    this.#stage = stage
    this.#startedAt = performance.now()
  }

  /** Seconds of work in the current stage. */
  get seconds(): number {
    return this.#stage === undefined
      ? 0
      : (this.#earlier[this.#stage] ?? 0) + (performance.now() - this.#startedAt) / 1000
  }

  #settle(): void {
    if (this.#stage !== undefined) this.#earlier = { ...this.#earlier, [this.#stage]: this.seconds }
    this.#startedAt = performance.now()
  }

  /** Ignores errors: if the disk is full, the run's next write reports it. */
  async #write(): Promise<void> {
    this.#settle()
    await writeFileAtomically(this.#file, JSON.stringify(this.#earlier)).catch(() => undefined)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#write()
  }
}
