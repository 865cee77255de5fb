import { beforeAll, describe, expect, it } from 'vitest'
import { clusteringSchema, suitClustering } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { groupKinds, stableFrom, type NewGroup } from '../../preload/records'
import { inProcessPool } from '../../main/base/pool'
import { partitionTokens } from '../../main/clustering/cluster'
import { ladderOf, levelsOf } from '../../main/clustering/communities'
import { noiseOf, shapelessMatrix, spreadOf } from '../../main/clustering/shapeless'
import { membersByGroup, stabilityOf, stableParts } from '../../main/clustering/stability'
import { comparedLayers, structureOf, type Partitioned, type Structure } from '../../main/clustering/structure'
import { executeTask } from '../../main/clustering/execute-task'
import { treeOf } from '../../main/clustering/tree'
import { comparisonsOf } from '../../main/clustering/variants'
import { communitiesOf, configurationOf, planted, randomNumbers } from './clustering-fixture'

const here = () => inProcessPool(executeTask)

interface Parted {
  readonly tokens: number
  readonly components: readonly string[]
  readonly parts: readonly Float32Array[]
}

/** Four noisy estimates of one matrix; each column's mean of them has the reliability given. */
const parted = (seed: number, truth: Float32Array, width: number, reliability: number): Parted => {
  const { normal } = randomNumbers(seed)
  const deviation = Math.sqrt(truth.reduce((sum, value) => sum + value * value, 0) / truth.length) || 1
  const noise = 2 * deviation * Math.sqrt(reliability === 0 ? 1 : (1 - reliability) / reliability)
  const parts = [0, 1, 2, 3].map(() => truth.map((value) => (reliability === 0 ? 0 : value) + noise * normal()))
  return { tokens: truth.length / width, components: Array.from({ length: width }, (_, c) => `head:0.${c}`), parts }
}

const meanOf = (matrices: readonly Float32Array[]): Float32Array => {
  const mean = new Float32Array(new SharedArrayBuffer(matrices[0].byteLength))
  for (let at = 0; at < mean.length; at++)
    mean[at] = matrices.reduce((sum, matrix) => sum + matrix[at], 0) / matrices.length
  return mean
}

/** The whole way that a run goes: the whole, every half, a cloud without clusters, and what they come to. */
const structureIn = async (
  { tokens, components, parts }: Parted,
  configuration: Parameters<typeof structureOf>[0]['configuration'],
  seed = 1
): Promise<Structure> => {
  const whole = meanOf(parts)
  const cluster = (matrix: Float32Array, variant: number) =>
    partitionTokens({ matrix, tokens, components, configuration, seed, threads: 1, variant }, here)
  const { neighbours, ...partitioned } = await cluster(whole, 0)
  const spread = spreadOf(whole, components.length)
  const noises: Float64Array[] = []
  const found = new Map<string, Partitioned>()
  const cloud = { noises, parts: parts.length, tokens, seed }
  for (const variant of comparisonsOf(configuration.stability ? parts.length : 0)) {
    const half = variant.kind === 'half' ? meanOf(variant.parts.map((part) => parts[part])) : whole
    if (variant.kind === 'half') noises.push(noiseOf(spread, whole, half))
    const matrix = variant.kind === 'shapeless' ? shapelessMatrix(spread, cloud, variant.parts) : half
    found.set(variant.name, await cluster(matrix, variant.number))
  }
  const compared = comparedLayers(noises.length === 0 ? 0 : parts.length, (name) => found.get(name)!.layers)
  return structureOf({ configuration, tokens, neighbours, whole: partitioned, ...compared })
}

interface Planting {
  readonly truth: Float32Array
  readonly tokens: number
  /** Region and cluster of every token; -1 for the tokens of no cluster. */
  readonly regions: readonly number[]
  readonly clusters: readonly number[]
}

