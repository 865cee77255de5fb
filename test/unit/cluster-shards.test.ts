import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ClusteringConfiguration } from '../../preload/configuration'
import { claim } from '../../main/base/claims'
import { inProcessPool } from '../../main/base/pool'
import type { Neighbours } from '../../main/clustering/cluster'
import type { Structure } from '../../main/clustering/structure'
import { type ClusteringTask } from '../../main/clustering/tasks'
import { executeTask } from '../../main/clustering/execute-task'
import type { ClusteringPool } from '../../main/clustering/watched'
import { matricesFolder, writeMatrix, writeNoises } from '../../main/pipeline/cluster-matrices'
import { runClusterShard } from '../../main/pipeline/cluster-shard-task'
import { workOnClusters } from '../../main/pipeline/cluster-shard-work'
import {
  clusterSetPath,
  planClusterShards,
  readClusterSet,
  variantsOf,
  writeClusterSet,
  type ClusterSet
} from '../../main/pipeline/cluster-set'
import { ClusterWork } from '../../main/pipeline/cluster-work'
import { checkDone } from '../../main/pipeline/shard-task'
import { claimPath } from '../../main/pipeline/shard-set'
import { buildVersion } from '../../main/pipeline/versions'
import { communitiesOf, configurationOf, partsOfDraws } from './clustering-fixture'

const [tokens, width] = [237, 5]
const { meanOf, whole } = partsOfDraws(tokens, width)
const components = ['a', 'b', 'c', 'd', 'e']
const communities = communitiesOf({ resolution: 4, seeds: 2, neighbours: 10, minSize: 5 })
const acl = configurationOf({ stability: true, neighbours: 10, minSize: 5 })

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cluster-shards-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const setOf = (configuration: ClusteringConfiguration, count: number): ClusterSet => ({
  format: 'spectroscope-clustering-shards',
  version: 2,
  id: `id of ${count}`,
  fingerprint: 'f'.repeat(64),
  createdAt: '',
  program: buildVersion,
  run: 'run',
  name: null,
  configuration,
  components,
  tokens,
  seed: 3,
  parts: 4,
  threads: null,
  shards: planClusterShards(configuration, tokens, 4, count)
})

/** A folder of shards, none of which is begun. */
const divide = async (configuration: ClusteringConfiguration, count: number): Promise<ClusterSet> => {
  const set = setOf(configuration, count)
  mkdirSync(join(folder, matricesFolder))
  for (const variant of variantsOf(4)) {
    if (variant.kind !== 'shapeless')
      await writeMatrix(folder, set, variant.name, [variant.kind === 'whole' ? whole : meanOf(variant.parts)])
  }
  await writeNoises(folder, set)
  await writeClusterSet(folder, set)
  for (const { index } of set.shards) mkdirSync(join(folder, 'shards', String(index)), { recursive: true })
  return set
}

const here = (): ClusteringPool => inProcessPool(executeTask)

const shard = (
  set: ClusterSet,
  index: number,
  { open = here, signal = new AbortController().signal, threads = 1 } = {}
): Promise<void> => {
  const about = { set: set.id, shard: index, host: 'here', processor: '', program: buildVersion, threads }
  return workOnClusters(
    { folder, shard: index, threads, everySeconds: 0, about, secondsBefore: 0 },
    { onProgress: () => undefined, signal, open }
  )
}

interface Outcome {
  readonly structure: Structure
  readonly neighbours: Neighbours
}

/**
 * The clustering by one process, from the shards in the folder where `gathered`; and the matrices whose neighbours it
 * searched for.
 */
const cluster = async (
  configuration: ClusteringConfiguration,
  gathered?: string
): Promise<Outcome & { readonly searched: number }> => {
  const own = await mkdtemp(join(tmpdir(), 'cluster-shards-'))
  const request = {
    configuration,
    columns: [0, 1, 2, 3, 4],
    components,
    seed: 3,
    threads: 1,
    folder: own,
    everySeconds: 0,
    fingerprint: 'f'.repeat(64),
    parts: 4,
    gathered
  }
  let searched = 0
  const execute = (task: ClusteringTask): ReturnType<typeof executeTask> => {
    if (task.kind === 'neighbours') searched++
    return executeTask(task)
  }
  const work = new ClusterWork(() => inProcessPool(execute))
  let neighbours: Neighbours | undefined
  for (const variant of variantsOf(4)) {
    if (variant.kind !== 'whole' && (await work.has(request, variant, tokens))) continue
    const half = variant.kind === 'half' ? meanOf(variant.parts) : undefined
    await work.perform(
      request,
      variant,
      { tokens, whole, half },
      {
        neighbours,
        onNeighbours: (found) => (neighbours = found),
        onProgress: () => undefined,
        signal: new AbortController().signal
      }
    )
  }
  await rm(own, { recursive: true, force: true })
  return { structure: work.finish(request, tokens, neighbours!), neighbours: neighbours!, searched }
}

