import type {
  ClusterDetails,
  ClusterNumber,
  GalleryToken,
  Stratum,
  SubsetCount,
  TokenCount
} from '../../preload/contract'
import type { PagedRows } from './paged-rows'
import type { Preferences } from './preferences'

/** Lines added to a group each time a person asks for more. */
export const groupMore = 40
/** Most lines of a column; browsers cannot scroll much further. */
export const mostLines = 200_000

/** Rows of one query: a cluster's, those of one of its tokens or subsets, or the selected ones. */
export interface Source {
  readonly key: string
  readonly cluster: ClusterNumber | null
  readonly rows: PagedRows<GalleryToken>
  /** Token or subset shared by its rows; null if rows are not grouped. */
  readonly heading: { readonly token: TokenCount } | { readonly subset: SubsetCount } | null
  /** Rows that are shown at first. */
  readonly opening: number
}

/** One column of contexts. */
export interface ContextColumn {
  readonly key: string
  /** Clusters whose contexts it shows: two where they come in turn. */
  readonly clusters: readonly ClusterNumber[]
  readonly sources: readonly Source[]
  readonly inTurn: boolean
  /** Members that are in no group: those of rarer tokens. */
  readonly ungrouped: number
}

/** Content of the pane, all read for the same request. */
export interface Shown {
  readonly key: string
  readonly cluster: ClusterNumber | null
  readonly details: ClusterDetails | null
  readonly similar: ClusterNumber | null
  readonly similarDetails: ClusterDetails | null
  /** The other cluster of the stratum "toward". */
  readonly toward: ClusterNumber | null
  readonly columns: readonly ContextColumn[]
  readonly selection: boolean
}

/** Narrows members to one token or one subset. */
export interface Filter {
  readonly tokenId?: number
  readonly subset?: string
  readonly words: string
}

/** Everything that decides what is shown. */
export interface Wanted {
  readonly cluster: ClusterNumber | null
  readonly similar: ClusterNumber | null
  readonly selection: Int32Array | null
  /** Counts selections: tells two of the same length apart without comparing them. */
  readonly selections: number
  readonly stratum: Stratum
  readonly seed: number
  readonly filter: Filter | null
  readonly preferences: Pick<Preferences, 'grouping' | 'width' | 'beside'>
}
