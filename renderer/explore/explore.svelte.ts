import { getContext, setContext } from 'svelte'
import { SvelteMap, SvelteSet } from 'svelte/reactivity'
import { clusterOf, clusterTarget, groupName, messageOf, saidOf } from '../../preload/contract'
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
 * What the three panes of the exploring view share: one clustering, what is selected in it, and what people have said
 * of it.
 */
export class Explore {
  readonly workbench: Workbench
  readonly run: string
  readonly clustering: number
  overview: ClusteringOverview | null = $state.raw(null)
  failure: string | null = $state(null)
  /** The job that describes the clustering, while it is not described yet. */
  job: Job | null = $state.raw(null)
  readonly annotations = new SvelteMap<AnnotationTarget, Annotation>()

  /** The cluster that the gallery shows and labels go to. */
  current: ClusterNumber | null = $state(null)
  /** Another cluster, shown beside it. */
  similar: ClusterNumber | null = $state(null)
  /** Clusters that are selected together; holds `current` too where there is more than one. */
  readonly selected = new SvelteSet<ClusterNumber>()
  /** Token indices that are selected: by a lasso, by a search, by clicks in the gallery. */
  tokens: Int32Array = $state.raw(new Int32Array(0))
  /** The token under the pointer, or under the gallery's cursor. */
  hovered: number | null = $state(null)
  colouring: Colouring = $state.raw({ by: 'cluster' })
  /**
   * Whether the gallery has shown something, or said why it cannot: what is large and not read is asked for after
   * that.
   */
  galleryShown = $state(false)
  /** Labels that are on their way to the disk. */
  saving = $state(0)
  /** Clusters in the list's order, as it is sorted and filtered now: what "next" goes by. The list sets it. */
  order: readonly ClusterNumber[] = $state.raw([])
  /** Asks the graph to show a token or a cluster; it answers by moving there. */
  shown: { readonly token: number } | { readonly cluster: ClusterNumber } | null = $state.raw(null)
  /** A picture of the graph as it is shown now, as a data: address; null where there is no graph. */
  picture: (() => Promise<string>) | null = null
  /** The same as the text of an SVG file. */
  drawing: (() => string) | null = null
  /** Puts what is not saved yet on top of what is: whoever labels without waiting sets it. */
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
   * What people have said of clusters, of each one or of the merge that it is read in; only those of which something
   * is said.
   */
  readonly #said: ReadonlyMap<ClusterNumber, Said> = $derived.by(() => saidOf(this.annotations.values()))
  /** How many of the groups count as labelled: clusters, and others. */
  readonly labelledCount: { readonly clusters: number; readonly others: number } = $derived.by(() => {
    const labelled = [...this.#said].filter(([group, { status }]) => status === 'labelled' && this.entries.has(group))
    const clusters = labelled.filter(([group]) => this.entries.get(group)?.kind === 'cluster').length
    return { clusters, others: labelled.length - clusters }
  })

  readonly #health = $derived.by(() => this.workbench.health.get(this.run))
  /** How far each component's column can be trusted; null where that is not known. */
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

  /** Reads the clustering and follows changes to its annotations; returns the end of that. */
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
    if (run !== this.run || clustering !== this.clustering) return
    for (const { target, annotation } of changed) this.#put(target, annotation ?? undefined)
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

  /** Where a person is with the merge that a cluster is read in, or with the cluster itself. */
  statusOf(cluster: ClusterNumber): LabelStatus {
    return this.#said.get(cluster)?.status ?? 'unseen'
  }

  /**
   * The name that a person gave to the merge that a cluster is read in, or to the cluster itself; "" where nobody
   * did.
   */
  givenNameOf(cluster: ClusterNumber): string {
    return this.#said.get(cluster)?.name ?? ''
  }

  /** What a cluster is called: the name given to it, or its number. */
  nameOf(cluster: ClusterNumber): string {
    const given = this.givenNameOf(cluster)
    if (given !== '') return given
    return this.plainNameOf(cluster)
  }

  /** "Region 304", or what the rest is called, whatever somebody called it. */
  plainNameOf(cluster: ClusterNumber): string {
    return groupName(this.entries.get(cluster)?.kind ?? 'cluster', cluster)
  }

  /** What a number stands for in a sentence: "cluster 12", "region 304". */
  numberedName(cluster: ClusterNumber): string {
    const name = this.plainNameOf(cluster)
    return `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`
  }

  /** "cluster", or what else is meant by a number. */
  levelWord(cluster: ClusterNumber): string {
    const kind = this.entries.get(cluster)?.kind
    return isGroupKind(kind) ? levelWords[kind].one : 'cluster'
  }

  /** Names of the groups that a cluster lies in, the outermost first. */
  pathOf(
    cluster: ClusterNumber
  ): readonly { readonly group: ClusterNumber; readonly name: string; readonly given: boolean }[] {
    return this.groups
      .path(cluster)
      .map((group) => ({ group, name: this.nameOf(group), given: this.givenNameOf(group) !== '' }))
  }

  /** Whether the draws were split, so that stability and strengths are known. */
  get isMeasured(): boolean {
    return this.overview !== null && this.overview.clustering.stability !== null
  }

  /** The cluster in which a target is read; undefined where there is none any more. */
  clusterOf(target: AnnotationTarget): ClusterNumber | undefined {
    const annotated = this.annotations.get(target)
    const cluster = clusterOf(target) ?? annotated?.cluster ?? annotated?.clusters?.[0]
    return cluster !== undefined && this.entries.has(cluster) ? cluster : undefined
  }

  /** Makes a cluster the current one. */
  open(cluster: ClusterNumber): void {
    this.current = cluster
    this.similar = null
    this.selected.clear()
  }

  /** Opens what a step of undo changed, if it is of this clustering; `before` is what was said until then. */
  openChanged(
    { run, clustering, changed }: AnnotationsChanged,
    before: ReadonlyMap<AnnotationTarget, Annotation>
  ): void {
    if (run !== this.run || clustering !== this.clustering) return
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

  /** Adds a cluster to those that are selected together, or takes it away. */
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

  /** Clusters that a label goes to: those selected together, or the current one. */
  get labelled(): readonly ClusterNumber[] {
    return this.selected.size > 0 ? [...this.selected] : this.current === null ? [] : [this.current]
  }

  /** Moves along the list's order from the current cluster; stays at its ends. Whether it moved. */
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
   * Changes annotations as one step of undo, after those that are on their way. The answer is in force before the
   * call settles.
   */
  async apply(changes: readonly AnnotationChange[], words: string): Promise<void> {
    await this.workbench.labelsSaved()
    await this.save(changes, words)
  }

  /** Changes annotations at once, without regard to others that are on their way. */
  async save(changes: readonly AnnotationChange[], words: string, id?: string): Promise<void> {
    this.#take(await this.workbench.client.labels.apply({ ...this.where, changes: [...changes], words, id }))
  }

  /** Tokens in their contexts, for cards and lists. */
  contexts(tokens: Int32Array, before = 24, after = 24): Promise<readonly TokenInContext[]> {
    return this.workbench.client.tokens.contexts({ run: this.run, tokens, before, after })
  }
}

const key = Symbol('explore')
export const provideExplore = (explore: Explore): Explore => setContext(key, explore)
export const useExplore = (): Explore => getContext<Explore>(key)