/** Regions of clusters: centres of clusters lie about centres of regions, and some tokens lie anywhere. */
const plantTree = (
  seed: number,
  regions: number,
  clustersOfRegion: number,
  size: number,
  loose: number,
  width: number
): Planting => {
  const { normal } = randomNumbers(seed)
  const vector = (scale: number): number[] => Array.from({ length: width }, () => scale * normal())
  const rows: { row: number[]; region: number; cluster: number }[] = []
  for (let region = 0; region < regions; region++) {
    const middle = vector(3)
    for (let c = 0; c < clustersOfRegion; c++) {
      const centre = vector(1.6).map((value, d) => middle[d] + value)
      for (let i = 0; i < size; i++)
        rows.push({
          row: vector(0.35).map((value, d) => centre[d] + value),
          region,
          cluster: region * clustersOfRegion + c
        })
    }
  }
  for (let i = 0; i < loose; i++) rows.push({ row: vector(3), region: -1, cluster: -1 })
  return {
    truth: Float32Array.from(rows.flatMap(({ row }) => row)),
    tokens: rows.length,
    regions: rows.map(({ region }) => region),
    clusters: rows.map(({ cluster }) => cluster)
  }
}

const stable = ({ clusters }: Structure): NewGroup[] =>
  clusters.filter(({ stability }) => stability !== null && stability >= stableFrom)

/** Share of planted groups that one of the found ones meets with a Jaccard index of a half or more. */
const recovered = (groups: readonly NewGroup[], truth: readonly number[]): number => {
  const planted = membersByGroup(Int32Array.from(truth))
  const met = planted.filter((members) =>
    groups.some((group) => {
      const own = new Set(members)
      const common = group.members.reduce((sum, token) => sum + (own.has(token) ? 1 : 0), 0)
      return common / (members.length + group.members.length - common) >= 0.5
    })
  )
  return met.length / planted.length
}

describe('stability', () => {
  it('is the smaller of the best Jaccard indices in both halves, mean over splits', () => {
    const groups = [Int32Array.of(0, 1, 2, 3), Int32Array.of(4, 5)]
    const same = Int32Array.of(7, 7, 7, 7, 3, 3, -1)
    const cut = Int32Array.of(1, 1, 0, 0, 2, -1, -1)
    const { stability, strengths, shares } = stabilityOf(
      groups,
      [
        [same, cut],
        [same, same]
      ],
      7
    )
    // The cut half has both pieces of the first group at 2 of 4, and one token of the second.
    expect([...stability]).toEqual([(0.5 + 1) / 2, (0.5 + 1) / 2])
    expect([...strengths[0]]).toEqual([0.75, 0.75, 1, 1])
    expect([...strengths[1]]).toEqual([1, 0.75])
    expect(shares).toEqual([6 / 7, 6 / 7])
    expect(stableParts(groups, { stability, strengths, shares }, 7)).toEqual({
      groups: 2,
      stableGroups: 2,
      stableShare: 6 / 7,
      error: 0
    })
  })

  it('does not change with the numbers of the halves’ clusters', () => {
    const { uniform } = randomNumbers(4)
    const membership = (): Int32Array => Int32Array.from({ length: 300 }, () => Math.floor(uniform() * 12) - 1)
    const groups = membersByGroup(membership())
    const halves = [membership(), membership()] as const
    const renumbered = halves.map((half) => half.map((group) => (group < 0 ? group : 11 - group))) as [
      Int32Array,
      Int32Array
    ]
    const [a, b] = [stabilityOf(groups, [halves], 300), stabilityOf(groups, [renumbered], 300)]
    expect(b.stability).toEqual(a.stability)
    expect(b.shares).toEqual(a.shares)
  })

  it('is 0 for a group that no half has, and has no error with one split', () => {
    const nowhere = new Int32Array(5).fill(-1)
    const groups = [Int32Array.of(0, 1)]
    const found = stabilityOf(groups, [[nowhere, nowhere]], 5)
    expect([...found.stability, ...found.strengths[0]]).toEqual([0, 0, 0])
    expect(stableParts(groups, found, 5)).toEqual({ groups: 1, stableGroups: 0, stableShare: 0, error: null })
  })
})