const resultFile = (index: number): string => join(folder, 'shards', String(index), 'result')

const filesOf = (index: number): string[] => readdirSync(join(folder, 'shards', String(index)))

/** The end of a result: what it found, without what it says of itself and the checksum. */
const numbersIn = (index: number): string => {
  const bytes = readFileSync(resultFile(index))
  return bytes.subarray(16 + bytes.readUInt32LE(12), -4).toString('base64')
}

interface Disturbance {
  /** After so many rounds … */
  readonly at: number
  /** … this is done. */
  readonly end: () => void
  readonly signal?: AbortSignal
}

/** Works on shard 0; how many rounds of its searches were done, and how it failed. */
const rounds = async (
  set: ClusterSet,
  { at, end, signal }: Disturbance = { at: Infinity, end: () => undefined }
): Promise<{ count: number; error: unknown }> => {
  let count = 0
  const open = (): ClusteringPool => {
    const pool = here()
    return {
      ...pool,
      runOn: (members, task) => {
        if (count === at) end()
        count++
        return pool.runOn(members, task)
      }
    }
  }
  const error: unknown = await shard(set, 0, { open, ...(signal === undefined ? {} : { signal }) }).catch(
    (failure: unknown) => failure
  )
  return { count, error }
}

describe('a clustering in shards', () => {
  it.each([
    ['communities', communities],
    ['acl', acl]
  ] as const)(
    'comes to that of one machine, to the last bit, in any number of shards: %s',
    async (_, configuration) => {
      const { structure, neighbours, searched } = await cluster(configuration)
      expect(searched).toBe(14)
      expect(structure.stability?.splits).toBe(3)
      expect(structure.clusters.length).toBeGreaterThan(1)
      for (const count of [2, 3, 7]) {
        const set = await divide(configuration, count)
        for (const { index } of set.shards) await shard(set, index, { threads: 1 + (index % 2) })
        expect(await cluster(configuration, folder)).toEqual({ structure, neighbours, searched: 0 })
        rmSync(folder, { recursive: true })
        mkdirSync(folder)
      }
    }
  )

  it('goes on from its checkpoint, after a kill and after a stop', async () => {
    const set = await divide(communities, 2)
    const undisturbed = await rounds(set)
    const expected = numbersIn(0)
    for (const name of filesOf(0)) rmSync(join(folder, 'shards', '0', name))

    const kill = (): void => {
      throw new Error('killed')
    }
    const killed = await rounds(set, { at: 100, end: kill })
    expect(killed.error).toMatchObject({ message: 'killed' })
    const controller = new AbortController()
    const stopped = await rounds(set, { at: 50, end: () => controller.abort(), signal: controller.signal })
    expect(stopped.error).toMatchObject({ kind: 'interrupted' })
    expect(filesOf(0).filter((name) => name === 'search.checkpoint')).toHaveLength(1)
    expect(filesOf(0)).not.toContain('result')
    const last = await rounds(set)
    expect(numbersIn(0)).toBe(expected)
    // The stop lost nothing, and the kill at most what was done since the segment before.
    const repeated = killed.count + stopped.count + last.count - undisturbed.count
    expect(killed.count).toBe(100)
    expect(repeated).toBeGreaterThanOrEqual(0)
    expect(repeated).toBeLessThanOrEqual(100 - 64)
  })

  it('does again what is kept of a shard by half', async () => {
    const set = await divide(communities, 2)
    await rounds(set, {
      at: 100,
      end: () => {
        throw new Error('killed')
      }
    })
    for (const name of filesOf(0)) writeFileSync(join(folder, 'shards', '0', name), 'damaged')
    await shard(set, 0)
    await shard(set, 1)
    expect((await cluster(communities, folder)).neighbours).toEqual((await cluster(communities)).neighbours)
  })

  it("refuses a result that is missing, damaged or another's, by its name and with the remedy", async () => {
    const set = await divide(acl, 2)
    for (const { index } of set.shards) await shard(set, index)
    const refused = async (index: number, change: () => void, words: string): Promise<void> => {
      const before = readFileSync(resultFile(index))
      change()
      await expect(cluster(acl, folder)).rejects.toMatchObject({
        kind: 'input',
        message: `${resultFile(index)} is ${words}; delete it and run shard ${index} again.`
      })
      writeFileSync(resultFile(index), before)
    }
    for (const index of [0, 5]) {
      await refused(index, () => rmSync(resultFile(index)), 'missing or damaged')
      await refused(
        index,
        () => {
          const bytes = readFileSync(resultFile(index))
          bytes[16 + bytes.readUInt32LE(12) + 40] ^= 1
          writeFileSync(resultFile(index), bytes)
        },
        'missing or damaged'
      )
      await refused(
        index,
        () => writeFileSync(resultFile(index), readFileSync(resultFile(1))),
        'the result of another shard or set'
      )
    }
    await writeClusterSet(folder, { ...set, id: 'another' })
    await expect(cluster(acl, folder)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('another shard or set') as string
    })
  })

  it("refuses to work from a matrix that is missing, damaged or another set's", async () => {
    const set = await divide(acl, 2)
    const file = join(folder, matricesFolder, 'whole')
    const before = readFileSync(file)
    const refused = async (): Promise<void> => {
      await expect(shard(set, 0)).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringContaining(`${file} is missing, damaged or from another set; run`) as string
      })
    }
    rmSync(file)
    await refused()
    writeFileSync(file, before.subarray(0, 400))
    await refused()
    await writeMatrix(folder, { fingerprint: 'another' }, 'whole', [whole])
    await refused()
  })
})

