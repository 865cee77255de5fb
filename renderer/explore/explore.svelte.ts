import { getContext, setContext } from 'svelte'
import { SvelteMap, SvelteSet } from 'svelte/reactivity'
import { clusterOf, clusterTarget, groupName, isSelection, messageOf, saidOf } from '../../preload/contract'
import type {
  Annotation,
  AnnotationChange,
  AnnotationsChanged,
  AnnotationTarget,
  ClusterEntry,
  ClusterNumber,
  ClusteringOverview,
  Job,
  LabelStatus,
  Said,
  TokenInContext
} from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import { trustOf } from '../runs/trust'
import type { ColumnTrust } from '../runs/trust'
import type { Colouring } from './colouring'
import { GroupTree, isGroupKind, levelWords } from './groups'

/**
 * State shared by the three panes of the Explore view: a clustering, the selection in it, and its labels.
 */
export class Explore {
  readonly workbench: Workbench
  readonly run: string
  readonly clustering: number
  overview: ClusteringOverview | null = $state.raw(null)
  failure: string | null = $state(null)
  /** The job that describes the clustering, until it has finished. */
  job: Job | null = $state.raw(null)
  readonly annotations = new SvelteMap<AnnotationTarget, Annotation>()

  /** Cluster shown in the gallery, and target of labels. */
  current: ClusterNumber | null = $state(null)
  /** Cluster compared with the current one. */
  similar: ClusterNumber | null = $state(null)
  /** Clusters selected together; includes `current` if there are several. */
  readonly selected = new SvelteSet<ClusterNumber>()
  /** Selected token indices: from a lasso, a search or clicks in the gallery. */
  tokens: Int32Array = $state.raw(new Int32Array(0))
  /** Whether the selected tokens are read rather than a cluster. */
  selectionOpen = $state(false)
  /** Tokens that were gathered from whole clusters, and the merge that these clusters are. */
  gathered: { readonly tokens: Int32Array; readonly merge: AnnotationTarget | null } | null = $state.raw(null)
  /** The token under the pointer, or under the gallery's cursor. */
  hovered: number | null = $state(null)
  colouring: Colouring = $state.raw({ by: 'cluster' })
  /**
   * Whether the gallery has shown something or reported an error. Large data that is not read at once is requested
   * only then.
   */
  galleryShown = $state(false)
  /** Number of labels not yet saved to disk. */
  saving = $state(0)
  /** Clusters in the order of the list, which sets it; "next" and "previous" follow it. */
  order: readonly ClusterNumber[] = $state.raw([])
  /** A token or cluster for the graph to move to. */
  shown: { readonly token: number } | { readonly cluster: ClusterNumber } | null = $state.raw(null)
  /** Picture of the graph in view, as a data URL; null without a graph. */
  picture: (() => Promise<string>) | null = null
  /** Picture of the graph in view, as the text of an SVG file. */
  drawing: (() => string) | null = null
  /** Overlays unsaved labels on saved ones; set by the label queue. */
  amend: (target: AnnotationTarget, saved: Annotation | undefined) => Annotation | undefined = (_, saved) => saved

  readonly entries: ReadonlyMap<ClusterNumber, ClusterEntry> = $derived(
    new Map((this.overview?.clusters ?? []).map((entry) => [entry.cluster, entry]))
  )
  /** Clusters and the groups above them. */
  readonly groups: GroupTree = $derived(new GroupTree(this.entries))
  /** Merge that a cluster belongs to, by cluster. */
  readonly merges: ReadonlyMap<ClusterNumber, Annotation> = $derived(
    new Map(
      [...this.annotations.values()].flatMap((annotation) =>
        (annotation.clusters ?? []).map((cluster): [number, Annotation] => [cluster, annotation])
      )
    )
  )

