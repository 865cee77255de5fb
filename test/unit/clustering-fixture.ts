import type { ClusteringConfiguration } from '../../preload/configuration'
import { philoxWords } from '../../main/base/philox'
import type { Graph } from '../../main/clustering/graph'
import type { Points } from '../../main/clustering/preprocess'

/** Uniform numbers in [0, 1) and normal ones, from a seed. */
export const randomNumbers = (seed: number): { uniform: () => number; normal: () => number } => {
  const words = new Uint32Array(1024)
  let block = 0
  let at = words.length
  const uniform = (): number => {
    if (at === words.length) {
      philoxWords(seed, block, 0, 0, 0, words)
      block += words.length / 4
      at = 0
    }
    return words[at++] / 2 ** 32
  }
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()) }
}

export interface Planted {
  readonly matrix: Float32Array
  readonly tokens: number
  readonly components: readonly string[]
  /** Group of each token, -1 for noise. */
  readonly truth: readonly number[]
}

/** Groups of the given sizes round random centres, and noise, in a random order. */
export const planted = (
  seed: number,
  sizes: readonly number[],
  dimensions: number,
  spread: number,
  noise: number
): Planted => {
  const { uniform, normal } = randomNumbers(seed)
  const centres = sizes.map(() => {
    const centre = Array.from({ length: dimensions }, normal)
    const norm = Math.hypot(...centre)
    return centre.map((value) => (4 * value) / norm)
  })
  const rows = sizes.flatMap((size, group) =>
    Array.from({ length: size }, () => ({
      group,
      row: centres[group].map((value) => value + (spread * normal()) / Math.sqrt(dimensions))
    }))
  )
  for (let i = 0; i < noise; i++)
    rows.push({ group: -1, row: Array.from({ length: dimensions }, () => 1.5 * normal()) })
  const keyed = rows
    .map((row) => ({ row, key: uniform() }))
    .sort((a, b) => a.key - b.key)
    .map(({ row }) => row)
  return {
    matrix: Float32Array.from(keyed.flatMap(({ row }) => row)),
    tokens: keyed.length,
    components: Array.from({ length: dimensions }, (_, c) => `head:0.${c}`),
    truth: keyed.map(({ group }) => group)
  }
}

/** Estimates [tokens, width] from parts of the draws, of tokens in groups of 40. */
export interface Parts {
  /** The mean of some parts. */
  readonly meanOf: (some: readonly number[]) => Float32Array
  readonly whole: Float32Array
}

export const partsOfDraws = (tokens: number, width: number): Parts => {
  const { normal } = randomNumbers(6)
  const truth = Float32Array.from(
    { length: tokens * width },
    (_, at) => 4 * Math.floor(at / width / 40) * (at % width === 0 ? 1 : 0.3) + normal()
  )
  const parts = [0, 1, 2, 3].map(() => truth.map((value) => value + 0.3 * normal()))
  const meanOf = (some: readonly number[]): Float32Array =>
    truth.map((_, at) => some.reduce((sum, part) => sum + parts[part][at], 0) / some.length)
  return { meanOf, whole: meanOf([0, 1, 2, 3]) }
}

export const pointsOf = (rows: readonly (readonly number[])[]): Points => {
  const dimensions = rows[0].length
  const values = new Float64Array(new SharedArrayBuffer(8 * rows.length * dimensions))
  values.set(rows.flat())
  return { values, count: rows.length, dimensions }
}

/** Undirected graph from edges [u, v, weight]. */
export const graphOf = (nodes: number, edges: readonly (readonly [number, number, number])[]): Graph => {
  const rows: Map<number, number>[] = Array.from({ length: nodes }, () => new Map<number, number>())
  for (const [u, v, weight] of edges) {
    rows[u].set(v, weight)
    rows[v].set(u, weight)
  }
  const ordered = rows.map((row) => [...row].sort(([a], [b]) => a - b))
  const starts = Int32Array.from({ length: nodes + 1 }, (_, i) =>
    ordered.slice(0, i).reduce((sum, row) => sum + row.length, 0)
  )
  return {
    nodes,
    starts,
    ends: starts.subarray(1),
    columns: Int32Array.from(ordered.flatMap((row) => row.map(([column]) => column))),
    weights: Float64Array.from(ordered.flatMap((row) => row.map(([, weight]) => weight))),
    degrees: Float64Array.from(ordered, (row) => row.reduce((sum, [, weight]) => sum + weight, 0))
  }
}

export const randomGraph = (seed: number, nodes: number, degree: number): Graph => {
  const { uniform } = randomNumbers(seed)
  const edges: [number, number, number][] = []
  for (let u = 0; u < nodes; u++) {
    for (let i = 0; i < degree; i++) {
      const v = Math.floor(uniform() * nodes)
      if (v !== u) edges.push([u, v, uniform()])
    }
  }
  return graphOf(nodes, edges)
}

type OfMethod<M> = Extract<ClusteringConfiguration, { method: M }>

export const configurationOf = (changes: Partial<OfMethod<'acl'>> = {}): OfMethod<'acl'> => ({
  method: 'acl',
  neighbours: 15,
  recall: 1,
  symmetrize: 'union',
  whiten: false,
  allColumns: false,
  stability: false,
  alpha: 0.001,
  epsilon: 1e-7,
  rule: 'local',
  minSize: 20,
  maxRejections: 40,
  remaining: 0.001,
  ...changes
})

export const communitiesOf = (changes: Partial<OfMethod<'communities'>> = {}): OfMethod<'communities'> => ({
  method: 'communities',
  neighbours: 15,
  recall: 1,
  symmetrize: 'union',
  whiten: false,
  allColumns: false,
  stability: true,
  resolution: 'auto',
  levels: 3,
  seeds: 4,
  minSize: 10,
  ...changes
})