describe('dividing the search for neighbours', () => {
  it('gives every token of every matrix to one shard, in ranges that the search takes', () => {
    for (const count of [1, 2, 3, 7, 14, 20, 41, 100]) {
      for (const of of [237, 1000]) {
        const found = new Map(variantsOf(4).map(({ name }) => [name, [] as number[]]))
        const shards = planClusterShards({ method: 'communities', recall: 1 }, of, 4, count)
        for (const { segments } of shards) {
          for (const { variant, from, to } of segments) {
            expect(from % 8 === 0 && (to % 8 === 0 || to === of)).toBe(true)
            for (let token = from; token < to; token++) found.get(variant)!.push(token)
          }
        }
        expect(shards.map(({ segments }) => segments.length)).not.toContain(0)
        for (const tokensOf of found.values()) expect(tokensOf).toEqual(Array.from({ length: of }, (_, token) => token))
        expect(shards.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
      }
    }
  })

  it('adds one shard a matrix for local clusters, and refuses more shards than there is to divide', () => {
    expect(
      planClusterShards({ method: 'acl', recall: 1 }, 1000, 4, 3)
        .slice(3)
        .map(({ search }) => search)
    ).toEqual(variantsOf(4).map(({ name }) => name))
    expect(planClusterShards({ method: 'acl', recall: 1 }, 1000, 0, 3).map(({ search }) => search)).toEqual([
      null,
      null,
      null,
      'whole'
    ])
    expect(() => planClusterShards({ method: 'communities', recall: 0.95 }, 100, 0, 2)).toThrow(
      'approximate search for neighbours cannot be divided into shards'
    )
    expect(() => planClusterShards({ method: 'communities', recall: 1 }, 100, 0, 7)).toThrow(
      expect.objectContaining({
        kind: 'usage',
        message: 'The neighbours of 100 tokens can be divided into 6 shards at most, not into 7; ask for fewer.'
      })
    )
  })
})

describe('a shard that needs others', () => {
  it('is told from one that only has to wait for another process', async () => {
    mkdirSync(join(folder, 'shards', '0'), { recursive: true })
    const set = { id: '', threads: null, shards: [{ index: 0, share: 1 }] }
    const held = await claim(claimPath(folder, 0))
    await expect(checkDone(folder, set)).rejects.toMatchObject({
      kind: 'workspace',
      message: `1 of 1 shards of ${folder} are not done (running: 0); wait for them.`
    })
    if ('release' in held) await held.release()
    await expect(checkDone(folder, set)).rejects.toMatchObject({ kind: 'usage' })
    writeFileSync(resultFile(0), '')
    await expect(checkDone(folder, set)).resolves.toBeUndefined()
  })
})

describe('what says what the shards are', () => {
  it('is read as it was written, and refused where it is none, damaged, or of another program', async () => {
    await expect(readClusterSet(folder)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('name a folder that `spectroscope cluster --shards` has written') as string
    })
    const set = setOf(acl, 2)
    await writeClusterSet(folder, set)
    expect(await readClusterSet(folder)).toEqual(set)
    for (const [content, words] of [
      ['{', 'no valid JSON'],
      [JSON.stringify({ ...set, version: 1 }), '"version": '],
      [JSON.stringify({ ...set, more: 1 }), 'more']
    ] as const) {
      writeFileSync(clusterSetPath(folder), content)
      await expect(readClusterSet(folder)).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringContaining(words) as string
      })
    }
    await writeClusterSet(folder, { ...set, program: '0.0.0' })
    const options = { onEvent: () => undefined, signal: new AbortController().signal, checkpointSeconds: 30 }
    await expect(runClusterShard(folder, 0, options)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('made by build 0.0.0') as string
    })
  })
})
