import { getContext, setContext, untrack } from 'svelte'
import { SvelteMap } from 'svelte/reactivity'
import { messageOf, strata } from '../../preload/contract'
import type { ClusterNumber, GalleryToken, Stratum, TokenInContext } from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import type { Explore } from '../explore/explore.svelte'
import { Latest } from '../ui/latest'
import { GalleryReader } from './gallery-reader'
import { contextWidths, defaultPreferences, readPreferences } from './preferences'
import type { Preferences, SectionName } from './preferences'
import { planGroups, planInTurn } from './row-plan'
import type { PlannedLine, RowPlan } from './row-plan'
import { mostLines } from './shown'
import type { Filter, Shown, Wanted } from './shown'

const widest = 1024
const dimAfter = 100
const blankAfter = 700

/** State of the gallery: what it shows, how, and where its cursor is. */
export class Gallery {
  readonly #workbench: Workbench
  readonly #explore: Explore
  preferences: Preferences = $state.raw(defaultPreferences)
  stratum: Stratum = $state('central')
  seed = $state(1)
  filter: Filter | null = $state.raw(null)
  shown: Shown | null = $state.raw(null)
  failure: string | null = $state(null)
  /**
   * Progress of a request: none, slow enough to dim the previous content, or too slow to keep showing it.
   */
  waiting: 'no' | 'dim' | 'blank' = $state('no')
  /** Contexts longer than the setting, by token. */
  readonly expanded = new SvelteMap<number, TokenInContext>()
  /** Number of lines shown of a group, if a person asked for more. */
  readonly opened = new SvelteMap<string, number>()
  cursor: { readonly column: number; readonly line: number } = $state.raw({ column: 0, line: 0 })
  /** Whether the contexts have the focus. */
  focused = $state(false)
  membership: Int32Array | null = $state.raw(null)
  /** Counts arrivals of rows. */
  revision = $state(0)

  readonly #reader: GalleryReader
  /** Two at once, so that a slow cluster does not hold up the one a person moves on to. */
  readonly #requests = new Latest((error) => this.#fail(error), 2)
  #timers: number[] = []
  #lastCluster: ClusterNumber | null = null
  #lastTokens: Int32Array
  #own: Int32Array | null = null
  #membershipAsked = false
  #selections = 0
  /** The cluster at the last read-ahead. */
  #readAheadFrom: ClusterNumber | null = null

  readonly plans: readonly RowPlan[] = $derived.by(() => {
    this.followRows()
    return (this.shown?.columns ?? []).map((column) => {
      if (column.inTurn) return planInTurn(column.sources.map(({ rows }) => Math.min(rows.total ?? 0, mostLines / 2)))
      return planGroups(
        column.sources.map(({ key, rows, heading, opening }) => ({
          total: rows.total ?? 0,
          shown: this.opened.get(key) ?? opening,
          heading: heading !== null
        }))
      )
    })
  })

  constructor(workbench: Workbench, explore: Explore) {
    this.#workbench = workbench
    this.#explore = explore
    this.preferences = workbench.view('gallery', readPreferences, defaultPreferences)
    this.stratum = this.preferences.stratum
    this.#lastTokens = explore.tokens
    this.#reader = new GalleryReader(explore, () => this.revision++)
  }

