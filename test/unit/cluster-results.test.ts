import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Partitioned } from '../../main/clustering/structure'
import { ClusterResults, partitionSections, writeResult } from '../../main/pipeline/cluster-results'
import { planClusterShards, type ClusterSet } from '../../main/pipeline/cluster-set'
import { resultPath } from '../../main/pipeline/shard-set'
import { buildVersion } from '../../main/pipeline/versions'
import { configurationOf } from './clustering-fixture'

const tokens = 20
const k = 3
const configuration = configurationOf({ stability: false, neighbours: k, minSize: 5 })
const set: ClusterSet = {
  format: 'spectroscope-clustering-shards',
  version: 2,
  id: 'id',
  fingerprint: 'f'.repeat(64),
  createdAt: '',
  program: buildVersion,
  run: 'run',
  name: null,
  configuration,
  components: ['a'],
  tokens,
  seed: 3,
  parts: 0,
  threads: null,
  shards: planClusterShards(configuration, tokens, 0, 1)
}
const searching = set.shards.find(({ search }) => search !== null)!
const neighbouring = set.shards.find(({ segments }) => segments.length > 0)!
const variant = searching.search!

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cluster-results-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const write = async (shard: number, sections: Iterable<ArrayBufferView>, owner: object = {}): Promise<void> => {
  mkdirSync(dirname(resultPath(folder, shard)), { recursive: true })
  const about = {
    set: set.id,
    shard,
    host: 'here',
    processor: '',
    program: buildVersion,
    threads: 1,
    finishedAt: '',
    seconds: 1
  }
  await writeResult(resultPath(folder, shard), { ...about, ...owner }, sections)
}

const members = Int32Array.of(0, 1, 2, 3, 4)
const rest = Int32Array.from({ length: 15 }, (_, token) => token + 5)
const partition: Partitioned = {
  layers: [
    {
      resolution: Number.NaN,
      membership: Int32Array.from({ length: tokens }, (_, token) => (token < 5 ? 0 : -1)),
      modularity: Number.NaN
    }
  ],
  edges: 30,
  volume: 60,
  attempts: 4,
  neighbourRecall: null,
  discovery: {
    clusters: [{ order: 0, seed: 1, members, conductance: 0.2, conductanceWhenCut: 0.2 }],
    ending: 'the end',
    attempts: 4,
    leftover: { kind: 'main body', members: rest }
  }
}

const found = (): Promise<Partitioned> => new ClusterResults(folder, set).partitionOf(variant)
const refusal = (shard: number, words: string) => ({
  kind: 'input',
  message: `${resultPath(folder, shard)} is ${words}; delete it and run shard ${shard} again.`
})

describe('results of clustering shards', () => {
  it('are taken as they were written', async () => {
    await write(searching.index, partitionSections(partition))
    expect(await found()).toEqual(partition)
  })

  const { discovery } = partition
  const foreign: readonly (readonly [string, unknown])[] = [
    ['of another shape', { layers: 'none' }],
    [
      'with tokens that the run lacks',
      { ...partition, discovery: { ...discovery, leftover: { kind: 'main body', members: Int32Array.of(tokens) } } }
    ],
    [
      'with a token in two places',
      { ...partition, discovery: { ...discovery, leftover: { kind: 'main body', members } } }
    ],
    ['of fewer tokens', { ...partition, layers: [{ ...partition.layers[0], membership: new Int32Array(3) }] }]
  ]
  it.each(foreign)('that hold a clustering %s are refused by name', async (_, content) => {
    await write(searching.index, partitionSections(content as Partitioned))
    await expect(found()).rejects.toMatchObject(
      refusal(searching.index, 'damaged: it does not hold a clustering of this run')
    )
  })

  it('that are no clustering at all are refused by name', async () => {
    await write(searching.index, [Uint8Array.of(1, 2, 3)])
    await expect(found()).rejects.toMatchObject(
      refusal(searching.index, 'damaged: it does not hold a clustering of this run')
    )
  })

  it('of another shard are refused by name', async () => {
    await write(searching.index, partitionSections(partition), { shard: 7 })
    await expect(found()).rejects.toMatchObject(refusal(searching.index, 'the result of another shard or set'))
  })

  it('are refused by name when any bit of what they hold is another', async () => {
    await write(neighbouring.index, [new Int32Array(tokens * k).fill(1), new Float32Array(tokens * k).fill(2)])
    const path = resultPath(folder, neighbouring.index)
    const whole = readFileSync(path)
    const start = 16 + whole.readUInt32LE(12)
    for (let at = start; at < whole.length - 4; at++) {
      const changed = Buffer.from(whole)
      changed[at] ^= 1 << (at % 8)
      writeFileSync(path, changed)
      await expect(new ClusterResults(folder, set).neighboursOf(variant), `byte ${at}`).rejects.toMatchObject(
        refusal(neighbouring.index, 'missing or damaged')
      )
    }
    for (const length of [whole.length - 1, start + 3, 5]) {
      writeFileSync(path, whole.subarray(0, length))
      await expect(new ClusterResults(folder, set).neighboursOf(variant)).rejects.toMatchObject({ kind: 'input' })
    }
  })

  it('with neighbours that the run lacks are refused by name', async () => {
    const distances = new Float32Array(tokens * k)
    for (const [foreignToken, isRefused] of [
      [tokens - 1, false],
      [tokens, true],
      [-1, true]
    ] as const) {
      await write(neighbouring.index, [new Int32Array(tokens * k).fill(foreignToken), distances])
      const reading = new ClusterResults(folder, set).neighboursOf(variant)
      if (!isRefused) expect((await reading).indices[0]).toBe(foreignToken)
      else
        await expect(reading).rejects.toMatchObject(
          refusal(neighbouring.index, 'damaged: it names tokens that the run lacks')
        )
    }
  })
})
