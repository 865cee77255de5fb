import { getContext, setContext } from 'svelte'
import { messageOf } from '../../preload/contract'
import type { AppState, Connection, Notices, RunEntry, Settings, SweepEntry, UndoState } from '../../preload/contract'
import type { Client } from '../client'
import { sendUnsent, takeUnsentFile } from '../clusters/outbox'
import { HealthCache } from '../runs/health.svelte'
import { endWords } from '../runs/listing'
import { fragmentOf, routeAt } from './address'
import type { Route } from './address'
import { Commands } from './commands.svelte'
import { tourSteps } from './tour'

/** A message that disappears after a while, or stays until dismissed. */
export interface Toast {
  readonly id: number
  readonly kind: 'done' | 'note' | 'error'
  readonly text: string
  readonly action?: { readonly label: string; readonly run: () => void }
}

const toastSeconds = { done: 5, note: 8, error: Infinity }

/** State shared by all views: the program's state, the current view and messages. */
export class Workbench {
  readonly client: Client
  readonly commands: Commands
  /** Diagnostics of the runs opened so far. */
  readonly health: HealthCache
  state: AppState | null = $state.raw(null)
  runs: readonly RunEntry[] | null = $state.raw(null)
  sweeps: readonly SweepEntry[] = $state.raw([])
  undo: UndoState = $state.raw({ undo: null, redo: null })
  route: Route = $state.raw({ view: 'runs' })
  connection: Connection = $state('open')
  toasts: readonly Toast[] = $state.raw([])
  overlay: 'palette' | 'keys' | 'terms' | null = $state(null)
  /** The open dialog, if any. */
  dialog:
    | { readonly kind: 'export'; readonly selection?: true }
    | { readonly kind: 'import'; readonly path?: string }
    | { readonly kind: 'closing'; readonly runs: readonly string[] }
    | null = $state.raw(null)
  /** Settles once pending labels are saved or rejected; undo waits for it. */
  labelsSaved: () => Promise<void> = () => Promise.resolve()
  /** Current step of the tour; null outside the tour. */
  tour: number | null = $state(null)
  /** Number of labels not saved yet. */
  labelsPending: () => number = () => 0
  /** Number of labels kept in this browser because the program has not confirmed them. */
  unsent = $state(0)
  #lastToast = 0
  readonly #systemIsDark = window.matchMedia('(prefers-color-scheme: dark)')

  constructor(client: Client) {
    this.client = client
    this.health = new HealthCache(client)
    this.commands = new Commands(this.fail)
  }

  get settings(): Settings | undefined {
    return this.state?.settings
  }