describe('the tree', () => {
  it('leaves out groups with one child and levels with one group, and numbers clusters first, by size', () => {
    const fine = Int32Array.of(0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3, -1)
    const middle = Int32Array.of(0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 1)
    const coarse = Int32Array.of(0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0)
    const tree = treeOf([coarse, middle, fine])
    expect(tree.map(({ order, kind, parent, members }) => [order, kind, parent, [...members]])).toEqual([
      [0, 'cluster', null, [7, 8, 9, 10]],
      [1, 'cluster', 4, [0, 1, 2]],
      [2, 'cluster', 4, [3, 4]],
      [3, 'cluster', 5, [5, 6]],
      [4, 'neighbourhood', 5, [0, 1, 2, 3, 4]],
      [5, 'region', null, [0, 1, 2, 3, 4, 5, 6]]
    ])
    expect(treeOf([new Int32Array(12), middle, fine]).filter(({ kind }) => kind === 'region')).toEqual([])
    expect(treeOf([fine]).map(({ parent }) => parent)).toEqual([null, null, null, null])
    expect(treeOf([new Int32Array(4).fill(-1)])).toEqual([])
  })

  it('has levels that are four times as coarse each, where the ladder has them', () => {
    expect(ladderOf(8, 3, 1000, 10)).toEqual([0.5, 2, 8])
    expect(ladderOf(8, 1, 1000, 10)).toEqual([8])
    const ladder = ladderOf('auto', 3, 13_000, 10)
    expect(ladder).toEqual([0.25, 0.5, 1, 2, 4, 8, 16, 32, 64])
    expect(levelsOf(ladder, 5, 3)).toEqual([1, 3, 5])
    expect(levelsOf(ladder, 1, 3)).toEqual([1])
    expect(ladderOf('auto', 3, 20, 10)).toEqual([0.25, 0.5, 1, 2, 4])
    expect(ladderOf('auto', 1, 20, 10)).toEqual([0.25])
  })
})

describe('a cloud without clusters', () => {
  it('has the covariance of the matrix, and halves with its noise', () => {
    const { normal } = randomNumbers(8)
    const [tokens, width] = [20_000, 4]
    const truth = Float32Array.from({ length: tokens * width }, (_, at) => (1 + (at % width)) * normal())
    for (let at = 0; at < truth.length; at += width) truth[at + 1] += truth[at]
    const { parts } = parted(9, truth, width, 0.8)
    const whole = meanOf(parts)
    const spread = spreadOf(whole, width)
    const noises = [
      [0, 2],
      [1, 3]
    ].map((half) => noiseOf(spread, whole, meanOf(half.map((part) => parts[part]))))
    const settings = { noises, parts: 4, tokens }
    const [cloud, first, second] = [
      [0, 1, 2, 3],
      [0, 2],
      [1, 3]
    ].map((of) => shapelessMatrix(spread, { ...settings, seed: 1 }, of))
    const ofCloud = spreadOf(cloud, width)
    for (let at = 0; at < width * width; at++) expect(ofCloud.covariance[at]).toBeCloseTo(spread.covariance[at], 1)
    for (let c = 0; c < width; c++) expect(ofCloud.deviations[c] / spread.deviations[c]).toBeCloseTo(1, 1)
    const cloudNoise = noiseOf(spread, cloud, first)
    for (let at = 0; at < width * width; at++)
      expect(cloudNoise[at]).toBeCloseTo((noises[0][at] + noises[1][at]) / 2, 1)
    for (let at = 0; at < 100; at++) expect((first[at] + second[at]) / 2).toBeCloseTo(cloud[at], 4)
    expect(shapelessMatrix(spread, { ...settings, seed: 1 }, [0, 2])).toEqual(first)
    expect(shapelessMatrix(spread, { ...settings, seed: 2 }, [0, 2])).not.toEqual(first)
  })
})

