import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { beforeAll, describe, expect, it } from 'vitest'
import { SpectroscopeError } from '../../preload/errors'
import { inProcessPool, openPool, type Pool } from '../../main/base/pool'
import { openTeam } from '../../main/base/team'
import { partitionTokens, type ClusterInput, type DiscoveryState, type Neighbours } from '../../main/clustering/cluster'
import { discover, seedNode, type Discovery } from '../../main/clustering/discover'
import {
  alongEdges,
  buildGraph,
  conductance,
  inOrder,
  removeNodes,
  shrinkable,
  volume,
  type Graph,
  type ShrinkingGraph
} from '../../main/clustering/graph'
import { judgeSweep } from '../../main/clustering/judgement'
import { prepareSearch, runSearch } from '../../main/clustering/neighbours'
import { solvePagerank } from '../../main/clustering/pagerank'
import { openWorkspace } from '../../main/clustering/pagerank-system'
import { eigenDecomposition, preprocess, type Points } from '../../main/clustering/preprocess'
import { orderByScore, sweep, weightToEarlier } from '../../main/clustering/sweep'
import { type ClusteringResult, type ClusteringTask } from '../../main/clustering/tasks'
import { executeTask } from '../../main/clustering/execute-task'
import {
  configurationOf,
  graphOf,
  planted,
  pointsOf,
  randomGraph,
  randomNumbers,
  type Planted
} from './clustering-fixture'

type ClusteringPool = Pool<ClusteringTask, ClusteringResult>

const root = fileURLToPath(new URL('../..', import.meta.url))
const workerFolder = `${root}out/test-clustering`
const here = (): ClusteringPool => inProcessPool(executeTask)
const inThreads = (threads: number): ClusteringPool => openPool(`${workerFolder}/worker.js`, threads)

const inputOf = ({ matrix, tokens, components }: Planted, changes: Partial<ClusterInput> = {}): ClusterInput => ({
  matrix,
  tokens,
  components,
  configuration: configurationOf(),
  seed: 7,
  threads: 1,
  ...changes
})

interface Clustering extends Discovery {
  readonly neighbours: Neighbours
}

/** What a search by acl comes to. */
const clusterTokens = async (input: ClusterInput, open: (threads: number) => ClusteringPool): Promise<Clustering> => {
  const { discovery, neighbours } = await partitionTokens(input, open)
  return { ...discovery!, neighbours }
}

const fails = async (work: () => unknown): Promise<SpectroscopeError> => {
  try {
    await work()
  } catch (error) {
    if (error instanceof SpectroscopeError) return error
    throw error
  }
  throw new Error('No error was thrown.')
}

describe('preprocessing', () => {
  const { matrix, tokens, components } = planted(3, [50, 40], 6, 1, 30)

  it('leaves rows of mean 0 from columns of mean 0 and deviation 1', () => {
    const { values } = preprocess(matrix, tokens, components, false)
    for (let i = 0; i < tokens; i++)
      expect(values.subarray(i * 6, i * 6 + 6).reduce((a, b) => a + b, 0)).toBeCloseTo(0, 12)
  })

  it('names the component of a constant column and of a value that is not finite', async () => {
    const constant = matrix.map((value, at) => (at % 6 === 4 ? 0.1 : value))
    const broken = matrix.map((value, at) => (at === 6 * 11 + 2 ? NaN : value))
    const first = await fails(() => preprocess(constant, tokens, components, false))
    expect(first.kind).toBe('clustering')
    expect(first.message).toContain('"head:0.4"')
    const second = await fails(() => preprocess(broken, tokens, components, false))
    expect(second.message).toContain('"head:0.2"')
    expect(second.message).toContain('token 11')
  })

  it('whitens to uncorrelated axes of variance 1 and drops those without variance', () => {
    const dependent = new Float32Array(tokens * 3)
    for (let i = 0; i < tokens; i++) dependent.set([matrix[6 * i], matrix[6 * i + 1], 2 * matrix[6 * i]], 3 * i)
    const { values, dimensions } = preprocess(dependent, tokens, ['a', 'b', 'c'], true)
    expect(dimensions).toBe(2)
    const moment = (a: number, b: number): number =>
      Array.from({ length: tokens }, (_, i) => values[2 * i + a] * values[2 * i + b]).reduce((x, y) => x + y, 0) /
      tokens
    expect(moment(0, 0)).toBeCloseTo(1, 9)
    expect(moment(1, 1)).toBeCloseTo(1, 9)
    expect(moment(0, 1)).toBeCloseTo(0, 9)
  })

  it('decomposes a symmetric matrix', () => {
    const { normal } = randomNumbers(2)
    const width = 9
    const symmetric = new Float64Array(width * width)
    for (let i = 0; i < width; i++)
      for (let j = 0; j <= i; j++) symmetric[i * width + j] = symmetric[j * width + i] = normal()
    const { eigenvalues, vectors } = eigenDecomposition(symmetric, width)
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) {
        let sum = 0
        for (let e = 0; e < width; e++) sum += vectors[i * width + e] * eigenvalues[e] * vectors[j * width + e]
        expect(sum).toBeCloseTo(symmetric[i * width + j], 12)
      }
    }
  })
})