  /** Follows the state shared by the panes; call it in an effect. */
  follow(): void {
    const { current, tokens, similar } = this.#explore
    untrack(() => {
      const chosen = tokens !== this.#lastTokens && tokens !== this.#own
      if (current !== this.#lastCluster) {
        this.filter = null
        if (!chosen) this.selection = false
      }
      if (chosen) this.selection = tokens.length > 0
      if (tokens.length === 0) this.selection = false
      if (tokens !== this.#lastTokens) this.#selections++
      this.#lastTokens = tokens
      this.#lastCluster = current
    })
    const { selection, seed, filter, preferences } = this
    const wanted: Wanted = {
      cluster: current,
      similar,
      selection: selection ? tokens : null,
      selections: this.#selections,
      stratum: this.stratumOf(current),
      seed,
      filter,
      preferences
    }
    untrack(() => this.#show(wanted))
  }

  /** Whether the selected tokens are shown rather than a cluster. */
  get selection(): boolean {
    return this.#explore.selectionOpen
  }

  set selection(open: boolean) {
    this.#explore.selectionOpen = open
  }

  /** Makes an effect depend on arriving rows. */
  followRows(): number {
    return this.revision
  }

  prefer(changes: Partial<Preferences>): void {
    this.preferences = { ...this.preferences, ...changes }
    this.#workbench.keep('gallery', this.preferences)
  }

  toggleSection(name: SectionName): void {
    const { closed } = this.preferences
    this.prefer({ closed: closed.includes(name) ? closed.filter((other) => other !== name) : [...closed, name] })
  }

  /** Shows another stratum; choosing "random" again draws anew. */
  choose(stratum: Stratum | 'selection'): void {
    if (stratum === 'selection') {
      this.selection = true
      return
    }
    if (stratum === 'random' && this.stratum === 'random' && !this.selection) this.seed++
    this.selection = false
    this.stratum = stratum
    if (stratum !== 'toward') this.prefer({ stratum })
  }

  /** Why a cluster has no such stratum; null if it has. */
  missing(stratum: Stratum, cluster = this.#explore.current): string | null {
    const entry = cluster === null ? undefined : this.#explore.entries.get(cluster)
    if (entry === undefined) return null
    if ((stratum === 'core' || stratum === 'edge') && entry.stability === null) return 'Not measured: needs “stability”'
    return stratum === 'exceptions' && entry.ruleF1 === null ? 'No rules' : null
  }

  /** The chosen stratum, or the first if the cluster has none of it. */
  stratumOf(cluster = this.#explore.current): Stratum {
    return this.missing(this.stratum, cluster) === null ? this.stratum : 'central'
  }

  stepStratum(by: number): void {
    const there = strata.filter((stratum) => this.missing(stratum) === null)
    const all: readonly (Stratum | 'selection')[] = [
      ...there,
      ...(this.#explore.tokens.length > 0 ? (['selection'] as const) : [])
    ]
    const at = all.indexOf(this.selection ? 'selection' : this.stratumOf())
    this.choose(all[(at + by + all.length) % all.length])
  }

  stepWidth(by: number): void {
    const at = contextWidths.findIndex((width) => width === this.preferences.width)
    this.prefer({ width: contextWidths[Math.max(0, Math.min(contextWidths.length - 1, at + by))] })
    this.expanded.clear()
  }

  /** Closes the compared cluster. */
  closeSimilar(): void {
    if (this.#explore.similar !== null) this.#explore.similar = null
    if (this.stratum === 'toward') this.choose('central')
  }

  retry(): void {
    this.failure = null
    for (const { sources } of this.shown?.columns ?? [])
      for (const { rows } of sources) if (rows.failure !== null) rows.retry()
    this.follow()
  }

  lineAt(column: number, line: number): PlannedLine | null {
    const plan = this.plans.at(column)
    return plan === undefined || line < 0 || line >= plan.length ? null : plan.at(line)
  }

  /** Token of a line; undefined if it is not loaded or the line has no token. */
  tokenAt(column: number, line: number): GalleryToken | undefined {
    this.followRows()
    const planned = this.lineAt(column, line)
    return planned?.kind === 'row'
      ? this.shown?.columns[column].sources[planned.group].rows.at(planned.place)
      : undefined
  }

  get cursorToken(): GalleryToken | undefined {
    return this.tokenAt(this.cursor.column, this.cursor.line)
  }

  /** Loads the rows of lines in view. */
  see(column: number, first: number, last: number): void {
    const shown = this.shown?.columns[column]
    if (shown === undefined) return
    const ranges = new Map<number, [number, number]>()
    for (let line = Math.max(0, first); line <= last; line++) {
      const planned = this.lineAt(column, line)
      if (planned?.kind !== 'row') continue
      const range = ranges.get(planned.group)
      if (range === undefined) ranges.set(planned.group, [planned.place, planned.place])
      else range[1] = planned.place
    }
    for (const [group, [from, to]] of ranges) shown.sources[group].rows.want(from, to)
  }

  open(key: string, lines: number): void {
    this.opened.set(key, lines)
  }

  /** Adds a token to the selection or removes it; the selection can be split off. */
  toggleMark(token: number): void {
    const there = this.#explore.tokens
    const without = there.filter((other) => other !== token)
    this.#own = without.length < there.length ? without : Int32Array.from([...there, token]).sort()
    this.#explore.tokens = this.#own
  }

  clearMarks(): void {
    this.#own = new Int32Array(0)
    this.#explore.tokens = this.#own
  }

  /** Cycles through four times the context, the whole row, and the normal width. */
  async toggleContext(token: TokenInContext): Promise<void> {
    const { width } = this.preferences
    const now = this.expanded.get(token.token)
    const reach = now === undefined ? 0 : Math.max(now.before.length, now.after.length)
    if (
      reach > 4 * width ||
      (now !== undefined &&
        now.before.length === now.position &&
        now.before.length < 4 * width &&
        now.after.length < 4 * width)
    ) {
      this.expanded.delete(token.token)
      return
    }
    const around = reach === 0 ? Math.min(widest, 4 * width) : widest
    const [more] = await this.#explore.contexts(Int32Array.of(token.token), around, around)
    if (now !== undefined && more.before.length === now.before.length && more.after.length === now.after.length)
      this.expanded.delete(token.token)
    else this.expanded.set(token.token, more)
  }

  #take(shown: Shown): void {
    this.#timers.forEach((timer) => window.clearTimeout(timer))
    this.waiting = 'no'
    this.failure = null
    if (this.shown?.key !== shown.key) {
      if (this.shown?.cluster !== shown.cluster || this.shown.selection !== shown.selection) {
        this.expanded.clear()
        this.opened.clear()
      }
      this.cursor = { column: 0, line: this.#firstRow(shown) }
    }
    this.shown = shown
    if (shown.cluster !== null || shown.selection || this.#explore.entries.size === 0) this.#explore.galleryShown = true
    if (shown.selection) void this.#askMembership()
    this.#prefetch()
  }

  #firstRow(shown: Shown): number {
    return shown.columns.at(0)?.sources.at(0)?.heading === null ? 0 : 1
  }

  #show(wanted: Wanted): void {
    if (wanted.cluster === null && wanted.selection === null) {
      this.#requests.forget()
      this.#take(this.#reader.arrange(wanted, null, null))
      return
    }
    const here = this.#reader.here(wanted)
    if (here !== null) {
      this.#requests.forget()
      this.#take(here)
      return
    }
    this.#timers.forEach((timer) => window.clearTimeout(timer))
    this.#timers = [
      window.setTimeout(() => (this.waiting = 'dim'), dimAfter),
      window.setTimeout(() => (this.waiting = 'blank'), blankAfter)
    ]
    this.#requests.ask(
      () => this.#reader.bring(wanted),
      (shown) => this.#take(shown)
    )
  }

  #fail(error: unknown): void {
    this.#timers.forEach((timer) => window.clearTimeout(timer))
    this.waiting = 'no'
    this.#explore.galleryShown = true
    this.failure = messageOf(error)
  }

