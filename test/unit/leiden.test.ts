import { describe, expect, it } from 'vitest'
import { openTeam } from '../../main/base/team'
import { buildGraph, inOrder, type Graph } from '../../main/clustering/graph'
import { leiden, leidenBytes, modularity, openLeiden, type Partition } from '../../main/clustering/leiden'
import { prepareSearch, runSearch } from '../../main/clustering/neighbours'
import { graphOf, planted, pointsOf, randomGraph, randomNumbers } from './clustering-fixture'

type Edge = readonly [number, number, number]

/** Zachary's karate club: for each node, its neighbours of a higher number. */
const karate = graphOf(
  34,
  [
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
    [2, 3, 7, 13, 17, 19, 21, 30],
    [3, 7, 8, 9, 13, 27, 28, 32],
    [7, 12, 13],
    [6, 10],
    [6, 10, 16],
    [16],
    [],
    [30, 32, 33],
    [33],
    [],
    [],
    [],
    [33],
    [32, 33],
    [32, 33],
    [],
    [],
    [32, 33],
    [33],
    [32, 33],
    [],
    [32, 33],
    [25, 27, 29, 32, 33],
    [25, 27, 31],
    [31],
    [29, 33],
    [33],
    [31, 33],
    [32, 33],
    [32, 33],
    [32, 33],
    [33]
  ].flatMap((others, node) => others.map((other): Edge => [node, other, 1]))
)

const cliqueRing = (cliques: number, size: number): Graph => {
  const edges: Edge[] = []
  for (let c = 0; c < cliques; c++) {
    for (let i = 0; i < size; i++) for (let j = i + 1; j < size; j++) edges.push([c * size + i, c * size + j, 1])
    edges.push([c * size, ((c + 1) % cliques) * size + 1, 1])
  }
  return graphOf(cliques * size, edges)
}

/** Nodes in groups by turns; two of one group have an edge with probability `inside`, others with `outside`. */
const plantedGraph = (seed: number, groups: number, size: number, inside: number, outside: number): Graph => {
  const { uniform } = randomNumbers(seed)
  const edges: Edge[] = []
  for (let i = 0; i < groups * size; i++) {
    for (let j = i + 1; j < groups * size; j++) {
      if (uniform() < (i % groups === j % groups ? inside : outside)) edges.push([i, j, 0.2 + uniform()])
    }
  }
  return graphOf(groups * size, edges)
}

/** Numbers of the sets that edges between nodes of one label hold together, by their lowest nodes. */
const components = ({ nodes, starts, ends, columns }: Graph, labels: ArrayLike<number>): number[] => {
  const found = new Array<number>(nodes).fill(-1)
  let count = 0
  for (let first = 0; first < nodes; first++) {
    if (found[first] >= 0) continue
    found[first] = count
    const reached = [first]
    for (const v of reached) {
      for (let e = starts[v]; e < ends[v]; e++) {
        const u = columns[e]
        if (found[u] >= 0 || labels[u] !== labels[v]) continue
        found[u] = count
        reached.push(u)
      }
    }
    count++
  }
  return found
}

const disconnected = (graph: Graph, labels: ArrayLike<number>): number =>
  new Set(components(graph, labels)).size - new Set(Array.from(labels)).size

const sizesOf = ({ communities, count }: Partition): number[] => {
  const sizes = new Array<number>(count).fill(0)
  for (const community of communities) sizes[community]++
  return sizes
}

/** Checks all that holds for every partition. */
const expectSound = (graph: Graph, partition: Partition, resolution: number): void => {
  const { communities, count, quality } = partition
  expect(communities).toHaveLength(graph.nodes)
  expect(disconnected(graph, communities)).toBe(0)
  const sizes = sizesOf(partition)
  const lowest = Array.from({ length: count }, (_, c) => communities.indexOf(c))
  const ranked = [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a] || lowest[a] - lowest[b])
  expect(ranked).toEqual([...sizes.keys()])
  expect(Math.min(...sizes)).toBeGreaterThan(0)
  expect(quality).toBe(modularity(graph, communities, resolution))
  expect(quality).toBeGreaterThanOrEqual(modularity(graph, inOrder(graph.nodes), resolution) - 1e-9)
}

