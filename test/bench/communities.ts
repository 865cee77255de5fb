import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { entryPath, projectRoot } from '../../main/base/entries'
import { openPool } from '../../main/base/pool'
import { openTeam } from '../../main/base/team'
import { buildGraph, type Graph } from '../../main/clustering/graph'
import { openLeiden } from '../../main/clustering/leiden'
import { prepareSearch, type Neighbours } from '../../main/clustering/neighbours'
import { preprocess, type Points } from '../../main/clustering/preprocess'
import type { ClusteringResult, ClusteringTask } from '../../main/clustering/tasks'
import { uniforms } from '../tiny-model'
import { plantedMatrix } from './planted-matrix'

/** One partition, measured in its own process so that peak memory is its own. */
export interface CommunitiesPoint {
  /** Folder with the graph: starts and columns (int32), weights (float64). */
  readonly folder: string
  readonly resolution: number
  readonly run: number
}

interface Measured {
  readonly seconds: number
  readonly quality: number
  readonly count: number
  /** Resident memory, MiB: with the graph read or built, and at the peak. */
  readonly before: number
  readonly peak: number
}

interface Size {
  readonly tokens: number
  readonly dimensions: number
  readonly k: number
}

interface Side {
  readonly name: string
  readonly measure: (resolution: number, round: number) => Promise<Measured | string>
}

const usualK = 45
const resolutions = [1, 10]
/** An exact search compares all pairs. For more tokens, neighbours are sought among few. */
const mostExact = 200_000
const trees = 2
const leafSize = 1024
const patienceSeconds = 600
/** Sides that take longer are measured once. */
const longSeconds = 60
/** For more tokens leidenalg takes hours: with two iterations, or to the end; and igraph to the end. */
const mostTokens = { leidenalg: 200_000, leidenalgToEnd: 20_000, igraphToEnd: 200_000 }

interface Division {
  /** The points, part by part. */
  readonly order: Int32Array
  /** Where each part ends. */
  readonly ends: readonly number[]
}

/** Halves the points along random directions until parts are small. */
const divide = ({ values, count, dimensions }: Points, next: () => number): Division => {
  const order = Int32Array.from({ length: count }, (_, i) => i)
  const places = new Float64Array(count)
  const ends: number[] = []
  const parts: [number, number][] = [[0, count]]
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    const [from, to] = part
    if (to - from <= leafSize) {
      ends.push(to)
      continue
    }
    const [a, b] = [0, 1].map(() => order[from + Math.floor(next() * (to - from))] * dimensions)
    const members = order.subarray(from, to)
    for (const point of members) {
      let place = 0
      for (let d = 0; d < dimensions; d++) place += values[point * dimensions + d] * (values[a + d] - values[b + d])
      places[point] = place
    }
    members.sort((i, j) => places[i] - places[j] || i - j)
    const middle = (from + to) >> 1
    parts.push([middle, to], [from, middle])
  }
  return { order, ends }
}

/** The nearest tokens among those that share a part with a token in either of two random divisions. */
const nearlyNearest = (points: Points, k: number): Neighbours => {
  const { values, count, dimensions } = points
  const indices = new Int32Array(count * k).fill(-1)
  const squares = new Float32Array(count * k).fill(Infinity)
  const next = uniforms(5)
  const offer = (point: number, other: number, square: number): void => {
    const first = point * k
    let at = first + k - 1
    if (square >= squares[at] || indices.subarray(first, first + k).includes(other)) return
    for (; at > first && squares[at - 1] > square; at--) {
      squares[at] = squares[at - 1]
      indices[at] = indices[at - 1]
    }
    squares[at] = square
    indices[at] = other
  }
  for (let tree = 0; tree < trees; tree++) {
    const { order, ends } = divide(points, next)
    ends.forEach((end, part) => {
      for (let i = part === 0 ? 0 : ends[part - 1]; i < end; i++) {
        for (let j = i + 1; j < end; j++) {
          const [a, b] = [order[i] * dimensions, order[j] * dimensions]
          let square = 0
          for (let d = 0; d < dimensions; d++) square += (values[a + d] - values[b + d]) ** 2
          offer(order[i], order[j], square)
          offer(order[j], order[i], square)
        }
      }
    })
  }
  return { k, indices, distances: squares.map(Math.sqrt) }
}

const search = async (points: Points, k: number, threads: number): Promise<Neighbours> => {
  if (points.count > mostExact) return nearlyNearest(points, k)
  const pool = openPool<ClusteringTask, ClusteringResult>(entryPath('clustering-worker'), threads)
  const order = prepareSearch(points, k, threads)
  await pool.runOn(threads, { kind: 'neighbours', search: order, team: openTeam(threads) })
  await pool.close()
  return order.neighbours
}

/** Writes the graph of a planted matrix. Returns how many entries it has. */
const writeGraph = async (folder: string, size: Size, threads: number): Promise<number> => {
  const { tokens, dimensions, k } = size
  const names = Array.from({ length: dimensions }, (_, i) => `component ${i}`)
  const points = preprocess(plantedMatrix(tokens, dimensions), tokens, names, false)
  const graph = buildGraph({ points, neighbours: await search(points, k, threads), symmetrize: 'union' })
  const parts = ['starts', 'columns', 'weights'] as const
  for (const part of parts) await writeFile(join(folder, part), new Uint8Array(graph[part].buffer))
  return graph.columns.length
}