describe('planted clusters', () => {
  const planting = plantTree(3, 4, 5, 40, 160, 10)

  it('are found, stable, at a resolution that was looked for', async () => {
    const found = await structureIn(parted(5, planting.truth, 10, 0.96), communitiesOf())
    expect(
      recovered(
        stable(found).filter(({ kind }) => kind === 'cluster'),
        planting.clusters
      )
    ).toBeGreaterThanOrEqual(0.9)
    const tried = found.sweep.map(({ resolution }) => resolution)
    expect(tried).toEqual([0.25, 0.5, 1, 2, 4])
    expect(found.configuration).toMatchObject({ resolution: 4 })
    const clusters = found.stability!.levels.find(({ kind }) => kind === 'cluster')!
    expect(clusters.stableShare).toBeGreaterThan(0.6)
    expect(clusters.nullShare).toBeLessThan(0.2)
  })

  it('are never taken at a resolution where a cloud without clusters has as much', async () => {
    const found = await structureIn(parted(5, planting.truth, 10, 0.96), communitiesOf({ levels: 1 }))
    const chosen = found.sweep.find(
      ({ resolution }) => found.configuration.method === 'communities' && resolution === found.configuration.resolution
    )!
    expect(found.sweep.some(({ nullShare, stableShare }) => nullShare! > stableShare / 2)).toBe(true)
    expect(chosen.nullShare).toBeLessThan(chosen.stableShare / 2)
  })
})

describe('a planted tree', () => {
  // Neighbours reach beyond a cluster, so that regions hold together.
  const planting = plantTree(3, 4, 8, 20, 100, 10)
  const settings = communitiesOf({ neighbours: 40, resolution: 16 })
  let found: Structure
  beforeAll(async () => {
    found = await structureIn(parted(5, planting.truth, 10, 0.97), settings)
  })

  it('is found at both levels, and stable', () => {
    expect(
      recovered(
        stable(found).filter(({ kind }) => kind === 'cluster'),
        planting.clusters
      )
    ).toBeGreaterThanOrEqual(0.75)
    expect(
      recovered(
        stable(found).filter(({ kind }) => kind !== 'cluster'),
        planting.regions
      )
    ).toBeGreaterThanOrEqual(0.75)
    expect(found.sweep).toEqual([])
  })

  it('divides all tokens: clusters and what is left over, and groups above that are unions of clusters', () => {
    const leaves = found.clusters.filter(({ kind }) => kind === 'cluster')
    const all = [...leaves.flatMap(({ members }) => [...members]), ...found.leftover.members].sort((a, b) => a - b)
    expect(all).toEqual(Array.from({ length: planting.tokens }, (_, token) => token))
    expect(found.clusters.map(({ order }) => order)).toEqual(found.clusters.map((_, at) => at))
    for (const group of found.clusters.filter(({ kind }) => kind !== 'cluster')) {
      const children = found.clusters.filter(({ parent }) => parent === group.order)
      expect(children.length).toBeGreaterThan(1)
      expect(children.every(({ kind }) => groupKinds.indexOf(kind) > groupKinds.indexOf(group.kind))).toBe(true)
      expect([...group.members]).toEqual(children.flatMap(({ members }) => [...members]).sort((a, b) => a - b))
    }
  })

  it('gives tokens of planted clusters more strength than those that lie anywhere', () => {
    const [inside, outside]: [number[], number[]] = [[], []]
    for (const { kind, members, strengths } of found.clusters) {
      if (kind === 'cluster')
        members.forEach((token, at) => (planting.clusters[token] < 0 ? outside : inside).push(strengths![at]))
    }
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
    expect(mean(inside)).toBeGreaterThan(mean(outside) + 0.2)
  })

  it('is the same again, to the last bit', async () => {
    const parts = parted(5, planting.truth, 10, 0.97)
    expect(await structureIn(parts, settings)).toEqual(found)
  })

  it('has no stability without splits, and a usual resolution then', async () => {
    const plain = await structureIn(parted(5, planting.truth, 10, 0.96), communitiesOf({ stability: false }))
    expect(plain.stability).toBeNull()
    expect(plain.sweep).toEqual([])
    expect(plain.configuration).toMatchObject({ resolution: 4 })
    expect(plain.clusters.every(({ stability, strengths }) => stability === null && strengths === null)).toBe(true)
  })

  it('has stability by acl as well', async () => {
    const flat = planted(11, [90, 70, 50, 40], 12, 0.8, 700)
    const local = await structureIn(parted(5, flat.matrix, 12, 0.98), configurationOf({ stability: true }))
    expect(
      local.clusters.every(({ stability, kind, parent }) => stability !== null && kind === 'cluster' && parent === null)
    ).toBe(true)
    expect(recovered(stable(local), flat.truth)).toBe(1)
    expect(local.stability!.levels.map(({ kind }) => kind)).toEqual(['cluster'])
  })
})

