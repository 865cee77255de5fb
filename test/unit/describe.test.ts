import { describe, expect, it } from 'vitest'
import { inProcessPool, type Pool } from '../../main/base/pool'
import { layOutGroups } from '../../main/clustering/cluster-layout'
import { computeDescription, describeClustering, type DescribeOrder } from '../../main/clustering/describe'
import { buildGraph } from '../../main/clustering/graph'
import { preprocess } from '../../main/clustering/preprocess'
import { executeTask, type ClusteringResult, type ClusteringTask } from '../../main/clustering/tasks'
import { leftoverCluster, noCluster, type ClusteringDescription } from '../../preload/records'
import { planted, pointsOf, randomNumbers } from './clustering-fixture'

const nearest = (points: Float64Array, tokens: number, k: number): { k: number; indices: Int32Array; distances: Float32Array } => {
  const width = points.length / tokens
  const lists = Array.from({ length: tokens }, (_, i) =>
    Array.from({ length: tokens }, (__, j) => ({ j, distance: Math.hypot(...Array.from({ length: width }, (___, d) => points[i * width + d] - points[j * width + d])) }))
      .filter(({ j }) => j !== i)
      .sort((a, b) => a.distance - b.distance || a.j - b.j)
      .slice(0, k))
  return { k, indices: Int32Array.from(lists.flat(), ({ j }) => j), distances: Float32Array.from(lists.flat(), ({ distance }) => distance) }
}

/** A small random clustering of random points: memberships follow groups only in part, so that edges lead everywhere. */
const randomOrder = (seed: number, { whiten = false, symmetrize = 'union', leftover = true }: { whiten?: boolean; symmetrize?: 'union' | 'mutual'; leftover?: boolean } = {}): DescribeOrder => {
  const { matrix, tokens, components, truth } = planted(seed, [30, 25, 20], 5, 1.5, 25)
  const { uniform } = randomNumbers(seed + 100)
  const membership = Int32Array.from(truth, (group) => {
    const moved = uniform() < 0.15 ? Math.floor(4 * uniform()) - 1 : group
    return leftover ? moved : Math.max(0, moved)
  })
  const points = preprocess(matrix, tokens, components, whiten)
  return {
    matrix, tokens, components, membership, seed,
    configuration: { whiten, symmetrize },
    neighbours: nearest(points.values, tokens, 8),
    rows: { probe: Array.from({ length: tokens / 5 }, (_, row) => Int32Array.of(10 + row, 1, 2, 3, 4, 5)), targets: Array.from({ length: tokens / 5 }, () => Int32Array.of(1, 2, 3, 4, 5)) },
    texts: { ids: Int32Array.of(1, 2, 3, 4, 5), texts: [' a', '(', 'b', ')', '\n'] }
  }
}

/** The same from the whole graph of the search for clusters, pair by pair. */
const naive = ({ matrix, tokens, components, configuration, neighbours, membership }: DescribeOrder) => {
  const points = preprocess(matrix, tokens, components, configuration.whiten)
  const width = components.length
  const graph = buildGraph({ points, neighbours: neighbours!, symmetrize: configuration.symmetrize })
  const groups = [...new Set(membership)].sort((a, b) => (a < 0 ? 1 : b < 0 ? -1 : a - b))
  const membersOf = (group: number): number[] => Array.from(membership.keys()).filter((token) => membership[token] === group)
  const pairs = new Map<string, number>()
  const boundary: number[] = []
  const toward: number[] = []
  for (let token = 0; token < tokens; token++) {
    const out = new Map<number, number>()
    for (let edge = graph.starts[token]; edge < graph.starts[token + 1]; edge++) {
      const [own, other] = [membership[token], membership[graph.columns[edge]]]
      if (own === other) continue
      out.set(other, (out.get(other) ?? 0) + graph.weights[edge])
      if (own < other) pairs.set(`${own} ${other}`, (pairs.get(`${own} ${other}`) ?? 0) + graph.weights[edge])
    }
    const weights = [...out.values()].reduce((a, b) => a + b, 0)
    boundary.push(graph.degrees[token] === 0 ? 0 : weights / graph.degrees[token])
    toward.push([...out].sort(([, a], [, b]) => b - a)[0]?.[0] ?? noCluster)
  }
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
  const centralPlace = new Int32Array(tokens)
  const [means, deviations]: [number[], number[]] = [[], []]
  for (const group of groups) {
    const members = membersOf(group)
    for (let c = 0; c < width; c++) {
      const column = members.map((token) => matrix[token * width + c])
      means.push(mean(column))
      deviations.push(Math.sqrt(mean(column.map((value) => (value - mean(column)) ** 2))))
    }
    const middle = Array.from({ length: points.dimensions }, (_, d) => mean(members.map((token) => points.values[token * points.dimensions + d])))
    const distance = (token: number): number => middle.reduce((sum, value, d) => sum + (value - points.values[token * points.dimensions + d]) ** 2, 0)
    members.sort((a, b) => distance(a) - distance(b) || a - b).forEach((token, place) => (centralPlace[token] = place))
  }
  return { groups, pairs, boundary, toward, centralPlace, means, deviations }
}

const expectClose = (found: ArrayLike<number>, expected: ArrayLike<number>, within: number): void => {
  expect(found.length).toBe(expected.length)
  expect(Array.from(found, (value, i) => Math.abs(value - expected[i])).reduce((a, b) => Math.max(a, b), 0)).toBeLessThan(within)
}

const inThisThread = (): Pool<ClusteringTask, ClusteringResult> => inProcessPool(executeTask)