  /**
   * Annotations of clusters: a cluster's own, or that of its merge. Holds only clusters with an annotation.
   */
  readonly #said: ReadonlyMap<ClusterNumber, Said> = $derived.by(() => saidOf(this.annotations.values()))
  /** How many of the groups count as labelled: clusters, and others. */
  readonly labelledCount: { readonly clusters: number; readonly others: number } = $derived.by(() => {
    const labelled = [...this.#said].filter(([group, { status }]) => status === 'labelled' && this.entries.has(group))
    const clusters = labelled.filter(([group]) => this.entries.get(group)?.kind === 'cluster').length
    return { clusters, others: labelled.length - clusters }
  })

  readonly #health = $derived.by(() => this.workbench.health.get(this.run))
  /** Reliability of each component's column; null if unknown. */
  readonly trust: ReadonlyMap<string, ColumnTrust> | null = $derived(
    this.#health === undefined ? null : trustOf(this.#health)
  )

  constructor(workbench: Workbench, run: string, clustering: number) {
    this.workbench = workbench
    this.run = run
    this.clustering = clustering
  }

  /** Reliability below which a column counts as mostly noise. */
  get threshold(): number {
    return this.#health?.threshold ?? 0.5
  }

  get where(): { readonly run: string; readonly clustering: number } {
    return { run: this.run, clustering: this.clustering }
  }

  /** Loads the clustering and follows its annotations; returns a function that stops following. */
  follow(): () => void {
    const { client } = this.workbench
    const off = [
      client.on('annotations', (changed) => this.#take(changed)),
      client.on('job', (job) => {
        if (job.kind === 'description' && job.run === this.run) this.job = job.state === 'working' ? job : null
      }),
      client.on('workspace', () => void this.load())
    ]
    void this.load()
    return () => off.forEach((remove) => remove())
  }

  #take({ run, clustering, changed }: AnnotationsChanged): void {
    if (run !== this.run) return
    for (const { target, annotation } of changed)
      if (clustering === this.clustering || isSelection(target)) this.#put(target, annotation ?? undefined)
  }

  #put(target: AnnotationTarget, saved: Annotation | undefined): void {
    const annotation = this.amend(target, saved)
    if (annotation === undefined) this.annotations.delete(target)
    else this.annotations.set(target, annotation)
  }

  async load(): Promise<void> {
    this.failure = null
    try {
      const overview = await this.workbench.client.clusters.overview(this.where)
      const saved = new Map(overview.annotations.map((annotation) => [annotation.target, annotation]))
      for (const target of new Set([...this.annotations.keys(), ...saved.keys()])) this.#put(target, saved.get(target))
      this.overview = overview
      this.workbench.undo = overview.undo
      this.workbench.health.ask(this.run)
      if (this.order.length === 0) this.order = overview.clusters.map(({ cluster }) => cluster)
    } catch (error) {
      this.failure = messageOf(error)
    } finally {
      this.job = null
    }
  }

  annotationOf(cluster: ClusterNumber): Annotation | undefined {
    return this.annotations.get(clusterTarget(cluster))
  }

  /** Label status of a cluster's merge, or of the cluster itself. */
  statusOf(cluster: ClusterNumber): LabelStatus {
    return this.#said.get(cluster)?.status ?? 'unseen'
  }

  /**
   * Name given to a cluster's merge, or to the cluster itself; "" if there is none.
   */
  givenNameOf(cluster: ClusterNumber): string {
    return this.#said.get(cluster)?.name ?? ''
  }

  /** Name of a cluster, or its number. */
  nameOf(cluster: ClusterNumber): string {
    const given = this.givenNameOf(cluster)
    if (given !== '') return given
    return this.plainNameOf(cluster)
  }

  /** Kind and number, whatever its name: "Region 304". */
  plainNameOf(cluster: ClusterNumber): string {
    return groupName(this.entries.get(cluster)?.kind ?? 'cluster', cluster)
  }

  /** Kind and number inside a sentence: "cluster 12", "region 304". */
  numberedName(cluster: ClusterNumber): string {
    const name = this.plainNameOf(cluster)
    return `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`
  }

  /** Kind of a group: "cluster", "region". */
  levelWord(cluster: ClusterNumber): string {
    const kind = this.entries.get(cluster)?.kind
    return isGroupKind(kind) ? levelWords[kind].one : 'cluster'
  }

  /** Names of the groups around a cluster, outermost first. */
  pathOf(
    cluster: ClusterNumber
  ): readonly { readonly group: ClusterNumber; readonly name: string; readonly given: boolean }[] {
    return this.groups
      .path(cluster)
      .map((group) => ({ group, name: this.nameOf(group), given: this.givenNameOf(group) !== '' }))
  }

  /** Whether stability and strengths were measured, by splitting the draws. */
  get isMeasured(): boolean {
    return this.overview !== null && this.overview.clustering.stability !== null
  }

