import type { DuckDBConnection } from '@duckdb/node-api'
import { separationOf } from '../clustering/separation'
import { forEachBlock } from './blocks'
import { knownClustering } from './facts'

/** Functional separation of clusters, in order of `clusters`: docs/method.md, section 5.7. */
export interface Separations {
  readonly clusters: Int32Array
  readonly sizes: Int32Array
  readonly values: Float64Array
}

/** Separations of the clusters of a clustering; null if it is not described, or the run has no matrix. */
export const getSeparations = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number
): Promise<Separations | null> => {
  const {
    number: run,
    clustering,
    described,
    columns,
    tokens
  } = await knownClustering(connection, runId, clusteringNumber)
  if (!described || columns === undefined) return null
  const [clusters, sizes, values]: number[][] = [[], [], []]
  await forEachBlock(
    connection,
    `SELECT cluster, size, means, standard_deviations FROM group_descriptions
     WHERE run = $1 AND clustering = $2 AND cluster >= 0 AND cluster < $3 ORDER BY cluster`,
    [run, clustering.number, clustering.clusters],
    (block) => {
      const [numbers, counts] = [block.integers(0), block.integers(1)]
      const [means, deviations] = [2, 3].map((column) => block.listed(column, Float32Array))
      const at = ({ values: all, starts, lengths }: typeof means, row: number): Float32Array =>
        all.subarray(starts(row), starts(row) + lengths(row))
      for (let row = 0; row < block.rows; row++) {
        clusters.push(numbers[row])
        sizes.push(counts[row])
        const own = { means: at(means, row), deviations: at(deviations, row) }
        values.push(separationOf(own, columns, counts[row], tokens))
      }
    }
  )
  return { clusters: Int32Array.from(clusters), sizes: Int32Array.from(sizes), values: Float64Array.from(values) }
}