const bruteForce = ({ values, count, dimensions }: Points, k: number): number[] =>
  Array.from({ length: count }, (_, i) => {
    const distance = (j: number): number => {
      let sum = 0
      for (let d = 0; d < dimensions; d++) sum += (values[i * dimensions + d] - values[j * dimensions + d]) ** 2
      return sum
    }
    const others = Array.from({ length: count }, (_, j) => ({ j, d: distance(j) })).filter(({ j }) => j !== i)
    return others
      .sort((a, b) => a.d - b.d || a.j - b.j)
      .slice(0, k)
      .map(({ j }) => j)
  }).flat()

const search = async (points: Points, k: number): Promise<Int32Array> => {
  const prepared = prepareSearch(points, k, 1)
  await runSearch(prepared, openTeam(1))
  return prepared.neighbours.indices
}

describe('the neighbour search', () => {
  const { normal, uniform } = randomNumbers(5)
  const normalRows = (count: number, dimensions: number): number[][] =>
    Array.from({ length: count }, () => Array.from({ length: dimensions }, normal))

  it.each([
    [700, 5, 9],
    [333, 32, 45],
    [1501, 3, 1],
    [90, 130, 89]
  ])('equals brute force: %i points, %i dimensions, k = %i', async (count, dimensions, k) => {
    const points = pointsOf(normalRows(count, dimensions))
    expect([...(await search(points, k))]).toEqual(bruteForce(points, k))
  })

  it('gives ties to the lower index: lattice points and duplicates', async () => {
    const lattice = pointsOf(
      Array.from({ length: 600 }, () => [
        Math.floor(4 * uniform()),
        Math.floor(4 * uniform()),
        Math.floor(4 * uniform())
      ])
    )
    expect([...(await search(lattice, 30))]).toEqual(bruteForce(lattice, 30))
    const equal = pointsOf(Array.from({ length: 60 }, () => [1, 2, 3]))
    expect([...(await search(equal, 7))]).toEqual(bruteForce(equal, 7))
  })

  it('tells distances apart that float32 cannot', async () => {
    const points = pointsOf(normalRows(400, 8).map((row) => row.map((value) => 1000 + 1e-5 * value)))
    expect([...(await search(points, 12))]).toEqual(bruteForce(points, 12))
  })

  it('refuses as many neighbours as there are tokens', async () => {
    const error = await fails(() => prepareSearch(pointsOf(normalRows(10, 2)), 10, 1))
    expect(error.kind).toBe('clustering')
    expect(error.message).toContain('"clustering.neighbours" is 10')
  })
})