const readGraph = (folder: string): Graph => {
  const buffer = (part: string): ArrayBuffer => {
    const { buffer: all, byteOffset, byteLength } = readFileSync(join(folder, part))
    return byteOffset === 0 && byteLength === all.byteLength ? all : all.slice(byteOffset, byteOffset + byteLength)
  }
  const starts = new Int32Array(buffer('starts'))
  const weights = new Float64Array(buffer('weights'))
  const nodes = starts.length - 1
  const degrees = new Float64Array(nodes)
  for (let i = 0; i < nodes; i++) for (let e = starts[i]; e < starts[i + 1]; e++) degrees[i] += weights[e]
  return { nodes, starts, ends: starts.subarray(1), columns: new Int32Array(buffer('columns')), weights, degrees }
}

/** Makes one partition of ours; prints JSON. */
export const measureCommunitiesPoint = (point: string): void => {
  const { folder, resolution, run } = JSON.parse(point) as CommunitiesPoint
  const graph = readGraph(folder)
  const before = process.memoryUsage().rss / 2 ** 20
  const start = performance.now()
  const { quality, count } = openLeiden(graph).partition({ resolution, seed: 1, run })
  const seconds = (performance.now() - start) / 1000
  const peak = process.resourceUsage().maxRSS / 1024
  console.log(JSON.stringify({ seconds, quality, count, before, peak } satisfies Measured))
}

/** Runs a program that prints a measurement. Returns that, or why there is none. */
const measureApart = async (program: string, args: readonly string[]): Promise<Measured | string> => {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: 1000 * patienceSeconds })
    return JSON.parse(stdout) as Measured
  } catch (error) {
    const { killed, stderr, message } = error as { killed?: boolean; stderr?: string; message: string }
    return killed === true ? `no end within ${patienceSeconds} s` : (stderr?.trim().split('\n').at(-1) ?? message)
  }
}

const sidesOf = (folder: string, tokens: number, python: string): readonly Side[] => {
  const script = join(projectRoot, 'test', 'bench', 'communities-peers.py')
  const bench = join(projectRoot, 'out', 'bench', 'bench.js')
  const peer = (name: string, iterations: number): Side => ({
    name: iterations < 0 ? `${name}, to the end` : `${name}, ${iterations} iterations`,
    measure: (resolution, round) =>
      measureApart(python, [script, name, folder, ...[resolution, iterations, round].map(String)])
  })
  const ours: Side = {
    name: 'ours',
    measure: (resolution, run) => {
      const point: CommunitiesPoint = { folder, resolution, run }
      return measureApart(process.execPath, [bench, 'communities-point', '--point', JSON.stringify(point)])
    }
  }
  return [
    ours,
    peer('igraph', 2),
    ...(tokens > mostTokens.igraphToEnd ? [] : [peer('igraph', -1)]),
    ...(tokens > mostTokens.leidenalg ? [] : [peer('leidenalg', 2)]),
    ...(tokens > mostTokens.leidenalgToEnd ? [] : [peer('leidenalg', -1)])
  ]
}

const fastest = (rounds: readonly Measured[]): number => Math.min(...rounds.map(({ seconds }) => seconds))

const meanQuality = (rounds: readonly Measured[]): number =>
  rounds.reduce((sum, { quality }) => sum + quality, 0) / rounds.length

const wordsOf = (side: readonly Measured[], ours: readonly Measured[]): string => {
  const best = Math.max(...side.map(({ quality }) => quality))
  const words = [
    `${fastest(side).toFixed(2)} s`,
    `modularity ${meanQuality(side).toFixed(5)} (best of ${side.length} ${best.toFixed(5)})`,
    `${side[0].count} communities`,
    `${Math.max(...side.map(({ peak }) => peak)).toFixed(0)} MiB, ${side[0].before.toFixed(0)} of it before`
  ]
  if (ours.length > 0) {
    const difference = 100 * (meanQuality(ours) / meanQuality(side) - 1)
    const faster = fastest(side) / fastest(ours)
    words.push(`ours ${faster.toFixed(1)} times as fast, modularity ${difference.toFixed(2)} %`)
  }
  return words.join('; ')
}

const compare = async (folder: string, tokens: number, rounds: number, python: string): Promise<void> => {
  const sides = sidesOf(folder, tokens, python)
  for (const resolution of resolutions) {
    const found = sides.map((): Measured[] => [])
    for (let round = 0; round < rounds; round++) {
      for (const [at, { name, measure }] of sides.entries()) {
        if (round > 0 && (found[at].length === 0 || found[at][0].seconds > longSeconds)) continue
        const measured = await measure(resolution, round)
        if (typeof measured === 'string') console.log(`  resolution ${resolution}, ${name}: ${measured}`)
        else found[at].push(measured)
      }
    }
    found.forEach((side, at) => {
      if (side.length === 0) return
      console.log(`  resolution ${resolution}, ${sides[at].name}: ${wordsOf(side, at === 0 ? [] : found[0])}`)
    })
  }
}

/**
 * Compares our partitions with those of igraph and leidenalg, in turns: the least time of all rounds, and the mean
 * modularity. Each of `sizes` is tokens × dimensions, or tokens × dimensions × neighbours. Above 200,000 tokens,
 * neighbours are sought in parts of some 1,000 tokens.
 */
export const benchCommunities = async (
  sizes: readonly string[],
  rounds: number,
  threads: number,
  python: string
): Promise<void> => {
  for (const each of sizes) {
    const [tokens, dimensions, k = usualK] = each.split('x').map(Number)
    const folder = await mkdtemp(join(tmpdir(), 'spectroscope-bench-'))
    try {
      const entries = await writeGraph(folder, { tokens, dimensions, k }, threads)
      console.log(`\ncommunities: ${tokens} × ${dimensions}, k = ${k}, ${entries} entries, ${rounds} rounds`)
      await compare(folder, tokens, rounds, python)
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}
