import { SvelteMap } from 'svelte/reactivity'
import {
  clusterOf,
  clusterTarget,
  isSelection,
  limits,
  parseTarget,
  statusAfterNaming,
  tidyName
} from '../../preload/contract'
import type {
  Annotation,
  AnnotationChange,
  AnnotationTarget,
  ClusterNumber,
  LabelChanges,
  LabelStatus
} from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import type { Explore } from '../explore/explore.svelte'
import { explored } from '../explore/explored.svelte'
import { isGroup } from '../explore/groups'
import { changeWords, commonLabel, tagChanges } from './label-changes'
import { LabelQueue } from './label-queue'
import type { QueueState } from './label-queue'
import { OpenSelection } from './open-selection.svelte'
import { allUnsent, dropUnsent, keepUnsent } from './outbox'
import { suggestNames, withLaterNames } from './suggestions'
import type { NamedCluster } from './suggestions'

/**
 * A clustering's queue outlives its view, so that pending labels are saved after the person has left it.
 */
interface Desk {
  readonly queue: LabelQueue
  labelling: Labelling
}
const desks = new WeakMap<Workbench, Map<string, Desk>>()

/** Labelling of one clustering: targets, suggestions and pending steps. */
export class Labelling {
  readonly explore: Explore
  readonly #desk: Desk
  #saved = new Map<AnnotationTarget, Annotation | undefined>()
  state: QueueState = $state.raw({ pending: [], unsaved: [], waiting: false })
  /** Part of the current cluster whose label is edited instead of the cluster's. */
  part: AnnotationTarget | null = $state(null)
  /** Cluster of the open blind test. */
  blindTest: ClusterNumber | null = $state(null)
  historyShown = $state(false)
  /** Suggestions for the open cluster, in the order of their numbers. */
  readonly #shown = new SvelteMap<ClusterNumber, readonly string[]>()
  readonly #drawn = new Map<ClusterNumber, readonly string[]>()

  readonly selection: OpenSelection