describe('the graph', () => {
  const graphFrom = async (
    rows: readonly (readonly number[])[],
    k: number,
    symmetrize: 'union' | 'mutual'
  ): Promise<Graph> => {
    const points = pointsOf(rows)
    const prepared = prepareSearch(points, k, 1)
    await runSearch(prepared, openTeam(1))
    return buildGraph({ points, neighbours: prepared.neighbours, symmetrize })
  }
  const edge = ({ starts, ends, columns, weights }: Graph, u: number, v: number): number | undefined => {
    const at = columns.subarray(starts[u], ends[u]).indexOf(v)
    return at < 0 ? undefined : weights[starts[u] + at]
  }

  it('weighs an edge by both scales and joins either or both lists', async () => {
    const rows = [[0], [1], [3], [7]]
    const union = await graphFrom(rows, 1, 'union')
    expect(edge(union, 0, 1)).toBeCloseTo(Math.exp(-1), 14)
    expect(edge(union, 1, 2)).toBeCloseTo(Math.exp(-4 / 2), 14)
    expect(edge(union, 3, 2)).toBeCloseTo(Math.exp(-16 / 8), 14)
    expect(edge(union, 0, 2)).toBeUndefined()
    const mutual = await graphFrom(rows, 1, 'mutual')
    expect(mutual.columns.length / 2).toBe(1)
    expect(edge(mutual, 1, 0)).toBeCloseTo(Math.exp(-1), 14)
    expect(mutual.degrees[3]).toBe(0)
  })

  it('joins duplicates with weight 1 and holds no NaN', async () => {
    const graph = await graphFrom(
      [
        [1, 1],
        [1, 1],
        [1, 1],
        [1, 1],
        [5, 5],
        [5, 6]
      ],
      2,
      'union'
    )
    expect(edge(graph, 0, 1)).toBe(1)
    expect(edge(graph, 4, 0)).toBeUndefined()
    expect([...graph.weights, ...graph.degrees].every(Number.isFinite)).toBe(true)
  })

  it('is symmetric, and shrinks to the induced graph', () => {
    const graph = randomGraph(4, 60, 4)
    const shrunk = (whole: Graph): ShrinkingGraph => shrinkable(whole, openWorkspace(whole).arrays)
    const removed = Int32Array.from({ length: 20 }, (_, i) => 3 * i + 1)
    const once = removeNodes(shrunk(graph), removed)
    expect([...once.left]).toEqual(Array.from({ length: 60 }, (_, i) => i).filter((node) => !removed.includes(node)))
    const isLeft = (node: number): boolean => once.left.includes(node)
    for (let u = 0; u < 60; u++)
      for (let v = 0; v < 60; v++)
        expect(edge(once.graph, u, v)).toBe(isLeft(u) && isLeft(v) ? edge(graph, u, v) : undefined)
    for (const u of once.left)
      expect(once.graph.degrees[u]).toBe([...once.left].reduce((sum, v) => sum + (edge(graph, u, v) ?? 0), 0))
    expect(once.entries).toBe([...once.left].reduce((sum, u) => sum + once.graph.ends[u] - once.graph.starts[u], 0))
    const twice = removeNodes(removeNodes(shrunk(graph), removed.subarray(0, 10)), removed.subarray(10))
    for (const key of ['starts', 'ends', 'degrees'] as const) expect(twice.graph[key]).toEqual(once.graph[key])
    for (const u of once.left)
      expect(twice.shares.subarray(once.graph.starts[u], once.graph.ends[u])).toEqual(
        once.shares.subarray(once.graph.starts[u], once.graph.ends[u])
      )
  })
})

