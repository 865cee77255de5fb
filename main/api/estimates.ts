import { cpus, hostname } from 'node:os'
import { z } from 'zod'
import type { RunConfiguration } from '../../preload/configuration'
import type { EngineRate, Estimate } from '../../preload/contract'
import type { RunRecord } from '../../preload/records'
import { resolveAmong } from '../engine/engines'
import { estimateRun } from '../pipeline/estimate'
import type { MeasuredRate } from '../pipeline/estimate'
import { measureEnginesApart } from '../pipeline/session'
import type { Workspace } from '../store/store'
import type { HandlersOf, SettingsFile } from './context'
import type { Jobs } from './jobs'
import { entriesOf, keepEntries } from './settings'

const rateSchema = z.object({
  name: z.string(),
  device: z.string(),
  precision: z.string(),
  version: z.string(),
  available: z.boolean(),
  remedy: z.string().nullable(),
  install: z.string().nullable().default(null),
  tokensPerSecond: z.number().positive().nullable(),
  gigaflopsPerSecond: z.number().positive().nullable()
})

/** Measurements on this machine: its engines, and the last runs sampled on it. */
const machineSchema = z.object({
  /** Identifies the machine, because several may share a home folder with the settings. */
  machine: z.string(),
  measuredAt: z.iso.datetime(),
  engines: z.array(rateSchema),
  runs: z.array(
    z.object({
      engine: z.string(),
      workspace: z.string(),
      run: z.string(),
      tokensPerSecond: z.number().positive(),
      measuredAt: z.iso.datetime()
    })
  )
})
type Machine = z.output<typeof machineSchema>

const entry = 'machine'
const mostRuns = 20
const thisMachine = (): string => `${hostname()}, ${cpus().length} × ${cpus()[0]?.model ?? 'processor'}`

/** Speeds of this machine's engines. Measured in the background when first needed, and stored with the settings. */
export class Estimates {
  readonly #settings: SettingsFile
  readonly #jobs: Jobs

  constructor(settings: SettingsFile, jobs: Jobs) {
    this.#settings = settings
    this.#jobs = jobs
  }

  #kept(): Machine | undefined {
    const parsed = machineSchema.safeParse(entriesOf(this.#settings)[entry])
    return parsed.success && parsed.data.machine === thisMachine() ? parsed.data : undefined
  }

  #keep(changes: Partial<Machine>): void {
    const none: Machine = { machine: thisMachine(), measuredAt: new Date().toISOString(), engines: [], runs: [] }
    keepEntries(this.#settings, 'The settings file', { [entry]: { ...none, ...this.#kept(), ...changes } })
  }

  async #measure(): Promise<readonly EngineRate[]> {
    const about = { kind: 'engines', title: 'Measuring engines', run: null, key: 'engines' } as const
    const { done } = this.#jobs.start(about, async () => {
      const engines = await measureEnginesApart()
      this.#keep({ engines: [...engines], measuredAt: new Date().toISOString() })
      return engines
    })
    return done
  }

  /** Speeds of this machine's engines, measured now if not yet known. */
  async rates(): Promise<readonly EngineRate[]> {
    const kept = this.#kept()?.engines ?? []
    return kept.length > 0 ? kept : this.#measure()
  }

  /** Estimates a run on this machine and the disk of the workspace. */
  async of(configuration: RunConfiguration, baseFolder: string, workspace: Workspace): Promise<Estimate> {
    const rates = await this.rates()
    const engine = resolveAmong(
      configuration.engine,
      rates.flatMap(({ name, available }) => (available ? [name] : []))
    )
    const chosen = rates.find(({ name }) => name === engine)
    const lastRun = await this.#lastRun(engine, workspace)
    const rate = {
      engine,
      gigaflopsPerSecond: chosen?.gigaflopsPerSecond ?? null,
      measuredAt: this.#kept()?.measuredAt ?? null,
      ...(lastRun === undefined ? {} : { lastRun })
    }
    return estimateRun(configuration, baseFolder, rate, workspace.folder)
  }

  /** The last run of this workspace that was sampled here on the engine. */
  async #lastRun(engine: string, workspace: Workspace): Promise<MeasuredRate['lastRun']> {
    const kept =
      this.#kept()?.runs.filter((each) => each.engine === engine && each.workspace === workspace.folder) ?? []
    const runs = await workspace.listRuns()
    for (const { run: id, tokensPerSecond, measuredAt } of kept.toReversed()) {
      const run = runs.find((each) => each.id === id)
      if (run !== undefined) return { run, tokensPerSecond, measuredAt }
    }
    return undefined
  }

  keepActual({ id, provenance }: RunRecord, workspace: string, tokensPerSecond: number): void {
    const engine = provenance.engine?.name
    if (engine === undefined || !(tokensPerSecond > 0)) return
    const before = this.#kept()?.runs ?? []
    this.#keep({
      runs: [...before, { engine, workspace, run: id, tokensPerSecond, measuredAt: new Date().toISOString() }].slice(
        -mostRuns
      )
    })
  }

  calls(): Pick<HandlersOf<'engines'>, 'measure'> {
    return { measure: () => this.#measure() }
  }
}