  /** Cluster that shows a label's target; undefined if it no longer exists. */
  clusterOf(target: AnnotationTarget): ClusterNumber | undefined {
    const annotated = this.annotations.get(target)
    const cluster = clusterOf(target) ?? annotated?.cluster ?? annotated?.clusters?.[0]
    return cluster !== undefined && this.entries.has(cluster) ? cluster : undefined
  }

  /** Selects the tokens of a named selection, which are read then. */
  openSelection({ tokens = [] }: Annotation): void {
    this.tokens = Int32Array.from(tokens)
  }

  /** Selects the tokens of whole clusters, which are read as one then; `merge` is theirs if they are one. */
  gather(tokens: Int32Array, merge: AnnotationTarget | null): void {
    this.gathered = { tokens, merge }
    this.tokens = tokens
  }

  /** Makes a cluster the current one. */
  open(cluster: ClusterNumber): void {
    this.current = cluster
    this.similar = null
    this.selected.clear()
  }

  /** Opens what an undo step changed, if it belongs to this clustering; `before` holds the annotations before it. */
  openChanged(
    { run, clustering, changed }: AnnotationsChanged,
    before: ReadonlyMap<AnnotationTarget, Annotation>
  ): void {
    if (run !== this.run) return
    const selection = changed.find(({ target, annotation }) => isSelection(target) && annotation !== null)?.annotation
    if (selection !== null && selection !== undefined) return this.openSelection(selection)
    if (clustering !== this.clustering) return
    const clusters = new Set(
      changed.flatMap(({ target, annotation }) => {
        const { clusters: merged, cluster } = annotation ?? before.get(target) ?? {}
        const number = clusterOf(target) ?? merged?.[0] ?? cluster
        return number !== undefined && this.entries.has(number) ? [number] : []
      })
    )
    const [first] = clusters
    if (first === undefined || (this.current !== null && clusters.has(this.current))) return
    this.open(first)
    if (clusters.size > 1) this.select(clusters)
  }

  /** Adds a cluster to the selection, or removes it. */
  toggle(cluster: ClusterNumber): void {
    if (this.selected.size === 0 && this.current !== null) this.selected.add(this.current)
    if (this.selected.has(cluster)) this.selected.delete(cluster)
    else this.selected.add(cluster)
    this.current = cluster
  }

  select(clusters: Iterable<ClusterNumber>): void {
    this.selected.clear()
    for (const cluster of clusters) this.selected.add(cluster)
    const [first] = this.selected
    if (first !== undefined && (this.current === null || !this.selected.has(this.current))) this.current = first
  }

  /** Targets of a label: the selected clusters, or the current one. */
  get labelled(): readonly ClusterNumber[] {
    return this.selected.size > 0 ? [...this.selected] : this.current === null ? [] : [this.current]
  }

  /** Moves along the list from the current cluster, stopping at its ends; returns whether it moved. */
  step(by: number, fits: (cluster: ClusterNumber) => boolean = () => true): boolean {
    const { order } = this
    const at = this.current === null ? -1 : order.indexOf(this.current)
    for (
      let next = at < 0 && by < 0 ? order.length - 1 : at + Math.sign(by);
      next >= 0 && next < order.length;
      next += Math.sign(by)
    ) {
      if (!fits(order[next])) continue
      this.open(order[next])
      return true
    }
    return false
  }

  /**
   * Changes annotations as one undo step, after pending ones. The result is shown before the call settles.
   */
  async apply(changes: readonly AnnotationChange[], words: string): Promise<void> {
    await this.workbench.labelsSaved()
    await this.save(changes, words)
  }

  /** Changes annotations at once, without waiting for pending ones. */
  async save(changes: readonly AnnotationChange[], words: string, id?: string): Promise<void> {
    this.#take(await this.workbench.client.labels.apply({ ...this.where, changes: [...changes], words, id }))
  }

  /** Contexts of tokens. */
  contexts(tokens: Int32Array, before = 24, after = 24): Promise<readonly TokenInContext[]> {
    return this.workbench.client.tokens.contexts({ run: this.run, tokens, before, after })
  }
}

const key = Symbol('explore')
export const provideExplore = (explore: Explore): Explore => setContext(key, explore)
export const useExplore = (): Explore => getContext<Explore>(key)