describe('PageRank', () => {
  const residual = (
    { nodes, starts, columns, weights, degrees }: Graph,
    scores: Float64Array,
    seed: number,
    alpha: number
  ): number => {
    let worst = 0
    for (let u = 0; u < nodes; u++) {
      let walked = 0
      for (let e = starts[u]; e < starts[u + 1]; e++) walked += weights[e] * scores[columns[e]]
      const p = degrees[u] * scores[u]
      const r = (u === seed ? 1 : 0) - (p - ((1 - alpha) * (p + walked)) / 2) / alpha
      if (degrees[u] > 0) worst = Math.max(worst, Math.abs(r) / degrees[u])
    }
    return worst
  }
  const solve = (graph: Graph, seeds: readonly number[], alpha: number): Float64Array => {
    const workspace = openWorkspace(graph)
    shrinkable(graph, workspace.arrays)
    solvePagerank(
      {
        graph,
        seeds: Int32Array.from(seeds),
        alpha,
        epsilon: 1e-7,
        volume: volume(graph),
        left: graph.nodes,
        workspace
      },
      openTeam(1)
    )
    return workspace.scores
  }

  it.each([0.5, 0.05, 0.001, 1e-5, 1e-8])('leaves a residual below ε d_u at α = %d', (alpha) => {
    const graph = randomGraph(9, 800, 3)
    expect(
      residual(
        graph,
        solve(graph, [17], alpha).filter((_, at) => at % 8 === 0),
        17,
        alpha
      )
    ).toBeLessThan(1e-7)
  })

  it('leaves a residual below ε d_u in a graph that has lost nodes, and those at 0', () => {
    const graph = randomGraph(12, 900, 4)
    const workspace = openWorkspace(graph)
    const removed = Int32Array.from({ length: 300 }, (_, i) => 3 * i)
    const rest = removeNodes(shrinkable(graph, workspace.arrays), removed).graph
    solvePagerank(
      {
        graph: rest,
        seeds: Int32Array.of(5, 400),
        alpha: 0.001,
        epsilon: 1e-7,
        volume: volume(rest),
        left: 600,
        workspace
      },
      openTeam(1)
    )
    const scores = workspace.scores.filter((_, at) => at % 8 === 1)
    const induced = graphOf(
      900,
      Array.from({ length: 900 }, (_, u) => u).flatMap((u) =>
        Array.from(rest.columns.subarray(rest.starts[u], rest.ends[u]), (v, at): [number, number, number] => [
          u,
          v,
          rest.weights[rest.starts[u] + at]
        ])
      )
    )
    expect(residual(induced, scores, 400, 0.001)).toBeLessThan(1e-7)
    expect(removed.every((node) => scores[node] === 0)).toBe(true)
    expect(workspace.ranked.subarray(900, 1800)).toEqual(scores)
    expect(workspace.earlier.subarray(900, 1800)).toEqual(
      scores.map((_, node) => weightToEarlier(rest, scores, workspace.arrays.tokens, node))
    )
  })

  it('leaves the same scores and ties in whatever order the nodes are in memory', () => {
    const graph = randomGraph(14, 700, 4)
    const tokens = alongEdges(graph)
    expect([...tokens].sort((a, b) => a - b)).toEqual(Array.from({ length: 700 }, (_, i) => i))
    const workspaces = [inOrder(700), tokens].map((order) => {
      const workspace = openWorkspace(graph)
      const { graph: copy, left } = shrinkable(graph, workspace.arrays, order)
      solvePagerank(
        {
          graph: copy,
          seeds: Int32Array.of(left[31]),
          alpha: 0.001,
          epsilon: 1e-7,
          volume: volume(copy),
          left: 700,
          workspace
        },
        openTeam(1)
      )
      const levels = workspace.ranked.subarray(0, 700).map((score) => Math.round(score * volume(graph) * 20))
      return { copy, left, scores: workspace.ranked.subarray(0, 700), levels, order }
    })
    const [plain, moved] = workspaces
    expect(
      Math.max(...plain.scores.map((score, token) => Math.abs(moved.scores[moved.left[token]] - score)))
    ).toBeLessThan(1e-3 / volume(graph))
    expect(new Set(plain.levels).size).toBeLessThan(350)
    const levels = plain.levels
    const shuffled = levels.map((_, node) => levels[tokens[node]])
    const [expected, found] = [sweep(plain.copy, levels, 0.5)!, sweep(moved.copy, shuffled, 0.5, tokens)!]
    expect([...found.members].map((node) => tokens[node]).sort((a, b) => a - b)).toEqual([...expected.members])
    expect(found.conductance).toBe(expected.conductance)
  })

  it('solves in float64 for a seed so far out that float32 cannot reach the rest', () => {
    const chain = Array.from({ length: 399 }, (_, i): [number, number, number][] => [
      [i, i + 1, 1],
      [i, (i * 37) % 399, 0.5]
    ]).flat()
    const graph = graphOf(400, [
      ...chain.filter(([u, v]) => u !== v && u !== 7 && v !== 7),
      [7, 50, 3e-60],
      [7, 90, 1e-60]
    ])
    const scores = solve(graph, [7, 50, 90], 0.01)
    const column = (c: number): Float64Array => scores.filter((_, at) => at % 8 === c)
    const [far, near, other] = [column(0), column(1), column(2)]
    expect(far[7] * graph.degrees[7]).toBeCloseTo(0.02 / 1.01, 9)
    // A first step of the walk: p(seed) = 2α/(1+α) e_seed + (1-α)/(1+α) Σ w p(neighbour) / d.
    for (let u = 0; u < 400; u++)
      if (u !== 7) expect(far[u]).toBeCloseTo((0.99 / 1.01) * (0.75 * near[u] + 0.25 * other[u]), 7)
  })

  it("stays within the seed's component, and handles one edge", () => {
    const scores = solve(
      graphOf(5, [
        [0, 1, 1e-9],
        [2, 3, 1],
        [3, 4, 0.5]
      ]),
      [0],
      0.01
    ).filter((_, at) => at % 8 === 0)
    expect([...scores.subarray(2)]).toEqual([0, 0, 0])
    expect((scores[0] + scores[1]) * 1e-9).toBeCloseTo(1, 9)
  })

  it('gives a column the same numbers alone and beside others', () => {
    const graph = randomGraph(10, 700, 3)
    const seeds = Array.from({ length: 8 }, (_, i) => (i * 97 + 5) % 700)
    const together = solve(graph, seeds, 0.001)
    seeds.forEach((seed, c) =>
      expect(together.filter((_, at) => at % 8 === c)).toEqual(
        solve(graph, [seed], 0.001).filter((_, at) => at % 8 === 0)
      )
    )
  })
})