  /** Targets of the editor: the open selection; clusters, each replaced by its merge if it has one; or a part. */
  readonly targets: readonly AnnotationTarget[] = $derived.by(() => {
    const { explore } = this
    if (this.selection.target !== null) return [this.selection.target]
    if (this.part !== null && explore.annotations.has(this.part)) return [this.part]
    return [
      ...new Set(explore.labelled.map((cluster) => explore.merges.get(cluster)?.target ?? clusterTarget(cluster)))
    ]
  })
  readonly annotation: Annotation | undefined = $derived.by(() =>
    this.targets.length === 1 ? this.explore.annotations.get(this.targets[0]) : undefined
  )
  readonly common = $derived.by(() =>
    commonLabel(
      this.targets.map(
        (target) => this.explore.annotations.get(target) ?? this.selection.pendingLabel(target, this.state.pending)
      )
    )
  )
  readonly suggestions: readonly string[] = $derived.by(() =>
    this.explore.current === null || this.selection.target !== null ? [] : this.#suggestionsFor(this.explore.current)
  )
  /** Tags in use, most frequent first. */
  readonly tagsInUse: readonly string[] = $derived.by(() => {
    const counts = new Map<string, number>()
    for (const { tags } of this.explore.annotations.values())
      for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1)
    return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([tag]) => tag)
  })
  /** Parts of the current cluster. */
  readonly parts: readonly Annotation[] = $derived.by(() =>
    [...this.explore.annotations.values()]
      .filter(({ target, cluster }) => parseTarget(target).kind === 'part' && cluster === this.explore.current)
      .sort((a, b) => a.target.localeCompare(b.target, 'en', { numeric: true }))
  )

  constructor(explore: Explore) {
    this.explore = explore
    this.selection = new OpenSelection(explore)
    const { workbench, run, clustering } = explore
    const inWorkbench = desks.get(workbench) ?? new Map<string, Desk>()
    desks.set(workbench, inWorkbench)
    const key = `${run} ${clustering}`
    const known = inWorkbench.get(key)
    this.#desk = known ?? this.#open()
    inWorkbench.set(key, this.#desk)
    this.#desk.labelling = this
    this.state = this.#desk.queue.state
    explore.amend = (target, saved) => {
      this.#saved.set(target, saved)
      return this.#desk.queue.amend(target, saved)
    }
    this.#show([
      ...new Set([
        ...explore.annotations.keys(),
        ...this.state.pending.flatMap(({ changes }) =>
          changes.flatMap((change) => (change.do === 'set' ? change.targets : []))
        )
      ])
    ])
    workbench.labelsSaved = () => this.#desk.queue.settled()
    workbench.labelsPending = () => this.#desk.queue.state.pending.length
  }

  #open(): Desk {
    const { workbench, run, clustering } = this.explore
    const workspace = workbench.state?.workspace ?? ''
    const kept = allUnsent().filter((one) => one.run === run && one.clustering === clustering)
    let ids = new Set(kept.map(({ step }) => step.id))
    const queue: LabelQueue = new LabelQueue({
      save: ({ changes, words, id }) => desk.labelling.explore.save(changes, words, id),
      changed: (state) => {
        desk.labelling.#changed(state)
        const steps = [...state.unsaved.map(({ step }) => step), ...state.pending]
        const now = new Set(steps.map(({ id }) => id))
        for (const step of steps.filter(({ id }) => !ids.has(id))) {
          keepUnsent({ workspace, run, clustering, step: { ...step, changes: [...step.changes] } })
        }
        for (const id of ids) if (!now.has(id)) dropUnsent(id)
        ids = now
        workbench.unsent = allUnsent().length
      },
      show: (targets) => desk.labelling.#show(targets)
    })
    const desk: Desk = { queue, labelling: this }
    this.explore.workbench.client.bridge.onConnection((state) => state === 'open' && queue.resume())
    const [own, others] = [true, false].map((own) => kept.filter((one) => (one.workspace === workspace) === own))
    queueMicrotask(() => {
      const [other] = others
      if (other !== undefined) {
        queue.bringBack(
          others.map(({ step }) => step),
          `It belongs to the workspace ${other.workspace}.`
        )
      }
      if (own.length > 0) queue.send(own.map(({ step }) => step))
    })
    return desk
  }

  #changed(state: QueueState): void {
    const fresh = state.unsaved.filter(({ step }) => !this.state.unsaved.some((known) => known.step === step))
    this.state = state
    this.explore.saving = state.pending.length
    const { workbench } = this.explore
    if (explored.view !== this.explore)
      for (const { step, problem } of fresh)
        workbench.tell('error', `Could not ${step.words}: ${problem} Open its clustering to retry.`)
  }

  #show(targets: readonly AnnotationTarget[]): void {
    const { annotations } = this.explore
    for (const target of targets) {
      if (!this.#saved.has(target)) this.#saved.set(target, annotations.get(target))
      const annotation = this.#desk.queue.amend(target, this.#saved.get(target))
      if (annotation === undefined) annotations.delete(target)
      else annotations.set(target, annotation)
    }
  }

  /** Queues a step, which is shown at once. */
  #add(asked: readonly AnnotationChange[], words: string): void {
    if (asked.length === 0) return
    const changes = asked.flatMap((change) => this.selection.resolved(change))
    const { annotations, workbench } = this.explore
    for (const change of changes)
      if (change.do === 'set' || change.do === 'clear')
        for (const target of change.targets)
          if (!this.#saved.has(target)) this.#saved.set(target, annotations.get(target))
    this.#desk.queue.add(changes, words, {
      author: workbench.settings?.author ?? '',
      changedAt: new Date().toISOString()
    })
  }

  /** Changes the labels of the edited targets, or of those given. */
  set(label: LabelChanges, targets: readonly AnnotationTarget[] = this.targets): void {
    if (targets.length > 0) this.#add([{ do: 'set', targets: [...targets], label }], this.#words(targets, label))
  }

  /** Sets a name; unseen and skipped targets become labelled. */
  name(text: string, targets: readonly AnnotationTarget[] = this.targets): void {
    const name = tidyName(text).slice(0, limits.name)
    const status = commonLabel(targets.map((target) => this.explore.annotations.get(target))).status ?? 'unseen'
    this.set({ name, status: statusAfterNaming(name, status) }, targets)
  }

  addTag(tag: string, targets: readonly AnnotationTarget[] = this.targets): void {
    const tidy = tidyName(tag).slice(0, limits.tag)
    if (tidy !== '') this.#changeTags({ add: tidy }, `tag ${this.#what(targets)} ${tidy}`, targets)
  }

  removeTag(tag: string): void {
    this.#changeTags({ remove: tag }, `remove tag ${tag} from ${this.#what(this.targets)}`, this.targets)
  }

  #words(targets: readonly AnnotationTarget[], label: LabelChanges): string {
    return changeWords(targets, label, (cluster) => this.explore.levelWord(cluster))
  }

  #what(targets: readonly AnnotationTarget[]): string {
    return this.#words(targets, {}).replace('change ', '')
  }

  #changeTags(
    change: { readonly add?: string; readonly remove?: string },
    words: string,
    targets: readonly AnnotationTarget[]
  ): void {
    this.#add(
      tagChanges(targets, (target) => this.explore.annotations.get(target)?.tags ?? [], change),
      words
    )
  }

  /** Accepts a suggestion by its number, from 1, and opens the next unseen cluster. */
  accept(number: number): void {
    const name = this.suggestions[number - 1]
    if (name !== undefined) this.andMoveOn(() => this.set({ name, status: 'labelled' }))
  }

  /** Sets a status and opens the next unseen cluster. */
  mark(status: LabelStatus): void {
    this.andMoveOn(() => this.set({ status }))
  }

  clear(): void {
    const there = this.targets.filter((target) => this.explore.annotations.has(target))
    if (there.length > 0)
      this.#add(
        [{ do: 'clear', targets: there }],
        there.length === 1 && clusterOf(there[0]) === undefined
          ? `${isSelection(there[0]) ? 'remove' : 'undo'} ${there[0].replace(':', ' ')}`
          : `clear label of ${this.#what(this.targets)}`
      )
    this.part = null
  }

  merge(): void {
    const clusters = this.explore.labelled
    if (clusters.length < 2) return
    const name = clusters.map((cluster) => this.explore.givenNameOf(cluster)).find((given) => given !== '')
    const tags = [...this.common.tags]
    this.#add(
      [
        {
          do: 'merge',
          clusters: [...clusters],
          label: { ...(name === undefined ? {} : { name, status: 'labelled' }), ...(tags.length === 0 ? {} : { tags }) }
        }
      ],
      `merge ${clusters.length} clusters`
    )
    const [first] = clusters
    this.explore.open(this.explore.current ?? first)
  }

  get merged(): Annotation | undefined {
    return this.explore.current === null ? undefined : this.explore.merges.get(this.explore.current)
  }

  takeApart(): void {
    const { merged } = this
    if (merged !== undefined)
      this.#add([{ do: 'clear', targets: [merged.target] }], `unmerge ${merged.clusters?.length ?? 0} clusters`)
  }

  /**
   * Changes the edited targets, then opens the next unseen cluster in the list's order before the change. A selection
   * stays open.
   */
  andMoveOn(act: () => void): void {
    const { explore } = this
    if (this.selection.target !== null) return act()
    const next = this.#next()
    act()
    this.part = null
    if (next === undefined) {
      explore.selected.clear()
      explore.workbench.tell('note', 'No unseen clusters left in the list.')
    } else explore.open(next)
  }

  /**
   * The next unseen cluster after the current one in the list, continuing from its beginning.
   */
  #next(): ClusterNumber | undefined {
    const { explore } = this
    const { order } = explore
    const at = explore.current === null ? -1 : order.indexOf(explore.current)
    const edited = new Set(
      explore.labelled.flatMap((cluster) => [cluster, ...(explore.merges.get(cluster)?.clusters ?? [])])
    )
    const isNext = (cluster: ClusterNumber): boolean => !edited.has(cluster) && this.#isUnseen(cluster)
    return order.slice(at + 1).find(isNext) ?? order.slice(0, Math.max(at, 0)).find(isNext)
  }

  #isUnseen(cluster: ClusterNumber): boolean {
    const entry = this.explore.entries.get(cluster)
    return entry !== undefined && isGroup(entry) && this.explore.statusOf(cluster) === 'unseen'
  }

  /** Opens the next or previous unseen cluster. */
  toUnseen(by: 1 | -1): void {
    const { explore } = this
    const next = by === 1 ? this.#next() : undefined
    if (next !== undefined) explore.open(next)
    else if (by === 1 || !explore.step(-1, (cluster) => this.#isUnseen(cluster))) {
      explore.workbench.tell(
        'note',
        by === 1 ? 'No unseen clusters left in the list.' : 'No unseen cluster before this one.'
      )
    }
  }

  #suggestionsFor(cluster: ClusterNumber): readonly string[] {
    const entry = this.explore.entries.get(cluster)
    return (
      this.#shown.get(cluster) ??
      (entry === undefined ? [] : suggestNames(entry, this.#named, this.#drawn.get(cluster)))
    )
  }

  readonly #named: readonly NamedCluster[] = $derived.by(() => {
    const { explore } = this
    return [...explore.annotations.values()].flatMap(({ target, name, clusters }) => {
      const { kind, number } = parseTarget(target)
      if (name === '' || kind === 'part' || kind === 'selection') return []
      return (clusters ?? [number]).flatMap((cluster) => {
        const entry = explore.entries.get(cluster)
        return entry === undefined ? [] : [{ name, entry }]
      })
    })
  })

  /**
   * Fixes the suggestions of a cluster when it is opened, so that a number keeps its name while the cluster is open.
   * Also requests names from patterns, for this cluster and the next unseen ones in advance.
   */
  async prepare(cluster: ClusterNumber): Promise<void> {
    const { explore } = this
    for (const other of [...this.#shown.keys()]) if (other !== cluster) this.#shown.delete(other)
    this.#shown.set(cluster, this.#suggestionsFor(cluster))
    for (const asked of [cluster, ...this.#following(cluster, 3)]) {
      if (this.#drawn.has(asked)) continue
      try {
        const { names } = await explore.workbench.client.labels.suggest({ ...explore.where, cluster: asked })
        this.#drawn.set(asked, names)
        const shown = this.#shown.get(asked)
        if (shown !== undefined) this.#shown.set(asked, withLaterNames(shown, names))
      } catch {
        // Names drawn from the list are available without this call.
      }
    }
  }

  /** The next unseen clusters of the list. */
  #following(cluster: ClusterNumber, count: number): ClusterNumber[] {
    const { order } = this.explore
    const found: ClusterNumber[] = []
    for (let at = order.indexOf(cluster) + 1; at < order.length && found.length < count; at++) {
      if (this.#isUnseen(order[at])) found.push(order[at])
    }
    return found
  }

  retry(id?: string): void {
    this.#desk.queue.retry(id)
  }

  discard(id: string): void {
    this.#desk.queue.discard(id)
  }

  resume(): void {
    this.#desk.queue.resume()
  }
}