const best = (graph: Graph, resolution: number, runs: number): Partition => {
  const open = openLeiden(graph)
  const found = Array.from({ length: runs }, (_, run) => open.partition({ resolution, seed: 3, run }))
  return found.reduce((a, b) => (b.quality > a.quality ? b : a))
}

/** The Louvain algorithm on a matrix of weights. */
const louvain = (matrix: readonly (readonly number[])[]): number[] => {
  const degrees = matrix.map((row) => row.reduce((a, b) => a + b, 0))
  const total = degrees.reduce((a, b) => a + b, 0)
  const labels = matrix.map((_, i) => i)
  const gain = (node: number, label: number): number => {
    let sum = 0
    labels.forEach((other, u) => {
      if (other === label && u !== node) sum += matrix[node][u] - (degrees[node] * degrees[u]) / total
    })
    return sum
  }
  let moved = false
  for (let changed = true; changed;) {
    changed = false
    for (let node = 0; node < labels.length; node++) {
      const to = [...new Set(labels)].reduce((a, b) => (gain(node, b) > gain(node, a) + 1e-9 ? b : a), labels[node])
      if (to === labels[node]) continue
      labels[node] = to
      changed = moved = true
    }
  }
  if (!moved) return labels
  const kept = [...new Set(labels)]
  const sums = kept.map(() => new Array<number>(kept.length).fill(0))
  const places = labels.map((label) => kept.indexOf(label))
  matrix.forEach((row, i) => row.forEach((weight, j) => (sums[places[i]][places[j]] += weight)))
  const upper = louvain(sums)
  return places.map((place) => upper[place])
}

const matrixOf = ({ nodes, starts, ends, columns, weights }: Graph): number[][] => {
  const matrix = Array.from({ length: nodes }, () => new Array<number>(nodes).fill(0))
  for (let i = 0; i < nodes; i++) for (let e = starts[i]; e < ends[i]; e++) matrix[i][columns[e]] = weights[e]
  return matrix
}

/** Every way to divide `count` nodes into communities. */
const allPartitions = (count: number): number[][] => {
  if (count === 0) return [[]]
  return allPartitions(count - 1).flatMap((rest) => {
    const labels = Math.max(-1, ...rest) + 2
    return Array.from({ length: labels }, (_, label) => [...rest, label])
  })
}

