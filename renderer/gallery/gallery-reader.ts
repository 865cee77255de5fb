import type { CallInput, ClusterDetails, ClusterNumber, GalleryToken } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { Lru } from './lru'
import { PagedRows } from './paged-rows'
import { mostLines } from './shown'
import type { ContextColumn, Shown, Source, Wanted } from './shown'

const pageSize = 60
const groupPage = 20
const groupOpening = 4

/** Reads what the gallery shows, and caches details and rows. */
export class GalleryReader {
  readonly #explore: Explore
  readonly #changed: () => void
  readonly #details = new Lru<ClusterNumber, ClusterDetails>(80)
  readonly #detailsUnderWay = new Map<ClusterNumber, Promise<ClusterDetails>>()
  readonly #rows = new Lru<string, PagedRows<GalleryToken>>(300)

  /** `changed` is called whenever rows arrive. */
  constructor(explore: Explore, changed: () => void) {
    this.#explore = explore
    this.#changed = changed
  }

  #detailsOf(cluster: ClusterNumber): Promise<ClusterDetails> {
    const known = this.#details.get(cluster)
    if (known !== undefined) return Promise.resolve(known)
    const underWay = this.#detailsUnderWay.get(cluster)
    if (underWay !== undefined) return underWay
    const reading = (async () => {
      try {
        const details = await this.#explore.workbench.client.clusters.details({ ...this.#explore.where, cluster })
        this.#details.set(cluster, details)
        return details
      } finally {
        this.#detailsUnderWay.delete(cluster)
      }
    })()
    this.#detailsUnderWay.set(cluster, reading)
    return reading
  }

  #rowsOf(
    query: Omit<CallInput<'clusters.tokens'>, 'run' | 'clustering' | 'offset' | 'limit'> & {
      readonly cluster: ClusterNumber
    },
    total?: number
  ): { key: string; rows: PagedRows<GalleryToken> } {
    const key = JSON.stringify(query)
    const known = this.#rows.get(key)
    if (known !== undefined) return { key, rows: known }
    const rows = new PagedRows<GalleryToken>({
      pageSize: total === undefined ? pageSize : groupPage,
      load: async (offset, limit) => {
        const page = await this.#explore.workbench.client.clusters.tokens({
          ...this.#explore.where,
          ...query,
          offset,
          limit
        })
        return { total: page.total, rows: page.tokens }
      },
      changed: () => this.#changed(),
      ...(total === undefined ? {} : { total })
    })
    this.#rows.set(key, rows)
    return { key, rows }
  }

  #selectedRows(tokens: Int32Array, selections: number, width: number): Source {
    const key = `selected ${selections} ${width}`
    const known = this.#rows.get(key)
    const rows =
      known ??
      new PagedRows<GalleryToken>({
        pageSize,
        load: async (offset, limit) => {
          const contexts = await this.#explore.contexts(tokens.slice(offset, offset + limit), width, width)
          return {
            total: tokens.length,
            rows: contexts.map((context) => ({ ...context, boundary: null, strength: null }))
          }
        },
        changed: () => this.#changed(),
        total: tokens.length
      })
    this.#rows.set(key, rows)
    return { key, cluster: null, rows, heading: null, opening: mostLines }
  }

  #column(
    cluster: ClusterNumber,
    toward: ClusterNumber | null,
    details: ClusterDetails | null,
    { stratum, seed, filter, preferences: { grouping, width } }: Wanted
  ): ContextColumn {
    const query = {
      cluster,
      stratum,
      before: width,
      after: width,
      ...(stratum === 'random' ? { seed } : {}),
      ...(stratum === 'toward' && toward !== null ? { toward } : {}),
      ...(filter?.tokenId === undefined ? {} : { tokenId: filter.tokenId }),
      ...(filter?.subset === undefined ? {} : { subset: filter.subset })
    }
    const whole = { key: `column ${cluster}`, clusters: [cluster], inTurn: false, ungrouped: 0 }
    if (
      grouping === 'token' &&
      filter?.tokenId === undefined &&
      details !== null &&
      filter === null &&
      stratum !== 'toward'
    ) {
      const sources = details.topTokens.map((token) => ({
        ...this.#rowsOf({ ...query, tokenId: token.id }, token.count),
        cluster,
        heading: { token },
        opening: groupOpening
      }))
      return {
        ...whole,
        sources,
        ungrouped: details.entry.size - details.topTokens.reduce((sum, { count }) => sum + count, 0)
      }
    }
    if (grouping === 'subset' && details !== null && filter === null && stratum !== 'toward') {
      return {
        ...whole,
        sources: details.subsets.map((subset) => ({
          ...this.#rowsOf({ ...query, subset: subset.subset }, subset.count),
          cluster,
          heading: { subset },
          opening: groupOpening
        }))
      }
    }
    return { ...whole, sources: [{ ...this.#rowsOf(query), cluster, heading: null, opening: mostLines }] }
  }

  /** The answer to a request, its rows unread. Details may be null only where nothing depends on them. */
  arrange(wanted: Wanted, details: ClusterDetails | null, similarDetails: ClusterDetails | null): Shown {
    const { cluster, selection, stratum, preferences } = wanted
    const key = JSON.stringify([
      cluster,
      selection === null ? wanted.similar : null,
      selection === null ? 0 : wanted.selections,
      stratum,
      wanted.seed,
      wanted.filter,
      preferences.grouping,
      preferences.width,
      preferences.beside
    ])
    const base = { key, cluster, details, similarDetails, selection: selection !== null }
    if (selection !== null) {
      return {
        ...base,
        similar: null,
        toward: null,
        columns: [
          {
            key: 'selected',
            clusters: [],
            inTurn: false,
            ungrouped: 0,
            sources: [this.#selectedRows(selection, wanted.selections, preferences.width)]
          }
        ]
      }
    }
    if (cluster === null) return { ...base, similar: null, toward: null, columns: [] }
    const similar = this.#similarOf(wanted, details)
    const toward = stratum === 'toward' ? similar : null
    const own = this.#column(cluster, toward, details, wanted)
    if (similar === null) return { ...base, similar, toward, columns: [own] }
    const other = this.#column(similar, cluster, similarDetails, wanted)
    if (preferences.beside === 'columns' || own.sources.length !== 1 || other.sources.length !== 1)
      return { ...base, similar, toward, columns: [own, other] }
    return {
      ...base,
      similar,
      toward,
      columns: [
        {
          key: 'in turn',
          clusters: [cluster, similar],
          inTurn: true,
          ungrouped: 0,
          sources: [own.sources[0], other.sources[0]]
        }
      ]
    }
  }

  #similarOf({ similar, stratum, cluster }: Wanted, details: ClusterDetails | null): ClusterNumber | null {
    const found = similar ?? (stratum === 'toward' ? (details?.nearest.at(0)?.cluster ?? null) : null)
    return found === cluster ? null : found
  }

  /** Rows that must be read before anything is shown. */
  #needed(shown: Shown): readonly PagedRows<GalleryToken>[] {
    return shown.columns
      .flatMap(({ sources }) => sources.slice(0, sources.length === 2 ? 2 : 1).map(({ rows }) => rows))
      .filter((rows) => rows.total !== 0)
  }

  /** The answer to a request if all of it was read before, else null. */
  here(wanted: Wanted): Shown | null {
    const details = wanted.cluster === null ? null : this.#details.peek(wanted.cluster)
    if (details === undefined) return null
    const similar = wanted.selection === null ? this.#similarOf(wanted, details) : null
    const similarDetails = similar === null ? null : this.#details.peek(similar)
    if (similarDetails === undefined) return null
    const shown = this.arrange(wanted, details, similarDetails)
    return this.#needed(shown).every((rows) => rows.started) ? shown : null
  }

  /** Reads what a request needs, and resolves once its first rows are here. */
  async bring(wanted: Wanted): Promise<Shown> {
    const { cluster, stratum, preferences } = wanted
    // Rows that depend on nothing but the cluster are read beside its details.
    if (wanted.selection === null && cluster !== null && preferences.grouping === 'none' && stratum !== 'toward') {
      for (const rows of this.#needed(this.arrange(wanted, null, null))) void rows.first().catch(() => undefined)
    }
    const own = cluster === null ? null : await this.#detailsOf(cluster)
    const similar = wanted.selection === null ? this.#similarOf(wanted, own) : null
    const shown = this.arrange(wanted, own, similar === null ? null : await this.#detailsOf(similar))
    await Promise.all(this.#needed(shown).map((rows) => rows.first()))
    return shown
  }
}