  /** Loads the state and follows its changes; returns a function that stops following. */
  follow(): () => void {
    const { client } = this
    const off = [
      client.on('runs-changed', () => void this.loadRuns()),
      client.on('settings', (settings) => this.#settle(settings)),
      client.on('undo', (undo) => (this.undo = undo)),
      client.on('annotations', ({ undo }) => (this.undo = undo)),
      client.on('problem', (problem) => this.#tellProblem(problem)),
      client.on('command', ({ command }) => void this.commands.run(command)),
      client.on('closing', ({ runs }) => (this.dialog = { kind: 'closing', runs })),
      client.on('opened', ({ paths }) => paths.slice(0, 1).forEach((path) => void this.openPath(path))),
      client.on('job', ({ state, title, error }) => {
        if (state === 'failed') this.tell('error', error ?? `${title} failed.`)
      }),
      client.on('workspace', ({ folder, reopened }) => {
        this.health.clear()
        if (reopened)
          this.tell('note', `The database process of ${folder} stopped and was restarted. No saved data was lost.`)
        void this.load()
      }),
      client.bridge.onConnection((state) => {
        if (state === 'open' && this.connection !== 'open') void this.load()
        this.connection = state
      })
    ]
    const systemChanged = (): void => this.#showTheme()
    this.#systemIsDark.addEventListener('change', systemChanged)
    const addressChanged = (): void => this.#followAddress()
    this.#followAddress()
    window.addEventListener('popstate', addressChanged)
    this.#showTheme()
    void this.load()
    return () => {
      off.forEach((remove) => remove())
      window.removeEventListener('popstate', addressChanged)
      this.#systemIsDark.removeEventListener('change', systemChanged)
    }
  }

  async load(): Promise<void> {
    try {
      this.state = await this.client.app.state({})
      this.#settle(this.state.settings)
      const { workspace, problem, untrusted } = this.state
      if (workspace !== null && problem !== null && untrusted === null) this.tell('note', problem)
      this.#tellNotes(this.state.notes)
      await this.loadRuns()
      await sendUnsent(this)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Allows writing to a workspace that somebody else made. */
  async trust(): Promise<void> {
    const folder = this.state?.untrusted ?? null
    if (folder === null) return
    this.state = await this.client.workspace.trust({ folder })
    this.tell('done', `${folder} is trusted and can be edited.`)
  }

  /** Shows each note once per tab, however often the page is loaded. */
  #tellNotes(notes: readonly string[]): void {
    for (const note of notes) {
      if (sessionStorage.getItem(`spectroscope.told ${note}`) !== null) continue
      sessionStorage.setItem(`spectroscope.told ${note}`, '')
      this.tell('error', note)
    }
  }

  async loadRuns(): Promise<void> {
    try {
      const before = this.runs
      this.runs = this.state?.workspace === null ? [] : await this.client.runs.list({})
      this.#tellEnded(before ?? [])
      this.sweeps = this.state?.workspace === null ? [] : await this.client.sweeps.list({})
    } catch (error) {
      this.fail(error)
    }
  }

  /** The run's progress view shows its error as well. */
  #tellProblem({ message, run }: Notices['problem']): void {
    if (run === undefined) return this.tell('error', message)
    if (this.route.view === 'run' && this.route.run === run && this.route.tab === 'progress') return
    this.tell('error', `Run “${this.runs?.find(({ id }) => id === run)?.name ?? run}” stopped: ${message}`, {
      label: 'Show',
      run: () => this.go({ view: 'run', run, tab: 'progress' })
    })
  }

  /** Announces runs and clusterings that have ended since the last list. */
  #tellEnded(before: readonly RunEntry[]): void {
    for (const run of this.runs ?? []) {
      const words = endWords(
        before.find(({ id }) => id === run.id),
        run
      )
      if (words === null) continue
      const { id, clustering } = run
      if (clustering === null) this.tell('done', words)
      else this.tell('done', words, { label: 'Explore', run: () => this.go({ view: 'explore', run: id, clustering }) })
    }
  }

  #settle(settings: Settings): void {
    if (this.state !== null) this.state = { ...this.state, settings }
    this.commands.rebind(settings.keys)
    this.#showTheme()
  }

  /** Publishes the current theme for the style sheet and canvases. */
  #showTheme(): void {
    const theme = this.settings?.theme ?? 'system'
    document.documentElement.dataset['theme'] =
      theme === 'system' ? (this.#systemIsDark.matches ? 'dark' : 'light') : theme
  }

