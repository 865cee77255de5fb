import { SvelteMap } from 'svelte/reactivity'
import { messageOf } from '../../preload/contract'
import type { Annotation, ClusterEntry, ClusterNumber } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { isGroup } from '../explore/groups'
import { flatRows, foldedAtFirst, formFor, isListForm, treeRows } from './list-rows'
import type { ListForm, ListRow } from './list-rows'
import { asksForLabels, asksOfLabels, fits, parseSearch, questionKey, questionsOf } from './search-language'
import type { Search, Term, TokenQuestion } from './search-language'
import { isSorting, sortClusters } from './sort-clusters'
import type { Sorting } from './sort-clusters'

const mostAnswers = 100

/** The list of clusters: search, order and folding. */
export class ClusterList {
  readonly #explore: Explore
  /** Text of the search field. */
  text: string = $state('')
  sorting: Sorting = $state.raw({ by: 'size', descending: true })
  /** Preferred form of the list; a clustering may not have it. */
  #chosen: ListForm = $state('tree')
  #folded: ReadonlySet<ClusterNumber> = $state.raw(new Set())
  /** Groups folded among search results, which are all unfolded at first. */
  #foldedFound: ReadonlySet<ClusterNumber> = $state.raw(new Set())
  /** Whether the list waits for an answer of the main side before it changes. */
  searching = $state(false)
  /** Why the main side could not answer. */
  #refusal: string | null = $state(null)
  /** Terms applied to the list: the latest ones whose answers are known. */
  #terms: readonly Term[] = $state.raw([])
  readonly #answers = new SvelteMap<string, ReadonlySet<number>>()
  /** Questions to ask again, as labels have changed. */
  readonly #stale = new Set<string>()