  /** Reads clusters ahead, one at a time, beginning with the one that repeating the last step leads to. */
  #prefetch(): void {
    const { order, current } = this.#explore
    const at = current === null ? -1 : order.indexOf(current)
    if (at < 0 || this.selection) return
    const before = this.#readAheadFrom === null ? -1 : order.indexOf(this.#readAheadFrom)
    this.#readAheadFrom = current
    const again = before < 0 ? at + 1 : 2 * at - before
    const unseen = order.slice(at + 1, at + 200).find((cluster) => this.#explore.statusOf(cluster) === 'unseen')
    const next = [
      ...new Set([
        again < 0 ? undefined : order.at(again),
        order.at(at + 1),
        unseen,
        at > 0 ? order[at - 1] : undefined
      ])
    ].filter((cluster) => cluster !== undefined)
    void (async () => {
      for (const cluster of next) {
        if (this.#explore.current !== current) return
        const wanted: Wanted = {
          cluster,
          similar: null,
          selection: null,
          selections: this.#selections,
          stratum: this.stratumOf(cluster),
          seed: this.seed,
          filter: null,
          preferences: this.preferences
        }
        if (this.#reader.here(wanted) === null) await this.#reader.bring(wanted)
      }
    })().catch(() => undefined)
  }

  async #askMembership(): Promise<void> {
    if (this.#membershipAsked) return
    this.#membershipAsked = true
    try {
      this.membership = await this.#workbench.client.tokens.membership(this.#explore.where)
    } catch (error) {
      this.#membershipAsked = false
      this.#workbench.fail(error)
    }
  }
}

const key = Symbol('gallery')
export const provideGallery = (gallery: Gallery): Gallery => setContext(key, gallery)
export const useGallery = (): Gallery => getContext<Gallery>(key)
