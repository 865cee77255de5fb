import { clusteringSchema } from '../../preload/configuration'
import { clusterTokens } from '../../main/clustering/cluster'
import { uniforms } from '../tiny-model'

const components = 32

/** Planted clusters of many sizes in Gaussian noise: [tokens, 32], three tokens in ten belong to a cluster. */
const planted = (tokens: number): Float32Array => {
  const next = uniforms(7)
  const normal = (): number => Math.sqrt(-2 * Math.log(next() + 2 ** -33)) * Math.cos(2 * Math.PI * next())
  const centres = Array.from({ length: 120 }, () => Float32Array.from({ length: components }, () => 2.5 * normal()))
  const matrix = new Float32Array(tokens * components)
  for (let token = 0; token < tokens; token++) {
    const centre = next() < 0.3 ? centres[Math.floor(centres.length * next() ** 2)] : undefined
    for (let j = 0; j < components; j++) matrix[token * components + j] = (centre?.[j] ?? 0) + normal() * (centre === undefined ? 1 : 0.6)
  }
  return matrix
}

/** Time and memory from a synthetic susceptibility matrix to clusters; run it in a process of its own, for its peak memory. */
export const benchClustering = async (tokens: number, threads: number): Promise<void> => {
  const matrix = planted(tokens)
  const before = process.memoryUsage.rss()
  const start = performance.now()
  const since = (): string => ((performance.now() - start) / 1000).toFixed(1)
  console.log(`\nclustering: ${tokens} tokens × ${components} components, k = 45, ${threads} threads, settings of METHOD section 5`)
  const { clusters, leftover, ending, attempts, edges } = await clusterTokens({
    matrix, tokens, components: Array.from({ length: components }, (_, i) => `component ${i}`), configuration: clusteringSchema.parse({}), seed: 1, threads,
    onNeighbours: () => console.log(`  neighbours after ${since()} s`)
  })
  const peak = process.resourceUsage().maxRSS * 1024
  console.log(`  whole clustering after ${since()} s: ${clusters.length} clusters, ${leftover.kind} ${leftover.members.length}, ${edges} edges, ${attempts} seeds; ${ending}`)
  console.log(`  peak memory ${(peak / 2 ** 20).toFixed(0)} MiB, ${((peak - before) / 2 ** 20).toFixed(0)} MiB of it for the clustering`)
}
