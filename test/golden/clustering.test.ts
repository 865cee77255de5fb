import { readFileSync } from 'node:fs'
import { beforeAll, expect, it } from 'vitest'
import { openTeam } from '../../main/base/team'
import { buildGraph, shrinkable, volume, type Graph } from '../../main/clustering/graph'
import { prepareSearch, runSearch, type Neighbours } from '../../main/clustering/neighbours'
import { solvePagerank } from '../../main/clustering/pagerank'
import { openWorkspace } from '../../main/clustering/pagerank-system'
import { preprocess, type Points } from '../../main/clustering/preprocess'
import { sweep } from '../../main/clustering/sweep'
import { describeWithShared, sharedPath } from '../shared'

interface Golden {
  readonly matrix: readonly (readonly number[])[]
  readonly k: number
  readonly alpha: number
  readonly epsilon: number
  readonly preprocessed_first_row: readonly number[]
  readonly neighbours_first_rows: readonly (readonly number[])[]
  readonly kth_distance: readonly number[]
  readonly edges: number
  readonly total_volume: number
  readonly cases: readonly {
    readonly seed: number
    readonly exact_pagerank: readonly number[]
    readonly global_sweep: { readonly members: readonly number[]; readonly conductance: number }
    readonly local_sweep: {
      readonly members: readonly number[]
      readonly conductance: number
      readonly at_end: boolean
    }
    readonly 'push_alpha_0.05_epsilon_1e-5': { readonly support: number; readonly max_residual_over_degree: number }
  }[]
}

/** `preprocess` takes float32 susceptibilities; the golden's float64 matrix becomes points here. */
const standardise = (matrix: readonly (readonly number[])[]): Points => {
  const [count, dimensions] = [matrix.length, matrix[0].length]
  const columns = Array.from({ length: dimensions }, (_, c) => matrix.map((row) => row[c]))
  const scaled = columns.map((column) => {
    const mean = column.reduce((a, b) => a + b, 0) / count
    const deviation = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count)
    return column.map((value) => (value - mean) / deviation)
  })
  const values = new Float64Array(new SharedArrayBuffer(8 * count * dimensions))
  for (let i = 0; i < count; i++) {
    const mean = scaled.reduce((sum, column) => sum + column[i], 0) / dimensions
    for (let c = 0; c < dimensions; c++) values[i * dimensions + c] = scaled[c][i] - mean
  }
  return { values, count, dimensions }
}

/**
 * Andersen, Chung and Lang's approximate PageRank (FOCS 2006) by pushing, for comparison: [p, r] with r_u < ε d_u.
 */
const push = (
  { nodes, starts, columns, weights, degrees }: Graph,
  seed: number,
  alpha: number,
  epsilon: number
): [Float64Array, Float64Array] => {
  const [p, r] = [new Float64Array(nodes), new Float64Array(nodes)]
  r[seed] = 1
  const queue = [seed]
  for (let head = 0; head < queue.length; head++) {
    const u = queue[head]
    while (r[u] >= epsilon * degrees[u]) {
      const mass = r[u]
      p[u] += alpha * mass
      r[u] = ((1 - alpha) * mass) / 2
      for (let e = starts[u]; e < starts[u + 1]; e++) {
        const v = columns[e]
        const before = r[v]
        r[v] += (((1 - alpha) * mass) / 2) * (weights[e] / degrees[u])
        if (v !== u && before < epsilon * degrees[v] && r[v] >= epsilon * degrees[v]) queue.push(v)
      }
    }
  }
  return [p, r]
}

describeWithShared('from matrix to sweep sets, against the float64 reference', () => {
  let golden: Golden
  let points: Points
  let neighbours: Neighbours
  let graph: Graph
  beforeAll(async () => {
    golden = JSON.parse(readFileSync(sharedPath('oracle', 'goldens', 'clusters-600.json'), 'utf8')) as Golden
    points = standardise(golden.matrix)
    const search = prepareSearch(points, golden.k, 1)
    await runSearch(search, openTeam(1))
    neighbours = search.neighbours
    graph = buildGraph({ points, neighbours, symmetrize: 'union' })
  })

  it('standardises columns, then centres rows', () => {
    const matrix = Float32Array.from(golden.matrix.flat())
    const ours = preprocess(
      matrix,
      golden.matrix.length,
      golden.matrix[0].map((_, c) => `c${c}`),
      false
    )
    golden.preprocessed_first_row.forEach((value, c) => {
      expect(ours.values[c]).toBeCloseTo(value, 6)
      expect(points.values[c]).toBeCloseTo(value, 13)
    })
  })

  it('finds the same neighbours at the same distances', () => {
    golden.neighbours_first_rows.forEach((row, i) =>
      expect([...neighbours.indices.subarray(i * golden.k, (i + 1) * golden.k)]).toEqual(row)
    )
    golden.kth_distance.forEach((distance, i) =>
      expect(neighbours.distances[(i + 1) * golden.k - 1]).toBe(Math.fround(distance))
    )
  })

  it('joins them into the same graph', () => {
    expect(graph.columns.length / 2).toBe(golden.edges)
    expect(Math.abs(volume(graph) / golden.total_volume - 1)).toBeLessThan(1e-12)
  })

  it('solves the same PageRank vectors and cuts the same sets', () => {
    const workspace = openWorkspace(graph)
    shrinkable(graph, workspace.arrays)
    const seeds = Int32Array.from(golden.cases, ({ seed }) => seed)
    solvePagerank(
      {
        graph,
        seeds,
        alpha: golden.alpha,
        epsilon: golden.epsilon,
        volume: volume(graph),
        left: graph.nodes,
        workspace
      },
      openTeam(1)
    )
    golden.cases.forEach((expected, column) => {
      const scores = Float64Array.from({ length: graph.nodes }, (_, i) => workspace.scores[8 * i + column])
      const error = Math.max(...expected.exact_pagerank.map((p, i) => Math.abs(p / graph.degrees[i] - scores[i])))
      expect(error * volume(graph)).toBeLessThan(1e-6)
      const everywhere = sweep(graph, scores, 1)!
      expect([...everywhere.members]).toEqual(expected.global_sweep.members)
      expect(everywhere.conductance).toBeCloseTo(expected.global_sweep.conductance, 12)
      const local = sweep(graph, scores, 0.5)!
      expect([...local.members]).toEqual(expected.local_sweep.members)
      expect(local.conductance).toBeCloseTo(expected.local_sweep.conductance, 12)
      expect(local.atEnd).toBe(expected.local_sweep.at_end)
    })
  })

  it('brackets what pushing finds: below the exact vector by less than ε d_u', () => {
    const [alpha, epsilon] = [0.05, 1e-5]
    for (const { seed, 'push_alpha_0.05_epsilon_1e-5': expected } of golden.cases) {
      const workspace = openWorkspace(graph)
      shrinkable(graph, workspace.arrays)
      solvePagerank(
        { graph, seeds: Int32Array.of(seed), alpha, epsilon, volume: volume(graph), left: graph.nodes, workspace },
        openTeam(1)
      )
      const [p, r] = push(graph, seed, alpha, epsilon)
      expect(p.filter((value) => value > 0).length).toBe(expected.support)
      expect(Math.max(...r.map((value, i) => value / graph.degrees[i]))).toBeCloseTo(
        expected.max_residual_over_degree,
        12
      )
      p.forEach((value, i) => {
        const gap = workspace.scores[8 * i] - value / graph.degrees[i]
        expect(gap).toBeGreaterThan(-1e-9)
        expect(gap).toBeLessThan(epsilon)
      })
    }
  })
})
