import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { beforeAll, describe, expect, it } from 'vitest'
import { inProcessPool, openPool } from '../../main/base/pool'
import { openTeam } from '../../main/base/team'
import { partitionTokens } from '../../main/clustering/cluster'
import {
  descentState,
  prepareDescent,
  recallOf,
  runDescent,
  type Descent,
  type DescentOptions
} from '../../main/clustering/descent'
import { descend } from '../../main/clustering/descent-rounds'
import { executeTask } from '../../main/clustering/execute-task'
import { prepareSearch, runSearch, type Neighbours } from '../../main/clustering/neighbours'
import { preprocess, type Points } from '../../main/clustering/preprocess'
import type { ClusteringResult, ClusteringTask } from '../../main/clustering/tasks'
import { communitiesOf, planted, pointsOf, randomNumbers } from './clustering-fixture'

const usual: DescentOptions = { recall: 0.95, seed: 3, variant: 0 }
const k = 10

const sizes = [900, 700, 400, 300, 200]
const { matrix, tokens, components } = planted(5, sizes, 12, 1, 1500)
const points = preprocess(matrix, tokens, components, false)

const here = (search: Descent): Promise<number> => descend(search, (phase) => runDescent(search, openTeam(1), phase))

const exactly = async (of: Points, most: number): Promise<Neighbours> => {
  const search = prepareSearch(of, most, 1)
  await runSearch(search, openTeam(1))
  return search.neighbours
}

const found = async (
  of: Points,
  most: number,
  options = usual
): Promise<{ recall: number; neighbours: Neighbours }> => {
  const search = prepareDescent(of, most, 1, options)
  return { recall: await here(search), neighbours: search.neighbours }
}

/** Share of neighbours in `some` that are no farther than the last of `all`. */
const shareOf = (some: Neighbours, all: Neighbours): number => {
  let near = 0
  some.distances.forEach((distance, at) => {
    const last = all.distances[(Math.floor(at / all.k) + 1) * all.k - 1]
    if (distance <= last) near++
  })
  return near / some.distances.length
}

const workerFolder = fileURLToPath(new URL('../../out/test-approximate', import.meta.url))

beforeAll(async () => {
  const entry = fileURLToPath(new URL('../../main/clustering/worker.ts', import.meta.url))
  await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: entry,
      outDir: workerFolder,
      target: 'node20',
      rolldownOptions: { output: { entryFileNames: 'worker.js' } }
    }
  })
})

