import { tick, untrack } from 'svelte'
import { SvelteMap } from 'svelte/reactivity'
import type { RunEntry, RunProgress } from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import { filtered, isWorking, readListing, sorted, usualListing } from './listing'
import type { Column, Listing } from './listing'

/** Most rows shown; filter to see others. */
export const mostRuns = 1000

/** State of the list of runs: what is listed, which run is chosen, and what can be done with it. */
export class RunTable {
  readonly workbench: Workbench
  listing: Listing
  text = $state('')
  chosen: string | null = $state(null)
  renaming: string | null = $state(null)
  continuing: string | null = $state(null)
  opening = $state(false)
  rowHasFocus = $state(false)
  body: HTMLTableSectionElement | undefined = $state()
  search: HTMLInputElement | undefined = $state()
  readonly progress = new SvelteMap<string, RunProgress>()

  /** All runs but those that a sweep made, which are on its page. */
  readonly #own: readonly RunEntry[] = $derived.by(() => {
    const swept = new Set(this.workbench.sweeps.flatMap(({ runs }) => runs))
    return (this.workbench.runs ?? []).filter(({ id }) => !swept.has(id))
  })
  readonly kept: readonly RunEntry[] = $derived.by(() => this.#own.filter(({ deleted }) => !deleted))
  readonly fitting: readonly RunEntry[] = $derived.by(() =>
    sorted(filtered(this.#own, this.text, this.listing), this.listing)
  )
  readonly shown = $derived(this.fitting.slice(0, mostRuns))
  readonly current = $derived(this.shown.find(({ id }) => id === this.chosen) ?? this.shown.at(0))
  readonly #working = $derived(
    this.kept
      .filter(isWorking)
      .map(({ id }) => id)
      .join(' ')
  )

  constructor(workbench: Workbench) {
    this.workbench = workbench
    this.listing = $state.raw(workbench.view('runs.list', readListing, usualListing))
    $effect(() => this.#followLabels())
    $effect(() =>
      workbench.client.on('run-event', ({ run, event }) => {
        if (event.type === 'progress') this.progress.set(run, event.progress)
        else if (event.type === 'stage') this.progress.delete(run)
      })
    )
    $effect(() => {
      const ids = this.#working.split(' ').filter((id) => id !== '')
      untrack(() => this.#readProgress(ids))
    })
  }

  /** Labels may have been given since the runs were read, here or in another window. */
  #followLabels(): () => void {
    let timer = 0
    const reload = (): void => {
      timer = 0
      void this.workbench.loadRuns()
    }
    untrack(reload)
    const off = this.workbench.client.on('annotations', () => (timer ||= window.setTimeout(reload, 500)))
    return () => {
      off()
      window.clearTimeout(timer)
    }
  }

  #readProgress(ids: readonly string[]): void {
    for (const id of this.progress.keys()) if (!ids.includes(id)) this.progress.delete(id)
    for (const run of ids)
      this.workbench.client.runs.live({ run }).then(
        (live) => live.progress !== null && this.progress.set(run, live.progress),
        // A run may end between the list and this call; its row shows that.
        () => undefined
      )
  }

  list(changes: Partial<Listing>): void {
    this.listing = { ...this.listing, ...changes }
    this.workbench.keep('runs.list', this.listing)
  }

  sort(column: Column): void {
    this.list(
      this.listing.by === column
        ? { descending: !this.listing.descending }
        : { by: column, descending: column === 'clusters' || column === 'labelled' || column === 'tokens' }
    )
  }

  async focus(id: string): Promise<void> {
    this.chosen = id
    await tick()
    const row = this.body?.querySelector<HTMLElement>(`tr[data-run="${CSS.escape(id)}"]`)
    row?.focus()
    row?.scrollIntoView({ block: 'nearest' })
  }

  step(by: number): void {
    if (this.shown.length === 0) return
    const at = this.shown.findIndex(({ id }) => id === this.current?.id)
    // The first press only brings the focus to the chosen row.
    const to = this.rowHasFocus || Math.abs(by) > 1 ? at + by : at
    void this.focus(this.shown[Math.max(0, Math.min(this.shown.length - 1, to))].id)
  }

  stepPage(pages: number): void {
    const height = this.body?.querySelector('tr')?.offsetHeight ?? 0
    const room = this.body?.closest('.scroll')?.clientHeight ?? 0
    this.step(pages * Math.max(2, Math.floor(room / Math.max(1, height)) - 1))
  }

  open(run: RunEntry): void {
    if (run.clustering === null) this.details(run)
    else this.workbench.go({ view: 'explore', run: run.id, clustering: run.clustering })
  }

  details(run: RunEntry): void {
    this.workbench.go({ view: 'run', run: run.id, tab: run.status === 'finished' ? 'diagnostics' : 'progress' })
  }

  async rename(run: RunEntry, name: string): Promise<void> {
    if (this.renaming !== run.id) return
    this.renaming = null
    void this.focus(run.id)
    const trimmed = name.trim()
    if (trimmed === '' || trimmed === run.name) return
    await this.workbench.client.runs.change({ run: run.id, changes: { name: trimmed } })
    await this.workbench.loadRuns()
  }

  async archive(run: RunEntry, to: boolean): Promise<void> {
    const { workbench } = this
    const next = this.#neighbour(run)
    await workbench.client.runs.change({ run: run.id, changes: { archived: to } })
    await workbench.loadRuns()
    if (to)
      workbench.tell('done', `“${run.name}” archived.`, {
        label: 'Undo',
        run: () => void this.archive(run, false).catch(workbench.fail)
      })
    if (to && !this.listing.archived && next !== undefined) await this.focus(next)
  }

  async remove(run: RunEntry): Promise<void> {
    const { workbench } = this
    const next = this.#neighbour(run)
    await workbench.client.runs.change({ run: run.id, changes: { deleted: true } })
    await workbench.loadRuns()
    workbench.tell('note', `“${run.name}” deleted. This becomes permanent when the workspace closes.`, {
      label: 'Undo',
      run: () => void this.#restore(run).catch(workbench.fail)
    })
    if (next !== undefined) await this.focus(next)
  }

  async #restore(run: RunEntry): Promise<void> {
    await this.workbench.client.runs.change({ run: run.id, changes: { deleted: false } })
    await this.workbench.loadRuns()
    await this.focus(run.id)
  }

  /** The run to choose once this one is out of sight. */
  #neighbour(run: RunEntry): string | undefined {
    const at = this.shown.findIndex(({ id }) => id === run.id)
    return (this.shown[at + 1] ?? this.shown[at - 1])?.id
  }

  async startDemo(): Promise<void> {
    const { run } = await this.workbench.client.runs.startDemo({})
    await this.workbench.loadRuns()
    this.workbench.go({ view: 'run', run, tab: 'progress' })
  }

  /** Opens the bundled example, already sampled and clustered. */
  async openExample(): Promise<void> {
    if (this.opening) return
    this.opening = true
    try {
      const { run } = await this.workbench.client.runs.openExample({})
      await this.workbench.loadRuns()
      const clustering = this.workbench.runs?.find(({ id }) => id === run)?.clustering
      if (clustering == null) this.workbench.go({ view: 'run', run, tab: 'progress' })
      else this.workbench.go({ view: 'explore', run, clustering })
    } finally {
      this.opening = false
    }
  }
}
