import { clusteringSchema, suitClustering } from '../../preload/configuration'
import { partitionTokens } from '../../main/clustering/cluster'
import { plantedMatrix } from './planted-matrix'

const components = 32

/**
 * Time and memory from a synthetic susceptibility matrix to clusters; run it in a process of its own, for its peak
 * memory.
 */
export const benchClustering = async (tokens: number, threads: number): Promise<void> => {
  const matrix = plantedMatrix(tokens, components)
  const before = process.memoryUsage.rss()
  const start = performance.now()
  const since = (): string => ((performance.now() - start) / 1000).toFixed(1)
  const settings = `k = 45, ${threads} threads, settings of docs/method.md, section 5`
  console.log(`\nclustering: ${tokens} tokens × ${components} components, ${settings}`)
  const configuration = suitClustering(
    clusteringSchema.parse({ method: 'acl', neighbours: 45, minSize: 20, whiten: false }),
    tokens
  )
  const { discovery, edges } = await partitionTokens({
    matrix,
    tokens,
    components: Array.from({ length: components }, (_, i) => `component ${i}`),
    configuration,
    seed: 1,
    threads,
    onNeighbours: () => console.log(`  neighbours after ${since()} s`)
  })
  const { clusters, leftover, ending, attempts } = discovery!
  const peak = process.resourceUsage().maxRSS * 1024
  console.log(
    `  whole clustering after ${since()} s: ${clusters.length} clusters, ${leftover.kind} ` +
      `${leftover.members.length}, ${edges} edges, ${attempts} seeds; ${ending}`
  )
  console.log(
    `  peak memory ${(peak / 2 ** 20).toFixed(0)} MiB, ${((peak - before) / 2 ** 20).toFixed(0)} MiB of it for ` +
      'the clustering'
  )
}
