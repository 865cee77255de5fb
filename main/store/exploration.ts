import type { ClusteringConfiguration } from '../../preload/configuration'
import type { CallParameters, CallResult } from '../../preload/contract-calls'
import type {
  ClusterDetails,
  ClusterEntry,
  ClusterLayout,
  GalleryPage,
  TokenDetails
} from '../../preload/contract-explore'
import type { HeatMap } from '../../preload/contract-runs'
import type { ClusteringDescription, ClusterNumber, ColumnSpread, LayoutRecord } from '../../preload/records'
import type { Method, ParametersOf, StoreCalls } from './calls'
import { unpackOverview } from './overview-packing'

export type GalleryQuery = Omit<CallParameters<'clusters.tokens'>, 'run' | 'clustering' | 'cluster'>
export type Edges = CallResult<'tokens.edges'>

export interface Overview {
  /** By number: clusters, then the groups above them; what is left over last. */
  readonly clusters: ClusterEntry[]
  /** Names of subsets, sorted. */
  readonly subsets: string[]
}

/**
 * What the window asks for while a person explores. Overviews, details, galleries and searches work for any clustering, but only one that is
 * described has galleries by distance and boundary, profiles, patterns, nearest clusters, a layout of clusters and a heat map, and only there
 * are they quick.
 */
export interface Exploration {
  /** Stores the description, replacing an earlier one, with the counts of tokens and subsets of each group. */
  saveDescription(run: string, clustering: number, description: ClusteringDescription): Promise<void>
  isDescribed(run: string, clustering: number): Promise<boolean>
  getOverview(run: string, clustering: number): Promise<Overview>
  /** Reads what the first sight of a described clustering needs into the store's memory; nothing where it is not described. */
  readAhead(run: string, clustering: number): Promise<void>
  getClusterDetails(run: string, clustering: number, cluster: ClusterNumber): Promise<ClusterDetails>
  getGallery(run: string, clustering: number, cluster: ClusterNumber, query: GalleryQuery): Promise<GalleryPage>
  /**
   * Numbers of the clusters and of the groups above them, ascending, that have a token whose text contains `text`
   * (upper and lower case are told apart); where it is a regular expression, of those that have a token or a label
   * that matches it. Throws an `input` error where it cannot be read or takes too long.
   */
  searchClusters(run: string, clustering: number, text: string, regularExpression: boolean): Promise<Int32Array>
  /** Tokens whose own text contains `text`, ascending, at most `limit`. */
  findTokens(run: string, text: string, limit: number): Promise<Int32Array>
  getTokenDetails(
    run: string,
    clustering: number,
    token: number,
    query?: { readonly before?: number; readonly after?: number }
  ): Promise<TokenDetails>
  /** Index of every token's subset in the sorted names that `getOverview` gives. */
  getSubsetIndices(run: string): Promise<Int32Array>
  /** χ̂ of every token in one component, nats². */
  getColumn(run: string, component: string): Promise<Float32Array>
  /** Of every column of χ̂, in order of components: how far its values spread, and how large their standard errors are. */
  getColumnSpreads(run: string): Promise<ColumnSpread[]>
  getClusterLayout(run: string, clustering: number): Promise<ClusterLayout>
  /** Of the `most` largest clusters, by number, what is left over last. */
  getHeatMap(run: string, clustering: number, most: number): Promise<HeatMap>
  /** Replaces the run's layout for one preprocessing. */
  saveLayout(run: string, whiten: boolean, layout: LayoutRecord): Promise<void>
  getLayout(run: string, whiten: boolean): Promise<LayoutRecord | undefined>
  /** Texts of the token ids that occur in probe rows, by id; none where the run has no tokenizer. */
  getTexts(run: string): Promise<{ ids: Int32Array; texts: string[] }>
  /**
   * Edges of the neighbour graph (docs/method.md, section 5.1) with an end in `tokens`, each once, from < to, heaviest
   * first and at most `most`; `cut` where there are more.
   */
  getEdges(
    run: string,
    whiten: boolean,
    k: number,
    tokens: Int32Array,
    most: number,
    symmetrize?: ClusteringConfiguration['symmetrize']
  ): Promise<Edges>
}

export const explorationOf = (
  call: <M extends Method>(method: M, parameters: ParametersOf<M>) => Promise<StoreCalls[M]['result']>
): Exploration => ({
  saveDescription: async (run, clustering, description) => {
    const levels = description.levels.map((level) => ({ ...level, rules: level.rules.map((rules) => [...rules]) }))
    await call('saveDescription', { run, clustering, description: { ...description, levels } })
  },
  isDescribed: async (run, clustering) => (await call('isDescribed', { run, clustering })).described,
  readAhead: async (run, clustering) => {
    await call('readAhead', { run, clustering })
  },
  getOverview: async (run, clustering) => unpackOverview(await call('getOverview', { run, clustering })),
  getClusterDetails: (run, clustering, cluster) => call('getClusterDetails', { run, clustering, cluster }),
  getGallery: (run, clustering, cluster, query) => call('getGallery', { run, clustering, cluster, query }),
  searchClusters: (run, clustering, text, regularExpression) =>
    call('searchClusters', { run, clustering, text, regularExpression }),
  findTokens: (run, text, limit) => call('findTokens', { run, text, limit }),
  getTokenDetails: (run, clustering, token, query = {}) =>
    call('getTokenDetails', { run, clustering, token, ...query }),
  getSubsetIndices: (run) => call('getSubsetIndices', { run }),
  getColumn: (run, component) => call('getColumn', { run, component }),
  getColumnSpreads: (run) => call('getColumnSpreads', { run }),
  getClusterLayout: (run, clustering) => call('getClusterLayout', { run, clustering }),
  getHeatMap: (run, clustering, most) => call('getHeatMap', { run, clustering, most }),
  saveLayout: async (run, whiten, layout) => {
    await call('saveLayout', { run, whiten, layout })
  },
  getLayout: async (run, whiten) => (await call('getLayout', { run, whiten })) ?? undefined,
  getTexts: (run) => call('getTexts', { run }),
  getEdges: (run, whiten, k, tokens, most, symmetrize = 'union') =>
    call('getEdges', { run, whiten, k, tokens, most, symmetrize })
})
