import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inProcessPool } from '../../main/base/pool'
import type { Cluster, DiscoveryState, Neighbours } from '../../main/clustering/cluster'
import type { Structure } from '../../main/clustering/structure'
import { executeTask } from '../../main/clustering/execute-task'
import { comparisonsOf, wholeVariant, type Variant } from '../../main/clustering/variants'
import { readCheckpoint, searchSchema, writeCheckpoint } from '../../main/pipeline/cluster-checkpoints'
import type { Kept } from '../../main/pipeline/cluster-checkpoints'
import { ClusterWork } from '../../main/pipeline/cluster-work'
import type { ClusterRequest } from '../../main/pipeline/messages'
import { communitiesOf, configurationOf, partsOfDraws } from './clustering-fixture'

const [tokens, width] = [240, 5]
const { meanOf, whole } = partsOfDraws(tokens, width)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cluster-work-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const requestOf = (changes: Partial<ClusterRequest> = {}): ClusterRequest => ({
  configuration: communitiesOf({ resolution: 4, seeds: 2, neighbours: 10, minSize: 5 }),
  columns: [0, 1, 2, 3, 4],
  components: ['a', 'b', 'c', 'd', 'e'],
  seed: 3,
  threads: 1,
  folder,
  everySeconds: 0,
  fingerprint: 'f'.repeat(64),
  parts: 4,
  ...changes
})

/** A process: what it has, and which variants it really clustered. */
class Process {
  readonly work = new ClusterWork(() => inProcessPool(executeTask))
  neighbours: Neighbours | undefined
  readonly performed: string[] = []

  async perform(request: ClusterRequest, variant: Variant): Promise<void> {
    const half = variant.kind === 'half' ? meanOf(variant.parts) : undefined
    let begun = false
    await this.work.perform(
      request,
      variant,
      { tokens, whole, half },
      {
        neighbours: this.neighbours,
        onNeighbours: (found) => (this.neighbours = found),
        onProgress: () => (begun = true),
        signal: new AbortController().signal
      }
    )
    if (begun) this.performed.push(variant.name)
  }

  async all(request: ClusterRequest, upTo = Infinity): Promise<void> {
    const variants = [wholeVariant, ...comparisonsOf(request.parts)]
    for (const variant of variants.slice(0, upTo)) {
      const isDone = variant.kind !== 'whole' && (await this.work.has(request, variant, tokens))
      if (!isDone) await this.perform(request, variant)
    }
  }

  finish(request: ClusterRequest): Structure {
    return this.work.finish(request, tokens, this.neighbours!)
  }
}

const expectedOf = async (request: ClusterRequest): Promise<Structure> => {
  const process = new Process()
  await process.all(request)
  return process.finish(request)
}

describe('clustering the whole and what it is compared with', () => {
  it.each([
    ['communities', requestOf().configuration],
    ['acl', configurationOf({ stability: true, neighbours: 10, minSize: 5 })]
  ] as const)('comes to the same when another process goes on at any point: %s', async (_, configuration) => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'cluster-work-'))
    const expected = await expectedOf(requestOf({ configuration, folder: elsewhere }))
    await rm(elsewhere, { recursive: true, force: true })
    expect(expected.stability?.splits).toBe(3)
    const before = new Process()
    for (let upTo = 1; upTo <= 14; upTo++) {
      await before.all(requestOf({ configuration }), upTo)
      const after = new Process()
      after.neighbours = before.neighbours
      await after.all(requestOf({ configuration }))
      expect(after.finish(requestOf({ configuration }))).toEqual(expected)
    }
  })

  it('does again what has no file, or a damaged one, and nothing else', async () => {
    const first = new Process()
    await first.all(requestOf())
    const names = await readdir(folder)
    await writeFile(
      join(
        folder,
        names.find((name) => name.startsWith('half-1-0'))!
      ),
      'damaged'
    )
    await rm(
      join(
        folder,
        names.find((name) => name.startsWith('shapeless-half-0-0'))!
      )
    )
    const second = new Process()
    second.neighbours = first.neighbours
    await second.all(requestOf())
    expect(second.performed).toEqual(['half-1-0', 'shapeless-half-0-0'])
    expect(second.finish(requestOf())).toEqual(first.finish(requestOf()))
  })

  it('takes nothing from a clustering with another fingerprint', async () => {
    const first = new Process()
    await first.all(requestOf())
    const other = requestOf({ fingerprint: 'e'.repeat(64), seed: 4 })
    await first.all(other)
    expect(first.finish(other)).toEqual(await expectedOf({ ...other, fingerprint: 'd'.repeat(64) }))
  })

  it('says nothing of stability where the draws have no parts', async () => {
    const process = new Process()
    await process.perform(requestOf(), wholeVariant)
    const { stability, clusters } = process.work.finish(requestOf({ parts: 0 }), tokens, process.neighbours!)
    expect(stability).toBeNull()
    expect(clusters.length).toBeGreaterThan(1)
  })
})

