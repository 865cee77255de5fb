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
import { changingBeside, reading, readingRun, safe } from './method'
import * as overview from './overview'
import { bytes, cluster, clustering, context, doubles, floats, integers, object, run } from './parameters'
import type { Context } from './parameters'
import { runNumber } from './runs'
import { findTokens, searchClusters } from './searches'
import { getSelectionDetails } from './selection'
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
 * What the window asks for while a person explores. Overviews, details, galleries and searches work for any
 * clustering, but only one that is described has galleries by distance and boundary, profiles, patterns, nearest
 * clusters, a layout of clusters and a heat map, and only there are they quick.
 */
export const explorationMethods = {
  /** Stores the description, replacing an earlier one, with the counts of tokens and subsets of each group. */
  saveDescription: safe([run, clustering, description], changingBeside(saveDescription)),
  isDescribed: safe(
    [run, clustering],
    reading(async (connection, id: string, number: number) => (await knownClustering(connection, id, number)).described)
  ),
  getPackedOverview: safe([run, clustering], async ({ session }, id: string, number: number) => {
    const result = await session.connected((connection) => overview.getOverview(connection, id, number))
    // Whoever sees the list opens a gallery next: what that needs is read meanwhile.
    const study = session.connected(async (connection) =>
      knownStudy(connection, id, (await knownRun(connection, id)).number)
    )
    study.catch(() => {})
    return result
  }),
  /**
   * Reads what the first sight of a described clustering needs into the store's memory; nothing where it is not
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
   * Numbers of the clusters and of the groups above them, ascending, that have a token whose text contains `text`
   * (upper and lower case are told apart); where it is a regular expression, of those that have a token or a label
   * that matches it. Throws an `input` error where it cannot be read or takes too long.
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
  /** Index of every token's subset in the sorted names that `getOverview` gives. */
  getSubsetIndices: safe([run], readingRun(columns.getSubsetIndices)),
  /** χ̂ of every token in one component, nats². */
  getColumn: safe([run, z.string()], readingRun(columns.getColumn)),
  /**
   * Of every column of χ̂, in order of components: how far its values spread, and how large their standard errors
   * are.
   */
  getColumnSpreads: safe([run], readingRun(columns.getColumnSpreads)),
  getClusterLayout: safe([run, clustering], reading(overview.getClusterLayout)),
  /** Of the `most` largest clusters, by number, what is left over last. */
  getHeatMap: safe([run, clustering, index], reading(overview.getHeatMap)),
  /** Replaces the run's layout for one preprocessing. */
  saveLayout: safe(
    [run, z.boolean(), layout],
    changingBeside(async (connection, id: string, whiten: boolean, places: LayoutRecord) =>
      columns.saveLayout(connection, id, await runNumber(connection, id), whiten, places)
    )
  ),
  getLayout: safe([run, z.boolean()], readingRun(columns.getLayout)),
  /** Texts of the token ids that occur in probe rows, by id; none where the run has no tokenizer. */
  getTexts: safe(
    [run],
    readingRun((connection, _, number) => columns.getTexts(connection, number))
  ),
  /**
   * Edges of the neighbour graph (docs/method.md, section 5.1) with an end in `tokens`, each once, from < to,
   * heaviest first and at most `most`; `cut` where there are more.
   */
  getEdges: safe(
    [run, z.boolean(), index.min(1), integers, index, z.enum(['union', 'mutual']).optional()],
    readingRun(
      (
        connection,
        id: string,
        number,
        whiten: boolean,
        k: number,
        tokens: Int32Array,
        most: number,
        symmetrize: ClusteringConfiguration['symmetrize'] = 'union'
      ) => getEdges(connection, id, number, { whiten, k, tokens, most, symmetrize })
    )
  )
}