describe('communities by the Leiden algorithm', () => {
  it('reach the best known modularity of the karate club', () => {
    const partition = best(karate, 1, 5)
    expectSound(karate, partition, 1)
    expect(partition.quality).toBeCloseTo(0.4198, 4)
    expect(partition.count).toBe(4)
  })

  it('are the cliques of a ring', () => {
    const graph = cliqueRing(10, 6)
    const partition = leiden({ graph, resolution: 1, seed: 1, run: 0 })
    expect(Array.from(partition.communities)).toEqual(Array.from({ length: 60 }, (_, i) => Math.floor(i / 6)))
  })

  it('are the groups that were planted', () => {
    const graph = plantedGraph(5, 4, 50, 0.4, 0.02)
    const { communities, count } = leiden({ graph, resolution: 1, seed: 1, run: 0 })
    expect(count).toBe(4)
    expect(Array.from(communities)).toEqual(Array.from({ length: 200 }, (_, i) => communities[i % 4]))
  })

  it('are connected, numbered by size, and no worse than single nodes', () => {
    for (let seed = 0; seed < 30; seed++) {
      const graph = randomGraph(seed, 20 + 12 * seed, 1 + (seed % 4))
      const open = openLeiden(graph)
      for (const resolution of [0.3, 1, 4]) {
        expectSound(graph, open.partition({ resolution, seed, run: 0 }), resolution)
      }
    }
  })

  it('are connected where those of the Louvain algorithm are not', () => {
    let found = 0
    for (let seed = 0; seed < 40; seed++) {
      const graph = randomGraph(100 + seed, 60, 1)
      if (disconnected(graph, louvain(matrixOf(graph))) === 0) continue
      found++
      for (let run = 0; run < 3; run++) expectSound(graph, leiden({ graph, resolution: 1, seed, run }), 1)
    }
    expect(found).toBeGreaterThan(3)
  })

  it('are the best of all divisions of a small graph, by some run', () => {
    for (let seed = 0; seed < 24; seed++) {
      const graph = randomGraph(200 + seed, 4 + (seed % 5), 1 + (seed % 3))
      const resolution = [0.5, 1, 2][seed % 3]
      const partitions = allPartitions(graph.nodes)
      const highest = Math.max(...partitions.map((labels) => modularity(graph, Int32Array.from(labels), resolution)))
      expect(best(graph, resolution, 10).quality).toBeCloseTo(highest, 6)
    }
  })

  it('lie within the communities of a coarser level, each still connected', () => {
    for (let seed = 0; seed < 12; seed++) {
      const graph = randomGraph(300 + seed, 150, 3)
      const open = openLeiden(graph)
      const coarse = open.partition({ resolution: 0.5, seed, run: 0 })
      for (const within of [coarse.communities, Int32Array.from({ length: 150 }, (_, i) => (7 * i) % 5)]) {
        const fine = open.partition({ resolution: 3, seed, run: 1, within })
        expectSound(graph, fine, 3)
        const outer = new Map(Array.from(fine.communities, (community, i) => [community, within[i]]))
        expect(Array.from(fine.communities, (community) => outer.get(community))).toEqual(Array.from(within))
      }
    }
  })

  it('are the same within one community as without', () => {
    const graph = randomGraph(7, 300, 4)
    const settings = { graph, resolution: 1, seed: 2, run: 5 }
    expect(leiden({ ...settings, within: new Int32Array(300).fill(9) })).toEqual(leiden(settings))
  })

  it('are the same to the last bit each time, and others for another run or seed', () => {
    const graph = randomGraph(8, 600, 5)
    const settings = { resolution: 1, seed: 2 ** 40 + 1, run: 4 }
    const expected = leiden({ graph, ...settings })
    const open = openLeiden(graph)
    open.partition({ ...settings, resolution: 6, within: expected.communities })
    expect(open.partition(settings)).toEqual(expected)
    expect(open.partition({ ...settings, run: 5 }).communities).not.toEqual(expected.communities)
    expect(open.partition({ ...settings, seed: 1 }).communities).not.toEqual(expected.communities)
  })

  it('do not depend on gaps between rows', () => {
    const graph = randomGraph(9, 100, 3)
    const starts = graph.starts.map((start, i) => start + 3 * i)
    const ends = Int32Array.from({ length: 100 }, (_, i) => starts[i] + graph.ends[i] - graph.starts[i])
    const columns = new Int32Array(starts[100]).fill(-1)
    const weights = new Float64Array(starts[100]).fill(NaN)
    for (let i = 0; i < 100; i++) {
      columns.set(graph.columns.subarray(graph.starts[i], graph.ends[i]), starts[i])
      weights.set(graph.weights.subarray(graph.starts[i], graph.ends[i]), starts[i])
    }
    const settings = { resolution: 1, seed: 1, run: 0 }
    const gaps = { ...graph, starts, ends, columns, weights }
    expect(leiden({ graph: gaps, ...settings })).toEqual(leiden({ graph, ...settings }))
  })

  it('of nodes without edges are those nodes', () => {
    const graph = graphOf(7, [
      [1, 3, 1],
      [3, 5, 1]
    ])
    expect(Array.from(leiden({ graph, resolution: 1, seed: 1, run: 0 }).communities)).toEqual([1, 0, 2, 0, 3, 0, 4])
    const empty = leiden({ graph: graphOf(3, []), resolution: 1, seed: 1, run: 0 })
    expect(empty).toEqual({ communities: Int32Array.of(0, 1, 2), count: 3, quality: 0 })
    expect(leiden({ graph: graphOf(0, []), resolution: 1, seed: 1, run: 0 }).count).toBe(0)
  })

  it('are components at a tiny resolution and single nodes at a huge one', () => {
    for (let seed = 0; seed < 8; seed++) {
      const graph = randomGraph(400 + seed, 120, 1)
      const coarse = leiden({ graph, resolution: 1e-6, seed, run: 0 })
      expectSound(graph, coarse, 1e-6)
      expect(components(graph, coarse.communities)).toEqual(components(graph, new Int32Array(120)))
      const fine = leiden({ graph, resolution: 1e9, seed, run: 0 })
      expect(Array.from(fine.communities)).toEqual(Array.from({ length: 120 }, (_, i) => i))
    }
  })

  it('cope with equal weights, and with weights far apart', () => {
    const ring = graphOf(
      24,
      Array.from({ length: 24 }, (_, i): Edge => [i, (i + 1) % 24, 0.5])
    )
    expectSound(ring, leiden({ graph: ring, resolution: 1, seed: 1, run: 0 }), 1)
    const { uniform } = randomNumbers(11)
    const node = (): number => Math.floor(150 * uniform())
    const edges = Array.from({ length: 900 }, (): Edge => [node(), 150 + node(), Math.exp(-300 * uniform())])
    const graph = graphOf(300, edges)
    expectSound(graph, leiden({ graph, resolution: 1, seed: 1, run: 0 }), 1)
  })

  it('keep rows together that repeat', async () => {
    const {
      matrix,
      components: { length }
    } = planted(3, [20, 20, 20], 6, 0.5, 0)
    const rows = Array.from({ length: 60 }, (_, i) => Array.from(matrix.subarray(length * i, length * (i + 1))))
    const points = pointsOf(rows.flatMap((row) => [row, row, row, row]))
    const search = prepareSearch(points, 5, 1)
    await runSearch(search, openTeam(1))
    const graph = buildGraph({ points, neighbours: search.neighbours, symmetrize: 'union' })
    const partition = leiden({ graph, resolution: 1, seed: 1, run: 0 })
    expectSound(graph, partition, 1)
    expect(partition.communities).toEqual(partition.communities.map((_, i) => partition.communities[i - (i % 4)]))
  })

  it('tell how much is done', () => {
    const told: number[] = []
    leiden({ graph: karate, resolution: 1, seed: 1, run: 0 }, (fraction) => told.push(fraction))
    expect(told).toEqual([...told].sort((a, b) => a - b))
    expect(told.at(-1)).toBe(1)
  })

  it('of more than WebAssembly addresses are refused in one sentence', () => {
    const graph = { ...graphOf(2, [[0, 1, 1]]), ends: Int32Array.of(600_000_000, 1) }
    expect(() => leiden({ graph, resolution: 1, seed: 1, run: 0 })).toThrow(
      "Communities of 2 tokens with 600000000 neighbours in all need more than WebAssembly's 4 GiB; " +
        'lower "clustering.neighbours" or study fewer tokens.'
    )
    expect(leidenBytes(1_000_000, 90_000_000)).toBeLessThan(2 ** 32)
  })
})

describe('modularity', () => {
  it('is the sum over communities of the share of weight inside less what chance gives', () => {
    // Two triangles joined by an edge: w_c = 6 and d_c = 7 in each of the two, 2m = 14.
    const graph = graphOf(6, [
      [0, 1, 1],
      [1, 2, 1],
      [0, 2, 1],
      [3, 4, 1],
      [4, 5, 1],
      [3, 5, 1],
      [2, 3, 1]
    ])
    const communities = Int32Array.of(0, 0, 0, 1, 1, 1)
    expect(modularity(graph, communities, 1)).toBeCloseTo(12 / 14 - 0.5, 12)
    expect(modularity(graph, communities, 2)).toBeCloseTo(12 / 14 - 1, 12)
  })
})
