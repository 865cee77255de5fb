import { SvelteMap } from 'svelte/reactivity'
import { messageOf } from '../../preload/contract'
import type { Annotation, ClusterEntry, ClusterNumber } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { asksForLabels, fits, parseSearch, questionKey, questionsOf } from './search-language'
import type { Search, Term } from './search-language'
import { isSorting, sortClusters } from './sort-clusters'
import type { Sorting } from './sort-clusters'

const mostAnswers = 100

/** The list of clusters as it is searched and sorted. */
export class ClusterList {
  readonly #explore: Explore
  /** What was typed into the search field. */
  text: string = $state('')
  sorting: Sorting = $state.raw({ by: 'size', descending: true })
  /** Whether an answer of the main side is awaited; the list stays as it was until then. */
  searching = $state(false)
  /** Why the main side could not answer. */
  #refusal: string | null = $state(null)
  /** Terms that are in force: those that were typed last for which everything is known. */
  #terms: readonly Term[] = $state.raw([])
  readonly #answers = new SvelteMap<string, ReadonlySet<number>>()

  readonly search: Search = $derived(parseSearch(this.text))
  readonly problems: readonly string[] = $derived(this.#refusal === null ? this.search.problems : [...this.search.problems, this.#refusal])
  readonly entries: readonly ClusterEntry[] = $derived.by(() => {
    const explore = this.#explore
    const clusters = explore.overview?.clusters ?? []
    const terms = this.#terms
    const labelled = asksForLabels(terms)
    const subject = (entry: ClusterEntry) => ({ entry, annotations: labelled ? this.#annotationsOf(entry.cluster) : [], status: labelled ? explore.statusOf(entry.cluster) : ('unseen' as const) })
    const fitting = terms.length === 0 ? clusters : clusters.filter((entry) => fits(terms, subject(entry), this.#answers))
    return sortClusters(fitting, this.sorting, { status: (cluster) => explore.statusOf(cluster), name: (cluster) => explore.givenNameOf(cluster) })
  })
  /** Places in the list, by cluster. */
  readonly places: ReadonlyMap<ClusterNumber, number> = $derived(new Map(this.entries.map(({ cluster }, place) => [cluster, place])))

  constructor(explore: Explore) {
    this.#explore = explore
    this.sorting = explore.workbench.view('clusters.sorting', isSorting, this.sorting)
  }

  get total(): number {
    return this.#explore.overview?.clusters.length ?? 0
  }

  #annotationsOf(cluster: ClusterNumber): Annotation[] {
    return [this.#explore.annotationOf(cluster), this.#explore.merges.get(cluster)].filter((annotation) => annotation !== undefined)
  }

  sort(sorting: Sorting): void {
    this.sorting = sorting
    this.#explore.workbench.keep('clusters.sorting', sorting)
  }

  type(text: string): void {
    this.text = text
    this.#refusal = null
    if (!this.searching) void this.#decide()
  }

  /** Asks what has to be asked for the text that was typed last, then lets it decide the list; texts in between are passed over. */
  async #decide(): Promise<void> {
    this.searching = true
    for (;;) {
      const { search } = this
      const question = questionsOf(search.terms).find((asked) => !this.#answers.has(questionKey(asked)))
      if (question === undefined) {
        this.#terms = search.terms
        break
      }
      try {
        const found = await this.#explore.workbench.client.call('clusters.search', { ...this.#explore.where, ...question })
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