describe('approximate neighbours', () => {
  it('finds at least the share that is asked for, and says how much, on planted groups', async () => {
    const exact = await exactly(points, k)
    const { recall, neighbours } = await found(points, k)
    expect(recall).toBeGreaterThanOrEqual(0.95)
    expect(shareOf(neighbours, exact)).toBeCloseTo(recall, 1)
    expect(Math.abs(shareOf(neighbours, exact) - recall)).toBeLessThan(0.02)
    const more = await found(points, k, { ...usual, recall: 0.999 })
    expect(shareOf(more.neighbours, exact)).toBeGreaterThan(0.99)
  })

  it('gives true distances, nearest first, of other tokens, each once', async () => {
    const { neighbours } = await found(points, k)
    const { values, dimensions } = points
    for (let point = 0; point < tokens; point += 37) {
      const ids = neighbours.indices.subarray(point * k, (point + 1) * k)
      expect(new Set(ids).size).toBe(k)
      expect(ids.includes(point)).toBe(false)
      ids.forEach((id, rank) => {
        const differences = Array.from({ length: dimensions }, (_, d) =>
          [point, id].map((p) => values[p * dimensions + d])
        )
        const distance = Math.hypot(...differences.map(([a, b]) => a - b))
        expect(neighbours.distances[point * k + rank]).toBeCloseTo(distance, 5)
        if (rank > 0)
          expect(neighbours.distances[point * k + rank]).toBeGreaterThanOrEqual(
            neighbours.distances[point * k + rank - 1]
          )
      })
    }
  })

  it('is the same on any number of threads, and another one from another seed', async () => {
    const one = await found(points, k, { ...usual, recall: 0.9 })
    const threads = 3
    const pool = openPool<ClusteringTask, ClusteringResult>(`${workerFolder}/worker.js`, threads)
    try {
      const search = prepareDescent(points, k, threads, { ...usual, recall: 0.9 })
      const recall = await descend(search, (phase) =>
        pool.runOn(threads, { kind: 'descent', search, team: openTeam(threads), phase })
      )
      expect(recall).toBe(one.recall)
      expect(search.neighbours.indices).toEqual(one.neighbours.indices)
      expect(search.neighbours.distances).toEqual(one.neighbours.distances)
    } finally {
      await pool.close()
    }
    const other = await found(points, k, { ...usual, recall: 0.9, seed: 4 })
    expect(other.neighbours.indices).not.toEqual(one.neighbours.indices)
  })

  it('goes on bit for bit from the state after a round', async () => {
    const options = { ...usual, recall: 0.999 }
    const whole = await found(points, k, options)
    const states: { state: Uint8Array; from: number }[] = []
    const search = prepareDescent(points, k, 1, options)
    await descend(search, (phase) => runDescent(search, openTeam(1), phase), {
      onRound: (from) => void states.push({ state: descentState(search).slice(), from })
    })
    expect(states.length).toBeGreaterThan(0)
    const { state, from } = states[0]
    const later = prepareDescent(points, k, 1, options)
    descentState(later).set(state)
    const recall = await descend(later, (phase) => runDescent(later, openTeam(1), phase), { from })
    expect(recall).toBe(whole.recall)
    expect(later.neighbours).toEqual(whole.neighbours)
  })

  it('measures the same recall of neighbours that were found earlier, and 1 of exact ones', async () => {
    const { recall, neighbours } = await found(points, k, { ...usual, recall: 0.8 })
    const measuring = prepareDescent(points, k, 1, { ...usual, recall: 0.8 }, 0)
    await runDescent(measuring, openTeam(1), 'measure')
    expect(recallOf(measuring, neighbours)).toBe(recall)
    expect(recallOf(measuring, await exactly(points, k))).toBe(1)
  })

  it('is exact for few tokens, and refuses no fewer than k', async () => {
    const { normal } = randomNumbers(8)
    const few = pointsOf(Array.from({ length: 20 }, () => [normal(), normal(), normal()]))
    const { recall, neighbours } = await found(few, 19)
    expect(recall).toBe(1)
    expect(neighbours).toEqual(await exactly(few, 19))
    expect(() => prepareDescent(few, 20, 1, usual)).toThrow('"clustering.neighbours" is 20')
  })

  it('finds neighbours among equal rows, in one column, and of a few rows far from all others', async () => {
    const values = (of: (i: number) => number, count: number): Points => ({
      values: Float64Array.from({ length: count }, (_, i) => of(i)),
      count,
      dimensions: 1
    })
    const equal = await found(
      values(() => 2, 600),
      k
    )
    expect(equal.recall).toBe(1)
    expect(new Set(equal.neighbours.distances)).toEqual(new Set([0]))
    const { normal } = randomNumbers(4)
    const line = values(normal, 3000)
    const inLine = await found(line, k)
    expect(shareOf(inLine.neighbours, await exactly(line, k))).toBeGreaterThan(0.95)
    const island = values((i) => (i < 4 ? 1000 + i : normal()), 2000)
    const { neighbours } = await found(island, k)
    const ids = Array.from(neighbours.indices.subarray(0, k))
    expect(new Set(ids).size).toBe(k)
    expect(ids.slice(0, 3).sort()).toEqual([1, 2, 3])
  })

  it('clusters with them, and says their recall, also from kept neighbours', async () => {
    const configuration = communitiesOf({ neighbours: k, recall: 0.9, resolution: 4, levels: 1 })
    const input = { matrix, tokens, components, configuration, seed: 7, threads: 1 }
    const open = (): ReturnType<typeof inProcessPool<ClusteringTask, ClusteringResult>> => inProcessPool(executeTask)
    const first = await partitionTokens(input, open)
    expect(first.neighbourRecall).toBeGreaterThanOrEqual(0.9)
    const again = await partitionTokens({ ...input, neighbours: first.neighbours }, open)
    expect(again).toEqual(first)
    const half = await partitionTokens({ ...input, variant: 1, neighbours: first.neighbours }, open)
    expect(half.neighbourRecall).toBeNull()
  })
})
