import { describe, expect, it } from 'vitest'
import { inProcessPool, type Pool } from '../../main/base/pool'
import { layOutGroups } from '../../main/clustering/cluster-layout'
import { computeDescription, describeClustering } from '../../main/clustering/describe'
import type { ClusteringResult, ClusteringTask, DescribeOrder } from '../../main/clustering/tasks'
import { buildGraph } from '../../main/clustering/graph'
import { preprocess } from '../../main/clustering/preprocess'
import { executeTask } from '../../main/clustering/execute-task'
import { leftoverCluster, noCluster, type ClusteringDescription, type LevelDescription } from '../../preload/records'
import { planted, pointsOf, randomNumbers } from './clustering-fixture'

const nearest = (
  points: Float64Array,
  tokens: number,
  k: number
): { k: number; indices: Int32Array; distances: Float32Array } => {
  const width = points.length / tokens
  const lists = Array.from({ length: tokens }, (_, i) =>
    Array.from({ length: tokens }, (__, j) => ({
      j,
      distance: Math.hypot(...Array.from({ length: width }, (___, d) => points[i * width + d] - points[j * width + d]))
    }))
      .filter(({ j }) => j !== i)
      .sort((a, b) => a.distance - b.distance || a.j - b.j)
      .slice(0, k)
  )
  return {
    k,
    indices: Int32Array.from(lists.flat(), ({ j }) => j),
    distances: Float32Array.from(lists.flat(), ({ distance }) => distance)
  }
}

/** Groups above clusters 0 to 6, with gaps in their numbers: cluster 6 is in none, 4 and 5 in a region only. */
const neighbourhoods = [7, 7, 9, 9, -1, -1, -1]
const regions = [10, 10, 11, 11, 10, 11, -1]

const treeOf = (membership: Int32Array): DescribeOrder['levels'] => {
  const above = (groups: readonly number[]): Int32Array => membership.map((cluster) => groups[cluster] ?? -1)
  return [
    { kind: 'cluster', membership },
    { kind: 'neighbourhood', membership: above(neighbourhoods) },
    { kind: 'region', membership: above(regions) }
  ]
}

interface RandomChanges {
  readonly whiten?: boolean
  readonly symmetrize?: 'union' | 'mutual'
  readonly leftover?: boolean
}

