import { z } from 'zod'
import { index } from '../../preload/limits'
import { groupKinds } from '../../preload/records'
import type { ClusterNumber, ClusterSummary, GroupKind, TracePointRecord } from '../../preload/records'
import * as clusters from './clusters'
import type { ClusterTokensQuery } from './clusters'
import { inTransaction } from './database'
import { changing, reading, readingRun, safe } from './method'
import { cluster, context, inClustering, integers, real, run } from './parameters'
import type { Context, InClustering } from './parameters'
import * as reads from './reads'
import { runNumber } from './runs'
import { exportedTables, exportTable } from './tables'
import type { ExportedTable, TableOptions } from './tables'
import { appendTrace } from './writes'

const tracePoints = z.array(z.object({ component: z.string(), chain: index, draw: index, loss: real, distance: real }))
const clusteringOnly = z.object(inClustering).optional()
const ofLevel = z.object({ ...inClustering, level: z.enum(groupKinds).optional() }).optional()
interface LevelOptions extends InClustering {
  /** `cluster` by default. */
  readonly level?: GroupKind | undefined
}
const summaryOptions = z.object({ ...inClustering, topTokens: index.max(10_000).optional() }).optional()
interface SummaryOptions extends InClustering {
  /** 10 by default. */
  readonly topTokens?: number | undefined
}
const tokensQuery = z
  .object({
    ...inClustering,
    ...context,
    order: z.enum(['token', 'central']).optional(),
    offset: index.optional(),
    limit: index.max(100_000).optional()
  })
  .optional()
const tableOptions = z
  .object({
    ...inClustering,
    clusters: z.array(cluster).min(1).optional(),
    tokens: integers.optional(),
    rawCells: z.boolean().optional()
  })
  .optional()

/** Stored results of a run. */
export const resultMethods = {
  /**
   * Stores trace points as they arrive, outside any run transaction. For each component and chain, replaces earlier
   * points from the first one's draw on.
   */
  appendTrace: safe(
    [run, tracePoints],
    changing((connection, id: string, points: readonly TracePointRecord[]) =>
      inTransaction(connection, async () => appendTrace(connection, await runNumber(connection, id), points))
    )
  ),
  getStudy: safe([run], readingRun(reads.getStudy)),
  /** Rows first … first + count - 1 of the matrix. */
  readSusceptibilities: safe([run, index, index], readingRun(reads.readMatrix)),
  /** Number of stored parts of the draws; 0 for runs that were imported or made by an earlier version. */
  countParts: safe(
    [run],
    readingRun((connection, _, number) => reads.countParts(connection, number))
  ),
  /**
   * Mean χ̂ over some parts of the draws: rows first … first + count - 1, [count, components] in nats². Summed in
   * float64 in the given order. Throws an `input` error if a part is not stored.
   */
  readHalf: safe([run, z.array(index).min(1), index, index], readingRun(reads.readHalf)),
  getDiagnostics: safe(
    [run],
    readingRun((connection, _, number) => reads.getDiagnostics(connection, number))
  ),
  getTraces: safe(
    [run],
    readingRun((connection, _, number) => reads.getTraces(connection, number))
  ),
  /** Whether at least k neighbours are stored under this key (`neighboursKey`). */
  hasNeighbours: safe(
    [run, index.min(1), index],
    readingRun((connection, _, number, k: number, key: number) => reads.hasNeighbours(connection, number, k, key))
  ),
  /** The first k stored neighbours of tokens first … first + count - 1. */
  readNeighbours: safe(
    [run, index.min(1), index, index, index],
    readingRun((connection, _, number, k: number, key: number, first: number, count: number) =>
      reads.readNeighbours(connection, number, k, key, first, count)
    )
  ),
  /** Clusters by number, then the groups above them, then the unclustered tokens. */
  getClusterSummaries: safe(
    [run, summaryOptions],
    reading((connection, id: string, { clustering, topTokens = 10 }: SummaryOptions = {}) =>
      clusters.getClusterSummaries(connection, id, clustering, undefined, topTokens)
    )
  ),
  getClusterSummary: safe(
    [run, cluster, summaryOptions],
    reading(
      async (
        connection,
        id: string,
        of: ClusterNumber,
        { clustering, topTokens = 10 }: SummaryOptions = {}
      ): Promise<ClusterSummary> => (await clusters.getClusterSummaries(connection, id, clustering, of, topTokens))[0]
    )
  ),
  getClusterMembers: safe(
    [run, cluster, clusteringOnly],
    reading((connection, id: string, of: ClusterNumber, { clustering }: InClustering = {}) =>
      clusters.getClusterMembers(connection, id, clustering, of)
    )
  ),
  getClusterProfile: safe(
    [run, cluster, clusteringOnly],
    reading((connection, id: string, of: ClusterNumber, { clustering }: InClustering = {}) =>
      clusters.getClusterProfile(connection, id, clustering, of)
    )
  ),
  getClusterTokens: safe(
    [run, cluster, tokensQuery],
    reading(
      (connection, id: string, of: ClusterNumber, { clustering, ...query }: ClusterTokensQuery & InClustering = {}) =>
        clusters.getClusterTokens(connection, id, clustering, of, query)
    )
  ),
  /** Tokens in their contexts, in the given order. */
  getTokens: safe(
    [run, z.union([integers, z.array(index)]), z.object(context).optional()],
    reading((connection, id: string, tokens: Int32Array | readonly number[], { before, after }: Context = {}) =>
      clusters.getTokens(connection, id, tokens, before, after)
    )
  ),
  /** Number of every token's cluster, or of its group at another level; -1 for tokens in none. */
  getMembership: safe(
    [run, ofLevel],
    reading((connection, id: string, { clustering, level = 'cluster' }: LevelOptions = {}) =>
      clusters.getMembership(connection, id, clustering, level)
    )
  ),
  /**
   * Strength of every token in its cluster, or in its group at another level, from 0 to 1. NaN for tokens in none;
   * empty if the draws were not split.
   */
  getStrengths: safe(
    [run, ofLevel],
    reading((connection, id: string, { clustering, level = 'cluster' }: LevelOptions = {}) =>
      clusters.getStrengths(connection, id, clustering, level)
    )
  ),
  /** Clusters and the groups above them, as nodes for a `GroupTree`. */
  getTreeNodes: safe(
    [run, clusteringOnly],
    reading((connection, id: string, { clustering }: InClustering = {}) => clusters.getTree(connection, id, clustering))
  ),
  /** Streams one table into an existing file. */
  writeTable: safe(
    [run, z.enum(exportedTables), z.enum(['csv', 'parquet']), z.string().min(1), tableOptions],
    (
      { session },
      id: string,
      table: ExportedTable,
      format: 'csv' | 'parquet',
      file: string,
      options: TableOptions = {}
    ) =>
      session.connected((connection) =>
        exportTable(connection, id, { table, format, file, ...options, temporaryFolder: session.temporaryFolder })
      )
  )
}