  readonly search: Search = $derived(parseSearch(this.text))
  readonly problems: readonly string[] = $derived(
    this.#refusal === null ? this.search.problems : [...this.search.problems, this.#refusal]
  )
  readonly form: ListForm = $derived.by(() => formFor(this.#chosen, this.#explore.groups))
  /** Clusters that match the search; null without one. */
  readonly #fitting: readonly ClusterEntry[] | null = $derived.by(() => {
    const explore = this.#explore
    const terms = this.#terms
    if (terms.length === 0) return null
    const labelled = asksForLabels(terms)
    return this.#all.filter((entry) => {
      const said = labelled
        ? { annotations: this.#annotationsOf(entry.cluster), status: explore.statusOf(entry.cluster) }
        : { annotations: [], status: 'unseen' as const }
      return fits(terms, { entry, path: explore.groups.path(entry.cluster), ...said }, this.#answers)
    })
  })
  readonly rows: readonly ListRow[] = $derived.by(() => {
    const explore = this.#explore
    const { form } = this
    const fitting = this.#fitting
    const said = {
      status: (cluster: ClusterNumber) => explore.statusOf(cluster),
      name: (cluster: ClusterNumber) => explore.givenNameOf(cluster)
    }
    if (form !== 'tree')
      return flatRows(
        sortClusters(
          (fitting ?? this.#all).filter((entry) => entry.kind === form || !isGroup(entry)),
          this.sorting,
          said
        )
      )
    const found = fitting === null ? null : new Set(fitting.map(({ cluster }) => cluster))
    return treeRows(
      sortClusters(this.#all, this.sorting, said),
      explore.groups,
      found === null ? this.#folded : this.#foldedFound,
      found
    )
  })
  readonly entries: readonly ClusterEntry[] = $derived(this.rows.map(({ entry }) => entry))
  /** Position in the list, by cluster. */
  readonly places: ReadonlyMap<ClusterNumber, number> = $derived(
    new Map(this.entries.map(({ cluster }, place) => [cluster, place]))
  )
  /** Number of matches; in a flat list, among the clusters listed. */
  readonly found: number = $derived(this.form === 'tree' ? (this.#fitting?.length ?? 0) : this.rows.length)

  constructor(explore: Explore) {
    const { workbench } = explore
    this.#explore = explore
    this.sorting = workbench.view('clusters.sorting', isSorting, this.sorting)
    this.#chosen = workbench.view('clusters.form', isListForm, this.#chosen)
    this.#folded = foldedAtFirst(this.#all)
  }

  get #all(): readonly ClusterEntry[] {
    return this.#explore.overview?.clusters ?? []
  }

  get total(): number {
    return this.#all.length
  }

  /** Whether a search filters the list. */
  get isFiltered(): boolean {
    return this.#terms.length > 0
  }

  get isTree(): boolean {
    return this.form === 'tree'
  }

  #annotationsOf(cluster: ClusterNumber): Annotation[] {
    return [this.#explore.annotationOf(cluster), this.#explore.merges.get(cluster)].filter(
      (annotation) => annotation !== undefined
    )
  }

  sort(sorting: Sorting): void {
    this.sorting = sorting
    this.#explore.workbench.keep('clusters.sorting', sorting)
  }

  /** Changes the form of the list. */
  show(form: ListForm): void {
    this.#chosen = form
    this.#explore.workbench.keep('clusters.form', form)
  }

  /** Position of a cluster, or of the innermost listed group around it; undefined if neither is listed. */
  placeNear(cluster: ClusterNumber): number | undefined {
    const path = [...this.#explore.groups.path(cluster), cluster]
    const shown = path.findLast((group) => this.places.has(group))
    return shown === undefined ? undefined : this.places.get(shown)
  }

  /** Whether a row is a folded group that contains `cluster`. */
  holds({ entry, open }: ListRow, cluster: ClusterNumber | null): boolean {
    return cluster !== null && open === false && this.#explore.groups.isWithin(cluster, entry.cluster)
  }

  #setFolded(change: (folded: Set<ClusterNumber>) => void): void {
    const folded = new Set(this.isFiltered ? this.#foldedFound : this.#folded)
    change(folded)
    if (this.isFiltered) this.#foldedFound = folded
    else this.#folded = folded
  }

  fold(group: ClusterNumber): void {
    this.#setFolded((folded) => folded.add(group))
  }

  unfold(group: ClusterNumber): void {
    this.#setFolded((folded) => folded.delete(group))
  }

  foldAll(): void {
    const above = this.#all.filter((entry) => isGroup(entry) && entry.kind !== 'cluster')
    this.#setFolded((folded) => above.forEach(({ cluster }) => folded.add(cluster)))
  }

  unfoldAll(): void {
    this.#setFolded((folded) => folded.clear())
  }

  /** Unfolds all groups around a cluster. */
  reveal(cluster: ClusterNumber): void {
    if (!this.isTree || this.places.has(cluster)) return
    const path = this.#explore.groups.path(cluster)
    this.#setFolded((folded) => path.forEach((group) => folded.delete(group)))
  }

  type(text: string): void {
    this.text = text
    this.#refusal = null
    if (!this.searching) void this.#decide()
  }

  /** Repeats searches that depend on labels. */
  #askAgain(): void {
    for (const key of this.#answers.keys()) if (asksOfLabels(key)) this.#stale.add(key)
    if (this.#stale.size > 0 && !this.searching) void this.#decide()
  }

  /** Follows changes of labels; returns a function that stops following. */
  follow(): () => void {
    return this.#explore.workbench.client.on('annotations', () => this.#askAgain())
  }

  #isUnanswered(question: TokenQuestion): boolean {
    const key = questionKey(question)
    return !this.#answers.has(key) || this.#stale.has(key)
  }

  /**
   * Asks the questions of the latest search text, then applies it to the list; texts typed in between are skipped.
   */
  async #decide(): Promise<void> {
    this.searching = true
    for (;;) {
      const { search } = this
      const question = questionsOf(search.terms).find((asked) => this.#isUnanswered(asked))
      if (question === undefined) {
        if (this.#terms !== search.terms) this.#foldedFound = new Set()
        this.#terms = search.terms
        break
      }
      this.#stale.delete(questionKey(question))
      try {
        const found = await this.#explore.workbench.client.clusters.search({
          ...this.#explore.where,
          ...question
        })
        if (this.#answers.size >= mostAnswers) this.#answers.clear()
        this.#answers.set(questionKey(question), new Set(found))
      } catch (error) {
        if (search !== this.search) continue
        this.#refusal = messageOf(error)
        break
      }
    }
    this.searching = false
  }
}