describe('a checkpoint that something else wrote', () => {
  const communities = requestOf().configuration
  const acl = configurationOf({ stability: true, neighbours: 10, minSize: 5 })
  const half = comparisonsOf(4)[0]
  const first = <T>([one, ...rest]: readonly T[], change: (one: T) => unknown): unknown[] => [change(one), ...rest]
  const withPartition = (kept: Kept, changes: object): unknown => ({
    ...kept,
    partitioned: { ...kept.partitioned, ...changes }
  })
  const withLayers = (kept: Kept, layers: unknown): unknown => withPartition(kept, { layers })
  const withMembership = (kept: Kept, change: (values: Int32Array) => unknown): unknown =>
    withLayers(
      kept,
      first(kept.partitioned.layers, (layer) => ({ ...layer, membership: change(layer.membership) }))
    )
  const withClusters = (kept: Kept, change: (clusters: readonly Cluster[]) => unknown): unknown => {
    const { discovery } = kept.partitioned
    return withPartition(kept, { discovery: { ...discovery, clusters: change(discovery!.clusters) } })
  }
  const withMembers = (kept: Kept, change: (members: Int32Array) => unknown): unknown =>
    withClusters(kept, (clusters) => first(clusters, (cluster) => ({ ...cluster, members: change(cluster.members) })))

  const hostile: readonly (readonly [string, ClusterRequest['configuration'], (kept: Kept) => unknown])[] = [
    ['nothing', communities, () => null],
    ['no layers', communities, (kept) => withLayers(kept, [])],
    ['a number of layers', communities, (kept) => withLayers(kept, 7)],
    [
      'other resolutions',
      communities,
      (kept) =>
        withLayers(
          kept,
          kept.partitioned.layers.map((layer) => ({ ...layer, resolution: 1e6 }))
        )
    ],
    ['too few tokens', communities, (kept) => withMembership(kept, (values) => values.slice(1))],
    ['a group beyond all tokens', communities, (kept) => withMembership(kept, (values) => values.with(0, 2 ** 31 - 1))],
    ['a list in the place of an array', communities, (kept) => withMembership(kept, (values) => [...values])],
    ['noise of other columns', communities, (kept) => ({ ...kept, noise: new Float64Array(4) })],
    ['no search', acl, (kept) => withPartition(kept, { discovery: null })],
    ['a token that is none', acl, (kept) => withMembers(kept, (members) => members.with(0, -1))],
    ['a token twice', acl, (kept) => withMembers(kept, (members) => members.with(1, members[0]))],
    ['a cluster twice', acl, (kept) => withClusters(kept, ([one]) => [one, { ...one, order: 1 }])],
    ['clusters out of order', acl, (kept) => withClusters(kept, ([one]) => [{ ...one, order: 1 }])]
  ]
  it.each(hostile)('is not used where it has %s', async (_, configuration, change) => {
    const request = requestOf({ configuration })
    const before = new Process()
    await before.perform(request, wholeVariant)
    await before.perform(request, half)
    const name = (await readdir(folder)).find((each) => each.startsWith('half-0-0'))!
    const file = deserialize(await readFile(join(folder, name))) as { fingerprint: string; content: Kept }
    expect(await new Process().work.has(request, half, tokens)).toBe(true)
    await writeFile(join(folder, name), serialize({ ...file, content: change(file.content) }))
    expect(await new Process().work.has(request, half, tokens)).toBe(false)
  })

  const state: DiscoveryState = {
    tokens: 4,
    edges: 5,
    volume: 3,
    attempts: 2,
    rejectionsInARow: 1,
    clusters: [{ order: 0, seed: 1, members: Int32Array.of(1, 2), conductance: 0.1, conductanceWhenCut: 0.1 }]
  }
  it('is used as the place where a search stood only where it can be one', async () => {
    const schema = searchSchema(4)
    const owner = { folder, fingerprint: 'f'.repeat(64) }
    const kept = async (content: unknown): Promise<DiscoveryState | undefined> => {
      await writeCheckpoint(owner, 'discovery-whole', content)
      return readCheckpoint(owner, 'discovery-whole', schema)
    }
    expect(await kept(state)).toEqual(state)
    const another = { ...owner, fingerprint: `${'f'.repeat(63)}0` }
    expect(await readCheckpoint(another, 'discovery-whole', schema)).toBeUndefined()
    const wrong = [
      { tokens: 5 },
      { attempts: -1 },
      { rejectionsInARow: 0.5 },
      { volume: '3' },
      { clusters: {} },
      { clusters: [{ ...state.clusters[0], members: Int32Array.of(1, 4) }] }
    ]
    for (const change of wrong) expect(await kept({ ...state, ...change })).toBeUndefined()
  })
})