describe('the sweep', () => {
  const bruteConductance = (graph: Graph, members: Int32Array): number => {
    const inside = new Set(members)
    let [cut, vol] = [0, 0]
    for (let u = 0; u < graph.nodes; u++) {
      for (let e = graph.starts[u]; e < graph.starts[u + 1]; e++) {
        if (!inside.has(u)) continue
        vol += graph.weights[e]
        if (!inside.has(graph.columns[e])) cut += graph.weights[e]
      }
    }
    return cut / Math.min(vol, volume(graph) - vol)
  }

  it.each([0.5, 1])('takes the best of all prefixes up to %d of the volume', (limit) => {
    for (let seed = 1; seed <= 10; seed++) {
      const graph = randomGraph(seed, 40, 2)
      const { uniform } = randomNumbers(seed + 100)
      const scores = Float64Array.from({ length: 40 }, () => Math.max(0, Math.floor(20 * uniform()) - 2))
      const order = Array.from({ length: 40 }, (_, i) => i)
        .filter((i) => scores[i] > 0)
        .sort((a, b) => scores[b] - scores[a] || a - b)
      expect([...orderByScore(scores)]).toEqual(order)
      const prefixes = order
        .map((_, i) => Int32Array.from(order.slice(0, i + 1)))
        .filter((set) => set.reduce((sum, u) => sum + graph.degrees[u], 0) <= limit * volume(graph))
      const best = sweep(graph, scores, limit)!
      expect(best.conductance).toBeCloseTo(Math.min(...prefixes.map((set) => bruteConductance(graph, set))), 12)
      expect(bruteConductance(graph, best.members)).toBeCloseTo(best.conductance, 12)
      const inside = new Uint8Array(40)
      for (const u of best.members) inside[u] = 1
      expect(conductance(graph, volume(graph), best.members, inside)).toBeCloseTo(best.conductance, 12)
    }
  })

  it('orders scores of every magnitude', () => {
    const { uniform } = randomNumbers(77)
    const scores = Float64Array.from({ length: 5000 }, () => (uniform() < 0.1 ? -1 : 2 ** (200 * uniform() - 150)))
    const sorted = [...orderByScore(scores)].map((i) => scores[i])
    expect(sorted).toEqual([...scores].filter((score) => score > 0).sort((a, b) => b - a))
  })

  it('is judged by either rule', () => {
    const set = (size: number, atEnd = false) => ({ members: new Int32Array(size), conductance: 0.1, atEnd })
    const local = { name: 'local', minSize: 20 } as const
    const global = { name: 'global', minSize: 20 } as const
    expect(judgeSweep(set(19), 1000, local).verdict).toBe('too small')
    expect(judgeSweep(set(20), 1000, local).verdict).toBe('accepted')
    expect(judgeSweep(set(400, true), 1000, local).verdict).toBe('at the end')
    expect(judgeSweep(null, 1000, local).verdict).toBe('at the end')
    expect(judgeSweep(set(19), 1000, global).verdict).toBe('too small')
    expect(judgeSweep(set(500), 1000, global).verdict).toBe('accepted')
    expect(judgeSweep(set(501), 1000, global).verdict).toBe('too large')
    expect(judgeSweep(set(991), 1000, global).verdict).toBe('main body')
  })
})

