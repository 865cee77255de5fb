import { z } from 'zod'
import { clustersCalls } from '../../preload/calls-explore'
import { index } from '../../preload/limits'
import { groupKinds } from '../../preload/records'
import type { ClusteringDescription, LayoutRecord, LevelDescription, RuleRecord } from '../../preload/records'
import type { ClusteringConfiguration } from '../../preload/configuration'
import { saveDescription } from './descriptions'
import { getEdges } from './edges'
import { knownClustering, knownRun, knownStudy } from './facts'
import { getGallery, getTokenDetails } from './gallery'
import { changingInParallel, reading, readingRun, safe } from './method'
import * as overview from './overview'
import { bytes, cluster, clustering, context, doubles, floats, integers, object, run } from './parameters'
import type { Context } from './parameters'
import { runNumber } from './runs'
import { findTokens, searchClusters } from './searches'
import { getSelectionDetails } from './selection'
import { getSeparations } from './separations'
import * as columns from './token-columns'

const describedLevel = z.object({
  kind: z.enum(groupKinds),
  membership: integers,
  centralPlace: integers,
  boundary: floats,
  toward: integers,
  caught: bytes,
  groups: integers,
  means: floats,
  standardDeviations: floats,
  rules: z.array(z.array(object<RuleRecord>())),
  edges: z.object({ from: integers, to: integers, weights: doubles }),
  positions: floats
} satisfies Record<keyof LevelDescription, z.ZodType>)
const description = z.object({
  patterns: integers,
  levels: z.array(describedLevel).min(1)
} satisfies Record<keyof ClusteringDescription, z.ZodType>)
const layout = z.object({ method: z.string(), positions: floats } satisfies Record<keyof LayoutRecord, z.ZodType>)
const galleryQuery = clustersCalls.tokens.parameters.omit({ run: true, clustering: true, cluster: true })

/**
 * Calls of the window's Explore page. Overviews, details, galleries and searches work for any clustering. Galleries
 * by distance and boundary, profiles, patterns, nearest clusters, cluster layout and heat map need a described one,
 * and only there are calls fast.
 */
export const explorationMethods = {
  /** Replaces the description of a clustering, and stores counts of tokens and subsets of each group. */
  saveDescription: safe([run, clustering, description], changingInParallel(saveDescription)),
  isDescribed: safe(
    [run, clustering],
    reading(async (connection, id: string, number: number) => (await knownClustering(connection, id, number)).described)
  ),
  getPackedOverview: safe([run, clustering], async ({ session }, id: string, number: number) => {
    const result = await session.connected((connection) => overview.getOverview(connection, id, number))
    // Preload the study: after the list, the user will open a gallery, which needs it.
    const study = session.connected(async (connection) =>
      knownStudy(connection, id, (await knownRun(connection, id)).number)
    )
    study.catch(() => {})
    return result
  }),
  /**
   * Loads into the store's caches what the first view of a described clustering needs. Does nothing if it is not
   * described.
   */
  readAhead: safe(
    [run, clustering],
    reading(async (connection, id: string, of: number): Promise<void> => {
      const { described, number } = await knownClustering(connection, id, of)
      if (!described) return
      await overview.getOverview(connection, id, of)
      await knownStudy(connection, id, number)
    })
  ),
  getClusterDetails: safe([run, clustering, cluster], reading(overview.getClusterDetails)),
  getSelectionDetails: safe([run, clustering, integers], reading(getSelectionDetails)),
  getGallery: safe([run, clustering, cluster, galleryQuery], reading(getGallery)),
  /**
   * Numbers of clusters and groups above them, ascending, with a token whose text contains `text` (case-sensitive).
   * As a regular expression, also matches labels. Throws an `input` error for an expression that is invalid or takes
   * too long.
   */
  searchClusters: safe([run, clustering, z.string(), z.boolean()], reading(searchClusters)),
  /** Tokens whose own text contains `text`, ascending, at most `limit`. */
  findTokens: safe([run, z.string(), index], reading(findTokens)),
  getTokenDetails: safe(
    [run, clustering, index, z.object(context).optional()],
    reading((connection, id: string, number: number, token: number, { before, after }: Context = {}) =>
      getTokenDetails(connection, id, number, token, before, after)
    )
  ),
  /** Index of every token's subset in the sorted names of `getOverview`. */
  getSubsetIndices: safe([run], readingRun(columns.getSubsetIndices)),
  /** χ̂ of every token in one component, in nats². */
  getColumn: safe([run, z.string()], readingRun(columns.getColumn)),
  /** Spread of every column of χ̂ and size of its standard errors, in order of components. */
  getColumnSpreads: safe([run], readingRun(columns.getColumnSpreads)),
  getClusterLayout: safe([run, clustering], reading(overview.getClusterLayout)),
  /** Heat map of the `most` largest clusters by number, unclustered tokens last. */
  getHeatMap: safe([run, clustering, index], reading(overview.getHeatMap)),
  /** Functional separation of every cluster; null if the clustering is not described, or the run has no matrix. */
  getSeparations: safe([run, clustering], reading(getSeparations)),
  /** Replaces the run's layout for one preprocessing. */
  saveLayout: safe(
    [run, z.boolean(), layout],
    changingInParallel(async (connection, id: string, whiten: boolean, places: LayoutRecord) =>
      columns.saveLayout(connection, id, await runNumber(connection, id), whiten, places)
    )
  ),
  getLayout: safe([run, z.boolean()], readingRun(columns.getLayout)),
  /** Texts of the token ids in probe rows, by id. Empty if the run has no tokenizer. */
  getTexts: safe(
    [run],
    readingRun((connection, _, number) => columns.getTexts(connection, number))
  ),
  /**
   * Edges of the neighbour graph (docs/method.md, section 5.1) with an end in `tokens`, each once, with from < to,
   * heaviest first, at most `most`. `cut` says that there are more.
   */
  getEdges: safe(
    [run, index, index.min(1), integers, index, z.enum(['union', 'mutual']).optional()],
    readingRun(
      (
        connection,
        id: string,
        number,
        key: number,
        k: number,
        tokens: Int32Array,
        most: number,
        symmetrize: ClusteringConfiguration['symmetrize'] = 'union'
      ) => getEdges(connection, id, number, { key, k, tokens, most, symmetrize })
    )
  )
}