describe('the description of a clustering', () => {
  it.each([
    ['of a union graph', {}],
    ['of a mutual graph', { symmetrize: 'mutual' as const }],
    ['of whitened points', { whiten: true }],
    ['where nothing is left over', { leftover: false }]
  ])('is that of the whole graph and of the points, %s', (_, changes) => {
    for (const seed of [1, 2, 3]) {
      const order = randomOrder(seed, changes)
      const found = computeDescription(order)
      const expected = naive(order)
      expect(Array.from(found.groups)).toEqual(expected.groups)
      expectClose(found.boundary, expected.boundary, 1e-5)
      expect(Array.from(found.toward)).toEqual(expected.toward)
      expect(found.centralPlace).toEqual(expected.centralPlace)
      expectClose(found.means, expected.means, 1e-6)
      expectClose(found.standardDeviations, expected.deviations, 1e-6)
      const names = Array.from(found.edges.from, (from, i) => `${from} ${found.edges.to[i]}`)
      expect([...names].sort()).toEqual([...expected.pairs.keys()].sort())
      expectClose(found.edges.weights, names.map((name) => expected.pairs.get(name)!), 1e-4)
      expect(found.positions).toHaveLength(2 * expected.groups.length)
    }
  })

  it('tells patterns of tokens in order', () => {
    const { patterns } = computeDescription(randomOrder(1))
    expect(patterns).toHaveLength(100)
    expect(Array.from(patterns.subarray(5, 10))).toEqual(Array.from(patterns.subarray(0, 5)))
    expect(patterns[3] & 2).toBe(2)
  })

  it('gives the central token first, and ties to the lower index', () => {
    const matrix = Float32Array.from([0, 1, 1, 0, 1, 0, 1, 0, 4, -3, 5, -4])
    const { centralPlace } = computeDescription({
      matrix, tokens: 6, components: ['a', 'b'], configuration: { whiten: false, symmetrize: 'union' }, neighbours: undefined,
      membership: Int32Array.of(0, 0, 0, 0, -1, -1), rows: { probe: [], targets: [] }, texts: { ids: new Int32Array(0), texts: [] }, seed: 1
    })
    expect(Array.from(centralPlace)).toEqual([3, 0, 1, 2, 0, 1])
  })

  it('does without χ̂ and neighbours, as an imported set has none', () => {
    const { matrix: _, neighbours: __, ...order } = randomOrder(4)
    const description = computeDescription({ ...order, matrix: new Float32Array(0), components: [], neighbours: undefined })
    expect(description.means).toHaveLength(0)
    expect(new Set(description.toward)).toEqual(new Set([noCluster]))
    expect(description.edges.from).toHaveLength(0)
    const first = order.membership.indexOf(leftoverCluster)
    expect(description.centralPlace[first]).toBe(0)
    expect(description.positions.every(Number.isFinite)).toBe(true)
    expect(description.patterns.some((bits) => bits !== 0)).toBe(true)
  })

  it('is the same on a worker, tells how far it is, and stops when it is told to', async () => {
    const order = randomOrder(5)
    const told: number[] = []
    const found: ClusteringDescription = await describeClustering({ ...order, onProgress: (fraction) => told.push(fraction) }, inThisThread)
    expect(found).toEqual(computeDescription(order))
    expect(told.at(-1)).toBe(1)
    const controller = new AbortController()
    controller.abort()
    await expect(describeClustering({ ...order, signal: controller.signal }, inThisThread)).rejects.toMatchObject({ kind: 'interrupted' })
  })

  it('ends a worker that is at work when it is told to stop', async () => {
    const controller = new AbortController()
    let fail: (error: Error) => void = () => {}
    const endless: Pool<ClusteringTask, ClusteringResult> = {
      size: 1,
      runOn: () => new Promise((_, reject) => (fail = reject)),
      close: async () => fail(new Error('The worker threads were ended.'))
    }
    const work = describeClustering({ ...randomOrder(6), signal: controller.signal }, () => endless)
    controller.abort()
    await expect(work).rejects.toMatchObject({ kind: 'interrupted' })
  })
})

describe('the layout of clusters', () => {
  const middles = pointsOf(Array.from({ length: 12 }, (_, i) => [Math.sin(i * 2.3), Math.cos(i * 1.7), Math.sin(i)].map((value) => value / 10)))
  const pairs = Array.from({ length: 12 }, (_, i) => Array.from({ length: i }, (__, j) => ({ from: j, to: i, weight: i % 3 === j % 3 ? 10 : 0.1 }))).flat()
  const edges = { from: pairs.map(({ from }) => from), to: pairs.map(({ to }) => to), weights: pairs.map(({ weight }) => weight) }

  it('draws those with heavy edges together, the same every time', () => {
    const positions = layOutGroups(middles, edges, 3)
    expect(layOutGroups(middles, edges, 3)).toEqual(positions)
    const distance = (a: number, b: number): number => Math.hypot(positions[2 * a] - positions[2 * b], positions[2 * a + 1] - positions[2 * b + 1])
    const mean = (chosen: typeof pairs): number => chosen.reduce((sum, { from, to }) => sum + distance(from, to), 0) / chosen.length
    expect(mean(pairs.filter(({ weight }) => weight === 10))).toBeLessThan(0.5 * mean(pairs.filter(({ weight }) => weight < 1)))
  })

  it('places a single one, and two without edges', () => {
    expect(Array.from(layOutGroups(pointsOf([[1, 2, 3]]), { from: [], to: [], weights: [] }, 1))).toEqual([0, 0])
    const two = layOutGroups(pointsOf([[1, 0], [-1, 0]]), { from: [], to: [], weights: [] }, 1)
    expect(Math.hypot(two[0] - two[2], two[1] - two[3])).toBeGreaterThan(1)
  })
})