/** A small random clustering of random points: groups are followed only in part, so that edges lead everywhere. */
const randomOrder = (
  seed: number,
  { whiten = false, symmetrize = 'union', leftover = true }: RandomChanges = {}
): DescribeOrder => {
  const { matrix, tokens, components, truth } = planted(seed, [20, 15, 15, 10, 10, 10, 10], 5, 1.5, 20)
  const { uniform } = randomNumbers(seed + 100)
  const membership = Int32Array.from(truth, (group) => {
    const moved = uniform() < 0.15 ? Math.floor(8 * uniform()) - 1 : group
    return leftover ? moved : Math.max(0, moved)
  })
  const points = preprocess(matrix, tokens, components, whiten)
  const rows = Array.from({ length: tokens / 5 }, (_, row) => row)
  return {
    matrix,
    tokens,
    components,
    levels: treeOf(membership),
    seed,
    configuration: { whiten, symmetrize },
    neighbours: nearest(points.values, tokens, 8),
    rows: {
      probe: rows.map((row) => Int32Array.of(10 + row, 1, 2, 3, 4, 5)),
      targets: rows.map(() => Int32Array.of(1, 2, 3, 4, 5))
    },
    texts: { ids: Int32Array.of(1, 2, 3, 4, 5), texts: [' a', '(', 'b', ')', '\n'] },
    subsetOf: Int32Array.from({ length: tokens }, (_, token) => Math.floor(token / 5) % 2),
    subsets: ['first', 'second']
  }
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

/** Groups of a level: those that are left over are one among clusters only, the last. */
const groupsOf = ({ kind, membership }: DescribeOrder['levels'][number]): number[] => {
  const groups = [...new Set(membership)].sort((a, b) => (a < 0 ? 1 : b < 0 ? -1 : a - b))
  return kind === 'cluster' ? groups : groups.filter((group) => group >= 0)
}

/** A level from the whole graph of the search for clusters, pair by pair. */
const naive = (order: DescribeOrder, level: DescribeOrder['levels'][number]) => {
  const { matrix, tokens, components, configuration, neighbours } = order
  const { membership } = level
  const points = preprocess(matrix, tokens, components, configuration.whiten)
  const width = components.length
  const graph = buildGraph({ points, neighbours: neighbours!, symmetrize: configuration.symmetrize })
  const groups = groupsOf(level)
  const membersOf = (group: number): number[] => [...membership.keys()].filter((token) => membership[token] === group)
  const pairs = new Map<string, number>()
  const boundary: number[] = []
  const toward: number[] = []
  for (let token = 0; token < tokens; token++) {
    const own = membership[token]
    const out = new Map<number, number>()
    for (let edge = graph.starts[token]; edge < graph.starts[token + 1]; edge++) {
      const other = membership[graph.columns[edge]]
      if (own === other || !groups.includes(own)) continue
      out.set(other, (out.get(other) ?? 0) + graph.weights[edge])
      const pair = `${own} ${other}`
      if (own < other && groups.includes(other)) pairs.set(pair, (pairs.get(pair) ?? 0) + graph.weights[edge])
    }
    const weights = [...out.values()].reduce((a, b) => a + b, 0)
    const towardGroups = [...out].filter(([group]) => groups.includes(group))
    boundary.push(graph.degrees[token] === 0 ? 0 : weights / graph.degrees[token])
    toward.push(towardGroups.sort(([, a], [, b]) => b - a)[0]?.[0] ?? noCluster)
  }
  const centralPlace = new Int32Array(tokens)
  const [means, deviations]: [number[], number[]] = [[], []]
  for (const group of groups) {
    const members = membersOf(group)
    for (let c = 0; c < width; c++) {
      const column = members.map((token) => matrix[token * width + c])
      means.push(mean(column))
      deviations.push(Math.sqrt(mean(column.map((value) => (value - mean(column)) ** 2))))
    }
    const { values, dimensions } = points
    const middle = Array.from({ length: dimensions }, (_, d) =>
      mean(members.map((token) => values[token * dimensions + d]))
    )
    const distance = (token: number): number =>
      middle.reduce((sum, value, d) => sum + (value - values[token * dimensions + d]) ** 2, 0)
    const ordered = members.sort((a, b) => distance(a) - distance(b) || a - b)
    ordered.forEach((token, place) => (centralPlace[token] = place))
  }
  return { groups, pairs, boundary, toward, centralPlace, means, deviations }
}

const levelOf = ({ levels }: ClusteringDescription, kind: LevelDescription['kind']): LevelDescription =>
  levels.find((level) => level.kind === kind)!

const expectClose = (found: ArrayLike<number>, expected: ArrayLike<number>, within: number): void => {
  expect(found.length).toBe(expected.length)
  expect(
    Array.from(found, (value, i) => Math.abs(value - expected[i])).reduce((a, b) => Math.max(a, b), 0)
  ).toBeLessThan(within)
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
      const { levels } = computeDescription(order)
      expect(levels.map(({ kind }) => kind)).toEqual(['cluster', 'neighbourhood', 'region'])
      levels.forEach((found, l) => {
        const expected = naive(order, order.levels[l])
        expect(found.membership).toEqual(order.levels[l].membership)
        expect(Array.from(found.groups)).toEqual(expected.groups)
        expectClose(found.boundary, expected.boundary, 1e-5)
        expect(Array.from(found.toward)).toEqual(expected.toward)
        expect(found.centralPlace).toEqual(expected.centralPlace)
        expectClose(found.means, expected.means, 1e-6)
        expectClose(found.standardDeviations, expected.deviations, 1e-6)
        const names = Array.from(found.edges.from, (from, i) => `${from} ${found.edges.to[i]}`)
        expect([...names].sort()).toEqual([...expected.pairs.keys()].sort())
        expectClose(
          found.edges.weights,
          names.map((name) => expected.pairs.get(name)!),
          1e-4
        )
        expect(found.positions).toHaveLength(2 * expected.groups.length)
        expect(found.rules).toHaveLength(expected.groups.length)
      })
    }
  })

  it('has what is left over as a group among clusters only', () => {
    const description = computeDescription(randomOrder(1))
    expect(levelOf(description, 'cluster').groups.at(-1)).toBe(leftoverCluster)
    for (const kind of ['neighbourhood', 'region'] as const) {
      const { membership, groups, centralPlace, boundary, toward, caught } = levelOf(description, kind)
      expect(groups.includes(leftoverCluster)).toBe(false)
      const without = [...membership.keys()].filter((token) => membership[token] < 0)
      expect(without.length).toBeGreaterThan(20)
      const told = without.map((token) => [centralPlace, boundary, toward, caught].map((each) => each[token]).join(' '))
      expect(new Set(told)).toEqual(new Set([`0 0 ${noCluster} 0`]))
    }
  })

  it('places groups above at the mean of the tokens of their clusters', () => {
    const order = randomOrder(2)
    const [clusters, ...above] = computeDescription(order).levels
    const placeOf = (index: number): Float32Array => clusters.positions.subarray(2 * index, 2 * index + 2)
    const places = new Map(Array.from(clusters.groups, (cluster, index) => [cluster, placeOf(index)]))
    for (const { membership, groups, positions } of above) {
      const expected = Array.from(groups).flatMap((group) => {
        const members = [...membership.keys()].filter((token) => membership[token] === group)
        return [0, 1].map((axis) => mean(members.map((token) => places.get(clusters.membership[token])![axis])))
      })
      expectClose(positions, expected, 1e-5)
    }
  })

  it('catches the share of each group that its best rule tells', () => {
    for (const { membership, groups, rules, caught } of computeDescription(randomOrder(3)).levels) {
      const shares = Array.from(groups, (group) => {
        const members = [...membership.keys()].filter((token) => membership[token] === group)
        return mean(members.map((token) => caught[token]))
      })
      expect(shares.some((share) => share > 0 && share < 1)).toBe(true)
      expectClose(
        shares,
        rules.map(([best]) => best.recall),
        1e-12
      )
    }
  })

  it('finds the rule that a cluster was made by', () => {
    const order = randomOrder(4)
    const membership = Int32Array.from({ length: order.tokens }, (_, token) => (token % 10 === 2 ? 0 : -1))
    const levels = [{ kind: 'cluster' as const, membership }]
    const [{ groups, rules, caught }] = computeDescription({ ...order, levels }).levels
    expect(Array.from(groups)).toEqual([0, -1])
    expect(rules[0][0]).toEqual({
      conditions: [
        { on: 'token', id: 3, text: 'b' },
        { on: 'subset', subset: 'first' }
      ],
      recall: 1,
      precision: 1,
      f1: 1
    })
    expect([...membership.keys()].filter((token) => membership[token] === 0 && caught[token] === 0)).toEqual([])
  })

  it('refuses a group above that has a part of a cluster', () => {
    const order = randomOrder(5)
    const [clusters] = order.levels
    const part = clusters.membership.map((cluster, token) => (cluster === 3 && token > 50 ? 7 : -1))
    const levels = [clusters, { kind: 'region' as const, membership: part }]
    expect(() => computeDescription({ ...order, levels })).toThrow('Tokens of cluster 3 are in different groups')
  })

  it('tells patterns of tokens in order', () => {
    const { patterns } = computeDescription(randomOrder(1))
    expect(patterns).toHaveLength(110)
    expect(Array.from(patterns.subarray(5, 10))).toEqual(Array.from(patterns.subarray(0, 5)))
    expect(patterns[3] & 2).toBe(2)
  })

  it('gives the central token first, and ties to the lower index', () => {
    const matrix = Float32Array.from([0, 1, 1, 0, 1, 0, 1, 0, 4, -3, 5, -4])
    const {
      levels: [{ centralPlace }]
    } = computeDescription({
      matrix,
      tokens: 6,
      components: ['a', 'b'],
      configuration: { whiten: false, symmetrize: 'union' },
      neighbours: undefined,
      levels: [{ kind: 'cluster', membership: Int32Array.of(0, 0, 0, 0, -1, -1) }],
      rows: { probe: [Int32Array.of(1, 2, 3, 4, 5, 6, 7)], targets: [Int32Array.of(1, 2, 3, 4, 5, 6)] },
      texts: { ids: new Int32Array(0), texts: [] },
      subsetOf: new Int32Array(6),
      subsets: ['only'],
      seed: 1
    })
    expect(Array.from(centralPlace)).toEqual([3, 0, 1, 2, 0, 1])
  })

  it('does without χ̂ and neighbours, as an imported set has none', () => {
    const { matrix: _, neighbours: __, ...order } = randomOrder(4)
    const without = { matrix: new Float32Array(0), components: [], neighbours: undefined }
    const { patterns, levels } = computeDescription({ ...order, ...without })
    for (const { means, toward, edges, positions, centralPlace, groups, membership, rules } of levels) {
      expect(means).toHaveLength(0)
      expect(new Set(toward)).toEqual(new Set([noCluster]))
      expect(edges.from).toHaveLength(0)
      for (const group of groups) expect(centralPlace[membership.indexOf(group)]).toBe(0)
      expect(positions.every(Number.isFinite)).toBe(true)
      expect(rules.every((own) => own.length > 0)).toBe(true)
    }
    expect(patterns.some((bits) => bits !== 0)).toBe(true)
  })

  it('tells how far it is, from nothing to all', () => {
    const told: number[] = []
    computeDescription(randomOrder(6), (fraction) => told.push(fraction))
    expect(told[0]).toBe(0)
    expect(told.toSorted((a, b) => a - b)).toEqual(told)
    expect(told.at(-1)).toBeCloseTo(1, 6)
  })

  it('is the same on a worker, tells how far it is, and stops when it is told to', async () => {
    const order = randomOrder(5)
    const told: number[] = []
    const found: ClusteringDescription = await describeClustering(
      { ...order, onProgress: (fraction) => told.push(fraction) },
      inThisThread
    )
    expect(found).toEqual(computeDescription(order))
    expect(told.at(-1)).toBe(1)
    const controller = new AbortController()
    controller.abort()
    await expect(describeClustering({ ...order, signal: controller.signal }, inThisThread)).rejects.toMatchObject({
      kind: 'interrupted'
    })
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
  const middles = pointsOf(
    Array.from({ length: 12 }, (_, i) => [Math.sin(i * 2.3), Math.cos(i * 1.7), Math.sin(i)].map((value) => value / 10))
  )
  const pairs = Array.from({ length: 12 }, (_, i) =>
    Array.from({ length: i }, (__, j) => ({ from: j, to: i, weight: i % 3 === j % 3 ? 10 : 0.1 }))
  ).flat()
  const edges = {
    from: pairs.map(({ from }) => from),
    to: pairs.map(({ to }) => to),
    weights: pairs.map(({ weight }) => weight)
  }

  it('draws those with heavy edges together, the same every time', () => {
    const positions = layOutGroups(middles, edges, 3)
    expect(layOutGroups(middles, edges, 3)).toEqual(positions)
    const distance = (a: number, b: number): number =>
      Math.hypot(positions[2 * a] - positions[2 * b], positions[2 * a + 1] - positions[2 * b + 1])
    const mean = (chosen: typeof pairs): number =>
      chosen.reduce((sum, { from, to }) => sum + distance(from, to), 0) / chosen.length
    expect(mean(pairs.filter(({ weight }) => weight === 10))).toBeLessThan(
      0.5 * mean(pairs.filter(({ weight }) => weight < 1))
    )
  })

  it('places a single one, and two without edges', () => {
    expect(Array.from(layOutGroups(pointsOf([[1, 2, 3]]), { from: [], to: [], weights: [] }, 1))).toEqual([0, 0])
    const two = layOutGroups(
      pointsOf([
        [1, 0],
        [-1, 0]
      ]),
      { from: [], to: [], weights: [] },
      1
    )
    expect(Math.hypot(two[0] - two[2], two[1] - two[3])).toBeGreaterThan(1)
  })
})