  /** Shows the view of the address: at the start, and after Back or an edited address. */
  #followAddress(): void {
    const { hash } = window.location
    const route = routeAt(hash)
    if (route === undefined && hash.startsWith('#/')) this.tell('note', 'This address leads to no view.')
    this.route = route ?? { view: 'runs' }
  }

  /** Goes to a view; the browser's Back returns from it. */
  readonly go = (route: Route): void => {
    this.route = route
    const fragment = fragmentOf(route)
    if (fragment !== window.location.hash) window.history.pushState(null, '', fragment)
  }

  /** Updates the address to what the view shows, so that Back and reload return to it, without a step in history. */
  readonly showInAddress = (route: Route): void => {
    const fragment = fragmentOf(route)
    if (fragment !== window.location.hash) window.history.replaceState(null, '', fragment)
  }

  /** Explores the clustering that was open last, or the latest. */
  explore(): void {
    const last = this.view('explored', (value) => value as { run: string; clustering: number } | undefined, undefined)
    const there = (this.runs ?? []).filter(
      ({ archived, deleted, clustering }) => !archived && !deleted && clustering !== null
    )
    const known = there.find(
      ({ id, clusterings }) => id === last?.run && clusterings.some(({ number }) => number === last.clustering)
    )
    const latest = there.at(-1)
    if (known !== undefined && last !== undefined)
      this.go({ view: 'explore', run: known.id, clustering: last.clustering })
    else if (latest?.clustering !== null && latest !== undefined)
      this.go({ view: 'explore', run: latest.id, clustering: latest.clustering })
  }

  /** Whether the tour is still to be offered: neither taken nor declined. */
  get offersTour(): boolean {
    const isOver = this.view('tour', (value) => (typeof value === 'boolean' ? value : undefined), false)
    return this.state !== null && this.tour === null && !isOver
  }

  startTour(): void {
    this.#showStep(0)
  }

  stepTour(by: number): void {
    if (this.tour !== null && tourSteps[this.tour + by] !== undefined) this.#showStep(this.tour + by)
  }

  endTour(): void {
    this.tour = null
    this.keep('tour', true)
  }

  #showStep(at: number): void {
    this.tour = at
    const { view } = tourSteps[at]
    if (view === this.route.view) return
    if (view === 'explore') this.explore()
    else this.go({ view })
  }

  /** Opens files dropped on the window: an annotated set to import, or a model folder for a new run. */
  async open(files: readonly File[]): Promise<void> {
    const [file] = files
    const path = this.client.bridge.pathOf(file)
    try {
      if (/\.json$/i.test(file.name) && (await takeUnsentFile(this, file))) return
      if (path !== null) return await this.openPath(path)
      if (!file.name.endsWith('.json'))
        return this.tell(
          'note',
          `${file.name}: browsers hide the path of a dropped file. Choose the file in "New run" or "Import" instead.`
        )
      const received = await this.client.imports.receive({
        name: file.name,
        content: new Uint8Array(await file.arrayBuffer())
      })
      await this.openPath(received.path)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Imports an annotated set; starts a new run from a configuration, model folder or corpus. */
  async openPath(path: string): Promise<void> {
    const isSet = (): Promise<boolean> =>
      this.client.runs.readConfiguration({ path }).then(
        ({ configuration }) => 'format' in configuration,
        () => true
      )
    if (/\.json$/i.test(path) && (await isSet())) this.dialog = { kind: 'import', path }
    else this.go({ view: 'new-run', dropped: path })
  }

  async changeSettings(changes: Partial<Settings>): Promise<void> {
    this.#settle(await this.client.settings.change({ changes }))
  }

  /** State saved by a view; `fallback` if there is none, or none that is valid. */
  view<T>(key: string, read: (value: unknown) => T | undefined, fallback: T): T {
    return read(this.state?.views[key]) ?? fallback
  }

  /** Saves state of a view, as plain JSON. */
  keep(key: string, value: unknown): void {
    const views = { ...this.state?.views, [key]: value }
    if (this.state !== null) this.state = { ...this.state, views }
    void this.client.views.save({ key, value: value as never }).catch(this.fail)
  }

  /** Engines found when they were last measured; empty before the first time. */
  get engines(): readonly string[] {
    return this.view(
      'engines',
      (value) => (Array.isArray(value) ? value.filter((name) => typeof name === 'string') : undefined),
      []
    )
  }

  tell(kind: Toast['kind'], text: string, action?: Toast['action']): void {
    const id = ++this.#lastToast
    const toast: Toast = { id, kind, text, ...(action === undefined ? {} : { action }) }
    this.toasts = [...this.toasts.filter((other) => other.text !== text), toast].slice(-4)
    if (toastSeconds[kind] < Infinity) window.setTimeout(() => this.dismiss(id), 1000 * toastSeconds[kind])
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id)
  }

  readonly fail = (error: unknown): void => this.tell('error', messageOf(error))
}

const key = Symbol('workbench')
export const provideWorkbench = (workbench: Workbench): Workbench => setContext(key, workbench)
export const useWorkbench = (): Workbench => getContext<Workbench>(key)
