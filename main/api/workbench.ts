import { existsSync } from 'node:fs'
import { availableParallelism, homedir, totalmem, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import type { AppState, CallAnswer, NoticeName, Notices } from '../../preload/contract'
import { SpectroscopeError, toPlain } from '../../preload/errors'
import { complain } from '../base/printed'
import { programVersion } from '../pipeline/versions'
import { isOlder } from '../store/database'
import type { Workspace } from '../store/store'
import { CallAnswers, plainError } from './call-answers'
import type { WorkbenchContext, WorkbenchEnvironment } from './context'
import { engineCalls } from './engines'
import { Estimates } from './estimates'
import { exploreCalls } from './explore-calls'
import { exportCalls } from './exports'
import { fileCalls } from './files'
import { importCalls } from './imports'
import { everywhere, reachOf } from './reach'
import type { Reach } from './reach'
import { ReceivedFiles } from './received-files'
import { Jobs } from './jobs'
import { WorkspaceKeeper } from './keeper'
import { transferLabels } from './label-transfer'
import { labelCalls } from './labels'
import { modelCalls } from './model-calls'
import { nameCalls } from './name-calls'
import { runCalls } from './run-calls'
import { RunManager } from './run-manager'
import { shardCalls } from './shard-calls'
import { sweepCalls } from './sweep-calls'
import { SweepDriver } from './sweep-driver'
import { foreignWords, standingOf, trustWorkspace } from './trust'
import { changeSettings, entriesOf, readSettings, settingsCalls, settingsNotes } from './settings'

/** The main side of a window, in Electron and in `serve`. */
export interface Workbench {
  /** Answers a call of a window. Checks name and parameters, which are untrusted. Never rejects. */
  call(method: unknown, parameters: unknown): Promise<CallAnswer>
  /** Adds a listener. Returns a function that removes it. */
  onNotice(listener: (name: NoticeName, data: unknown) => void): () => void
  /** The run in progress, then the queued ones. */
  busyRuns(): readonly string[]
  /** Stops all runs with a checkpoint. */
  checkpoint(): Promise<void>
  /** Stops runs with a checkpoint, or waits for them, then closes the workspace. */
  close(options: { readonly runs: 'checkpoint' | 'wait' }): Promise<void>
}

interface Opened {
  readonly keeper: WorkspaceKeeper
  readonly manager: RunManager
  readonly sweeps: SweepDriver
  /** Made by somebody else, so open for reading only. */
  readonly isForeign: boolean
  /** Notes for the user on how it was opened. */
  readonly notes: readonly string[]
}

/** Error for a foreign workspace that must be upgraded before it can be read. */
class UntrustedUpgrade extends SpectroscopeError {}

const workspaceName = 'spectroscope-workspace'

/** Default workspace: in the current folder for the terminal, in Documents for Electron. */
const defaultWorkspace = (shell: WorkbenchEnvironment['shell']): string => {
  if (shell === 'browser') return resolve(workspaceName)
  const documents = join(homedir(), 'Documents')
  return join(existsSync(documents) ? documents : homedir(), workspaceName)
}

const userName = (): string => {
  try {
    return userInfo().username
  } catch {
    return ''
  }
}

class OpenWorkbench implements Workbench {
  readonly #environment: WorkbenchEnvironment
  readonly #listeners = new Set<(name: NoticeName, data: unknown) => void>()
  readonly #jobs = new Jobs((job) => this.#emit('job', job))
  readonly #estimates: Estimates
  readonly #received = new ReceivedFiles()
  readonly #reach: Reach
  readonly #answers: CallAnswers
  #opened: Opened | undefined
  #problem: string | null = null
  /** A workspace that must be trusted before it can be opened. */
  #untrusted: string | null = null
  #closing: Promise<void> | undefined

  constructor(environment: WorkbenchEnvironment) {
    this.#environment = environment
    this.#estimates = new Estimates(environment.settings, this.#jobs)
    const { folders, workspace: asked } = environment
    this.#reach =
      folders === undefined
        ? everywhere
        : reachOf({
            places: () => [...folders, ...readSettings(environment.settings).folders],
            workspaces: () => [asked, this.#opened?.keeper.workspace.folder].filter((folder) => folder !== undefined)
          })
    const context: WorkbenchContext = {
      environment,
      reach: this.#reach,
      settings: () => readSettings(environment.settings),
      author: () => this.#author(),
      workspace: () => this.#workspace(),
      emit: (name, data) => this.#emit(name, data)
    }
    this.#answers = new CallAnswers({
      app: { state: () => this.#state() },
      ...settingsCalls(environment.settings, environment.views, (name, data) => this.#emit(name, data), this.#reach),
      workspace: {
        open: async ({ folder, create }) => {
          await this.#reach.check(folder)
          await this.#change(resolve(folder), create)
          return this.#state()
        },
        trust: async ({ folder }) => {
          await this.#trust(folder)
          return this.#state()
        }
      },
      engines: { ...this.#estimates.calls(), ...engineCalls(this.#jobs) },
      jobs: {
        list: () => this.#jobs.list(),
        cancel: ({ job }) => {
          this.#jobs.cancel(job)
          return null
        }
      },
      files: fileCalls(context),
      ...modelCalls(context, this.#jobs),
      runs: runCalls(context, () => this.#manager(), this.#estimates, this.#jobs),
      shards: shardCalls(context, () => this.#manager(), this.#estimates, this.#jobs),
      sweeps: sweepCalls(context, () => this.#current().sweeps, this.#estimates),
      ...exploreCalls(context, this.#jobs),
      labels: labelCalls(context),
      names: nameCalls(context, this.#jobs),
      exports: exportCalls(context),
      imports: importCalls(context, this.#received)
    })
  }

  #author(): string {
    return readSettings(this.#environment.settings).author.trim() || userName()
  }

  #emit<N extends NoticeName>(name: N, data: Notices[N]): void {
    for (const listener of this.#listeners) listener(name, data)
  }

  #current(): Opened {
    if (this.#opened === undefined)
      throw new SpectroscopeError('workspace', this.#problem ?? 'No workspace is open; open one or create a new one.')
    return this.#opened
  }

  #workspace(): Workspace {
    return this.#current().keeper.workspace
  }

  #manager(): RunManager {
    return this.#current().manager
  }

  /** Why no workspace is open, or why it is read-only. */
  #problemNow(): string | null {
    if (this.#opened === undefined) return this.#problem
    const {
      keeper: {
        workspace: { folder, unwritable }
      },
      isForeign
    } = this.#opened
    if (isForeign) return `${foreignWords(folder)}, so it is open read-only; trust it to make changes.`
    if (unwritable === null) return this.#problem
    return `${folder}: the workspace is open read-only because ${unwritable}; copy it elsewhere to make changes.`
  }

  #state(): AppState {
    const { shell, settings, views, choose } = this.#environment
    return {
      version: programVersion,
      shell,
      platform: process.platform,
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      home: homedir(),
      workspace: this.#opened?.keeper.workspace.folder ?? null,
      problem: this.#problemNow(),
      untrusted: this.#opened?.isForeign === true ? this.#opened.keeper.workspace.folder : this.#untrusted,
      notes: this.#notes(),
      settings: readSettings(settings),
      views: entriesOf(views),
      nativeDialogs: choose !== undefined
    }
  }

  #notes(): readonly string[] {
    const { settings, views, notes } = this.#environment
    const ofWorkspace = [...(this.#opened?.keeper.workspace.notes ?? []), ...(this.#opened?.notes ?? [])]
    return [...settingsNotes(settings), ...(views.notes ?? []), ...(notes?.() ?? []), ...ofWorkspace]
  }

  /** Opens the requested workspace, that of the settings, or the default one, creating it if needed. */
  async openFirst(): Promise<void> {
    const asked = this.#environment.workspace
    const kept = readSettings(this.#environment.settings).workspace
    const folder = resolve(asked ?? (kept === '' ? defaultWorkspace(this.#environment.shell) : kept))
    try {
      const unkept = this.#environment.trust === true ? await trustWorkspace(folder) : null
      this.#opened = await this.#open(folder, asked !== undefined || kept === '', unkept === null ? [] : [unkept])
    } catch (error) {
      this.#notOpen(folder, error)
    }
    const { settings, views } = this.#environment
    const said = [...(settings.notes ?? []), ...(views.notes ?? [])]
    for (const note of this.#notes()) if (!said.includes(note)) complain(note)
  }

  #notOpen(folder: string, error: unknown): void {
    this.#problem = plainError(error).message
    this.#untrusted = error instanceof UntrustedUpgrade ? folder : null
  }

  /** Opens a workspace; a foreign one for reading only. */
  async #open(folder: string, create: boolean, notes: readonly string[] = []): Promise<Opened> {
    const standing = await standingOf(folder)
    const isForeign = standing === 'foreign'
    const opened = await this.#keep(folder, { create, readOnly: isForeign }).catch((error: unknown) => {
      if (!isForeign || !isOlder(error)) throw error
      const what = `${foreignWords(folder)}, and it has the format of an older version`
      throw new UntrustedUpgrade('workspace', `${what}, so it must be upgraded; trust it to upgrade it.`)
    })
    const unkept = standing === 'new' ? await trustWorkspace(folder) : null
    return { ...opened, isForeign, notes: [...notes, ...(unkept === null ? [] : [unkept])] }
  }

  async #keep(
    folder: string,
    options: { readonly create: boolean; readonly readOnly: boolean }
  ): Promise<Pick<Opened, 'keeper' | 'manager' | 'sweeps'>> {
    const keeper: WorkspaceKeeper = await WorkspaceKeeper.open(folder, options, {
      reopened: (words) => {
        manager.storeReopened(words)
        this.#emit('workspace', { folder: keeper.workspace.folder, reopened: true })
        this.#emit('problem', {
          kind: 'storage',
          message: `The database process stopped (${words}) and was restarted; no saved data was lost.`
        })
      },
      failed: (error) => this.#emit('problem', plainError(error))
    })
    const manager: RunManager = new RunManager(keeper.workspace, {
      emit: (name, data) => this.#emit(name, data),
      ended: (run, error) => {
        const { name, clusterings } = run
        const clusters = clusterings.at(-1)?.clusters
        sweeps.ended(run, error).catch((reason: unknown) => this.#emit('problem', plainError(reason)))
        if (error !== undefined) this.#environment.notify?.(`Run “${name}” stopped`, toPlain(error).message)
        else
          this.#environment.notify?.(
            `Run “${name}” finished`,
            clusters === undefined ? 'The matrix is ready.' : `${clusters.toLocaleString('en')} clusters found.`
          )
      },
      completed: async (run) => {
        const changed = await transferLabels(keeper.workspace, run, this.#author())
        if (changed !== null) this.#emit('annotations', changed)
      },
      measured: (run, rate) => this.#estimates.keepActual(run, keeper.workspace.folder, rate)
    })
    const sweeps = new SweepDriver(() => keeper.workspace, manager)
    try {
      await manager.settle()
    } catch (error) {
      await keeper.close()
      throw error
    }
    return { keeper, manager, sweeps }
  }

  async #change(folder: string, create: boolean): Promise<void> {
    if (this.#opened?.keeper.workspace.folder === folder) return
    if (this.busyRuns().length > 0)
      throw new SpectroscopeError(
        'usage',
        'Runs are active in this workspace; pause them or wait before you open another one.'
      )
    const next = await this.#open(folder, create).catch((error: unknown) => {
      if (!(error instanceof UntrustedUpgrade)) throw error
      this.#notOpen(folder, error)
      return undefined
    })
    const previous = this.#opened
    this.#opened = next
    if (next !== undefined) [this.#problem, this.#untrusted] = [null, null]
    if (this.#environment.workspace === undefined) {
      this.#emit('settings', changeSettings(this.#environment.settings, { workspace: folder }))
    }
    this.#emit('workspace', { folder, reopened: false })
    if (previous !== undefined) await this.#closeWorkspace(previous)
  }

  /** Reopens a foreign workspace for writing and records the trust. */
  async #trust(folder: string): Promise<void> {
    if (folder !== this.#state().untrusted)
      throw new SpectroscopeError('usage', `${folder} is not open; open it before you trust it.`)
    const unkept = await trustWorkspace(folder)
    const previous = this.#opened
    this.#opened = undefined
    this.#problem = `${folder} is being opened for writing; try again.`
    this.#untrusted = null
    try {
      if (previous !== undefined) await this.#closeWorkspace(previous)
      this.#opened = await this.#open(folder, false, unkept === null ? [] : [unkept])
      this.#problem = null
    } catch (error) {
      this.#notOpen(folder, error)
      throw error
    } finally {
      this.#emit('workspace', { folder, reopened: false })
    }
  }

  async #closeWorkspace({ keeper, manager }: Opened): Promise<void> {
    manager.close()
    try {
      if (!keeper.workspace.readOnly) await keeper.workspace.purgeDeleted()
    } finally {
      await keeper.close()
    }
  }

  call(method: unknown, parameters: unknown): Promise<CallAnswer> {
    return this.#answers.call(method, parameters)
  }

  onNotice(listener: (name: NoticeName, data: unknown) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  busyRuns(): readonly string[] {
    return this.#opened?.manager.busy() ?? []
  }

  async checkpoint(): Promise<void> {
    await this.#opened?.manager.pauseAll()
  }

  close({ runs }: { readonly runs: 'checkpoint' | 'wait' }): Promise<void> {
    this.#answers.close()
    this.#closing ??= this.#close(runs)
    return this.#closing
  }

  async #close(runs: 'checkpoint' | 'wait'): Promise<void> {
    try {
      if (runs === 'wait') await this.#opened?.manager.idle()
      else await this.checkpoint()
    } finally {
      await this.#jobs.close()
      await this.#answers.settled()
      await this.#received.close()
      const opened = this.#opened
      this.#opened = undefined
      if (opened !== undefined) await this.#closeWorkspace(opened)
    }
  }
}

/** Opens the workbench on a workspace. If that fails, `app.state` says why, and a window can open another one. */
export const openWorkbench = async (environment: WorkbenchEnvironment): Promise<Workbench> => {
  const workbench = new OpenWorkbench(environment)
  await workbench.openFirst()
  return workbench
}