describe('noise', () => {
  it.each([1, 2])('has no stable cluster: seed %i', async (seed) => {
    const noise = parted(seed, new Float32Array(800 * 12), 12, 0)
    const found = await structureIn(noise, communitiesOf({ resolution: 8 }), seed)
    expect(found.clusters.length).toBeGreaterThan(10)
    expect(stable(found)).toEqual([])
  })

  it('has a stable share near that of its own cloud at every resolution that is tried', async () => {
    const found = await structureIn(parted(4, new Float32Array(800 * 12), 12, 0), communitiesOf())
    for (const { stableShare, nullShare } of found.sweep)
      expect(Math.abs(stableShare - nullShare!)).toBeLessThanOrEqual(0.35)
  })
})

describe('settings and matrices at their ends', () => {
  const issueOf = (given: object): string => {
    const parsed = clusteringSchema.safeParse(given)
    return parsed.success
      ? ''
      : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  }

  it.each([0, -1, 1e9, Infinity, 'fine'])('refuses the resolution %s', (resolution) => {
    expect(issueOf({ resolution })).toContain('resolution')
  })

  it('refuses settings of the other method by name', () => {
    expect(issueOf({ alpha: 0.1 })).toContain('"acl"')
    expect(issueOf({ method: 'acl', resolution: 4 })).toContain('"communities"')
    expect(issueOf({ method: 'acl', alpha: 0.1 })).toBe('')
  })

  it('takes twenty tokens', async () => {
    const { normal } = randomNumbers(12)
    const parts = parted(1, Float32Array.from({ length: 20 * 3 }, normal), 3, 0.9)
    const settings = suitClustering(clusteringSchema.parse({ minSize: 2, whiten: false }), 20)
    const found = await structureIn(parts, settings)
    const leaves = found.clusters.filter(({ kind }) => kind === 'cluster')
    expect(leaves.reduce((sum, { members }) => sum + members.length, found.leftover.members.length)).toBe(20)
  })

  it('puts equal rows into one cluster', async () => {
    const { normal } = randomNumbers(13)
    const truth = Float32Array.from({ length: 200 * 4 }, normal)
    for (let token = 100; token < 160; token++) truth.copyWithin(4 * token, 400, 404)
    const found = await structureIn(
      { tokens: 200, components: ['a', 'b', 'c', 'd'], parts: [truth, truth, truth, truth] },
      communitiesOf({ resolution: 0.5 })
    )
    const home = found.clusters.find(({ kind, members }) => kind === 'cluster' && members.includes(100))!
    expect(Array.from({ length: 60 }, (_, i) => 100 + i).every((token) => home.members.includes(token))).toBe(true)
    expect(found.clusters.every(({ conductance }) => Number.isFinite(conductance))).toBe(true)
  })

  it('says of one column what to do, and takes it whitened', async () => {
    const { normal } = randomNumbers(14)
    const parts = parted(1, Float32Array.from({ length: 120 }, normal), 1, 0.9)
    await expect(structureIn(parts, communitiesOf({ resolution: 2 }))).rejects.toThrow(SpectroscopeError)
    const found = await structureIn(parts, communitiesOf({ resolution: 2, whiten: true }))
    expect(found.clusters.length).toBeGreaterThan(0)
  })
})