const outcome = ({ clusters, leftover, ending, attempts }: Discovery): unknown => ({
  clusters,
  leftover,
  ending,
  attempts
})

describe('the search for clusters', () => {
  const groups = planted(11, [90, 70, 50, 40], 12, 0.8, 1000)
  let expected: Clustering
  beforeAll(async () => {
    await build({
      root,
      configFile: false,
      logLevel: 'warn',
      ssr: { noExternal: true },
      build: {
        ssr: `${root}main/clustering/worker.ts`,
        outDir: workerFolder,
        target: 'node20',
        rolldownOptions: { output: { entryFileNames: '[name].js', format: 'es' } }
      }
    })
    expected = await clusterTokens(inputOf(groups), here)
  })

  it('recovers planted groups beside a main body', () => {
    const matched = new Set(
      expected.clusters.map(({ members }) => {
        const counts = new Map<number, number>()
        for (const token of members) counts.set(groups.truth[token], (counts.get(groups.truth[token]) ?? 0) + 1)
        const [[group, count]] = [...counts].sort((a, b) => b[1] - a[1])
        expect(count / members.length).toBeGreaterThan(0.9)
        expect(count / groups.truth.filter((value) => value === group).length).toBeGreaterThan(0.9)
        return group
      })
    )
    expect([...matched].sort()).toEqual([0, 1, 2, 3])
    expect(expected.leftover.kind).toBe('main body')
    expect(expected.ending).toBe('40 seeds in a row gave no cluster')
  })

  it('divides all tokens and reports conductances in both graphs', () => {
    const all = [...expected.clusters.flatMap(({ members }) => [...members]), ...expected.leftover.members].sort(
      (a, b) => a - b
    )
    expect(all).toEqual(Array.from({ length: groups.tokens }, (_, i) => i))
    expect(expected.clusters[0].conductance).toBeCloseTo(expected.clusters[0].conductanceWhenCut, 12)
    expect(expected.clusters.every(({ order }, i) => order === i)).toBe(true)
    expect(expected.clusters[0].members).toContain(expected.clusters[0].seed)
  })

  it.each([1, 3])('does not depend on threads: %i worker threads', async (threads) => {
    const ours = await clusterTokens(inputOf(groups, { threads }), inThreads)
    expect(outcome(ours)).toEqual(outcome(expected))
    expect(ours.neighbours.indices).toEqual(expected.neighbours.indices)
  })

  it('solves with all members of a team what one member solves', async () => {
    const graph = randomGraph(21, 6000, 12)
    const search = (pool: ClusteringPool): Promise<Discovery> =>
      discover({
        graph,
        pool,
        alpha: 0.01,
        epsilon: 1e-7,
        rule: { name: 'local', minSize: 5 },
        maxRejections: 12,
        remaining: 0,
        seed: 3
      })
    const pool = inThreads(3)
    try {
      expect(outcome(await search(pool))).toEqual(outcome(await search(here())))
    } finally {
      await pool.close()
    }
  })

  it('goes on from every checkpoint to the same result, with the neighbours it had', async () => {
    const states: DiscoveryState[] = []
    await clusterTokens(inputOf(groups, { onCheckpoint: (state) => void states.push(structuredClone(state)) }), here)
    expect(states).toHaveLength(expected.clusters.length)
    for (const checkpoint of states) {
      const ours = await clusterTokens(inputOf(groups, { checkpoint, neighbours: expected.neighbours }), here)
      expect(outcome(ours)).toEqual(outcome(expected))
    }
    const foreign = await fails(() =>
      clusterTokens(
        inputOf(groups, { checkpoint: states[0], configuration: configurationOf({ neighbours: 12 }) }),
        here
      )
    )
    expect(foreign.message).toContain('start the clustering again')
  })

  it('stops where it stands when interrupted, and goes on from there', async () => {
    const control = new AbortController()
    const states: DiscoveryState[] = []
    const error = await fails(() =>
      clusterTokens(
        inputOf(groups, {
          signal: control.signal,
          threads: 2,
          onCheckpoint: (state) => void states.push(state),
          onProgress: (progress) => {
            if (progress.stage === 'cluster' && progress.rejectionsInARow > 2) control.abort()
          }
        }),
        inThreads
      )
    )
    expect(error.kind).toBe('interrupted')
    const last = states[states.length - 1]
    expect(last.rejectionsInARow).toBeGreaterThan(2)
    expect(outcome(await clusterTokens(inputOf(groups, { checkpoint: last }), here))).toEqual(outcome(expected))
  })

  it('reports progress of both stages', async () => {
    const stages = new Set<string>()
    await clusterTokens(inputOf(groups, { onProgress: ({ stage }) => stages.add(stage) }), here)
    expect([...stages]).toEqual(['neighbours', 'cluster'])
  })

  it('draws seeds from the words of docs/method.md, section 4', () => {
    expect([0, 1, 2, 199].map((attempt) => seedNode(7, attempt, 1000))).toEqual([566, 255, 370, 895])
    expect(expected.clusters[0].seed).toBe(
      Array.from({ length: expected.attempts }, (_, i) => seedNode(7, i, groups.tokens)).find((token) =>
        expected.clusters[0].members.includes(token)
      )
    )
  })

  it('ends on graphs that are tiny, disconnected or have no edges', async () => {
    const search = (graph: Graph, minSize: number, name: 'local' | 'global' = 'local'): Promise<Discovery> =>
      discover({
        graph,
        pool: here(),
        alpha: 0.001,
        epsilon: 1e-7,
        rule: { name, minSize },
        maxRejections: 30,
        remaining: 0.001,
        seed: 1
      })
    const none = await search(graphOf(3, []), 20)
    expect(none.clusters).toHaveLength(0)
    expect(none.ending).toBe('30 seeds in a row gave no cluster')
    const singles = await search(graphOf(3, []), 1)
    expect(singles.clusters.map(({ conductance: value }) => value)).toEqual([0, 0, 0])
    expect(singles.ending).toBe('no tokens were left')
    const clique = (first: number, size: number): [number, number, number][] =>
      Array.from({ length: size }, (_, i) =>
        Array.from({ length: i }, (_, j): [number, number, number] => [first + i, first + j, 1])
      ).flat()
    const apart = await search(graphOf(50, [...clique(0, 10), ...clique(10, 15), ...clique(25, 22)]), 5)
    expect(apart.clusters[0]?.conductanceWhenCut).toBe(0)
    expect(
      apart.clusters.every(
        ({ conductance: value, conductanceWhenCut }) => Number.isFinite(value) && Number.isFinite(conductanceWhenCut)
      )
    ).toBe(true)
    const whole = await search(randomGraph(6, 300, 8), 20, 'global')
    expect(whole.leftover.members.length + whole.clusters.reduce((sum, { members }) => sum + members.length, 0)).toBe(
      300
    )
  })
})
