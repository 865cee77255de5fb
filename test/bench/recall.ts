import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clusteringSchema, suitClustering } from '../../preload/configuration'
import { withWorkspace } from '../../main/api/workspaces'
import { entryPath, resourcePath } from '../../main/base/entries'
import { openPool } from '../../main/base/pool'
import { openTeam } from '../../main/base/team'
import { partitionTokens } from '../../main/clustering/cluster'
import { prepareDescent } from '../../main/clustering/descent'
import { descend } from '../../main/clustering/descent-rounds'
import { prepareSearch, type Neighbours } from '../../main/clustering/neighbours'
import { preprocess } from '../../main/clustering/preprocess'
import type { ClusteringResult, ClusteringTask } from '../../main/clustering/tasks'
import { plantedMatrix } from './planted-matrix'

const resolution = 8

interface Study {
  readonly words: string
  readonly matrix: Float32Array
  readonly tokens: number
  readonly components: readonly string[]
}

/** χ̂ of the bundled demonstration. */
const demonstration = async (): Promise<Study> => {
  const folder = await mkdtemp(join(tmpdir(), 'spectroscope-bench-'))
  try {
    return await withWorkspace(folder, 'create', async (workspace) => {
      const { id, tokens, components } = await workspace.copyRun(resourcePath('demo', 'example.duckdb'), folder)
      const { susceptibilities } = await workspace.getSusceptibilities(id)
      return { words: 'demonstration', matrix: susceptibilities, tokens, components }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const studyOf = (size: string): Promise<Study> => {
  if (size === 'demo') return demonstration()
  const [tokens, dimensions] = size.split('x').map(Number)
  const components = Array.from({ length: dimensions }, (_, i) => `component ${i}`)
  return Promise.resolve({ words: 'planted', matrix: plantedMatrix(tokens, dimensions), tokens, components })
}

const sizesOf = (labels: Int32Array, groups: number): Int32Array => {
  const sizes = new Int32Array(groups)
  for (const label of labels) sizes[label]++
  return sizes
}

/** ln n! for 0 … most. */
const logFactorials = (most: number): Float64Array => {
  const logs = new Float64Array(most + 1)
  for (let n = 1; n <= most; n++) logs[n] = logs[n - 1] + Math.log(n)
  return logs
}

/**
 * Expected mutual information of labels of these sizes that have nothing to do with each other (Vinh, Epps, Bailey
 * 2010).
 */
const expectedInformation = (a: Int32Array, b: Int32Array, count: number): number => {
  const log = logFactorials(count)
  let expected = 0
  for (const x of a) {
    for (const y of b) {
      const fixed = log[x] + log[y] + log[count - x] + log[count - y] - log[count]
      for (let n = Math.max(1, x + y - count); n <= Math.min(x, y); n++) {
        const chance = Math.exp(fixed - log[n] - log[x - n] - log[y - n] - log[count - x - y + n])
        expected += (n / count) * Math.log((count * n) / (x * y)) * chance
      }
    }
  }
  return expected
}

const entropyOf = (sizes: Int32Array, count: number): number =>
  sizes.reduce((sum, size) => (size === 0 ? sum : sum - (size / count) * Math.log(size / count)), 0)

interface Agreement {
  /** Adjusted mutual information. */
  readonly information: number
  /** Of each cluster with the one of the other partition that is most like it: mean over tokens. */
  readonly jaccard: number
}

/** How alike two partitions are; tokens in no cluster (-1) are a group of their own. */
const agreementOf = (one: Int32Array, other: Int32Array): Agreement => {
  const count = one.length
  const [first, second] = [one, other].map((labels) => labels.map((label) => label + 1))
  const [rows, columns] = [first, second].map((labels) => 1 + labels.reduce((most, label) => Math.max(most, label), 0))
  const [a, b] = [sizesOf(first, rows), sizesOf(second, columns)]
  const table = new Int32Array(rows * columns)
  for (let i = 0; i < count; i++) table[first[i] * columns + second[i]]++
  let [information, jaccard, inClusters] = [0, 0, 0]
  for (let row = 0; row < rows; row++) {
    let best = 0
    for (let column = 0; column < columns; column++) {
      const both = table[row * columns + column]
      if (both === 0) continue
      information += (both / count) * Math.log((count * both) / (a[row] * b[column]))
      if (column > 0) best = Math.max(best, both / (a[row] + b[column] - both))
    }
    if (row === 0) continue
    jaccard += a[row] * best
    inClusters += a[row]
  }
  const expected = expectedInformation(a, b, count)
  const mean = (entropyOf(a, count) + entropyOf(b, count)) / 2
  return { information: (information - expected) / (mean - expected), jaccard: jaccard / inClusters }
}

const shown = ({ information, jaccard }: Agreement): string =>
  `adjusted mutual information ${information.toFixed(3)}, Jaccard index ${jaccard.toFixed(3)}`

/** Seconds of processor time since a moment, in all threads. */
const processorSeconds = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1e6
}

/** What exact neighbours cost, and approximate ones at each recall, and how far communities move by these. */
const measure = async (
  { words, matrix, tokens, components }: Study,
  recalls: readonly number[],
  threads: number
): Promise<void> => {
  const configuration = suitClustering(clusteringSchema.parse({ resolution, levels: 1, stability: false }), tokens)
  const { neighbours: k, whiten } = configuration
  const points = preprocess(matrix, tokens, components, whiten)
  console.log(`\n${words}: ${tokens} × ${components.length}, k = ${k}, resolution ${resolution}`)
  const partition = async (neighbours: Neighbours, seed: number): Promise<Int32Array> => {
    const { layers } = await partitionTokens({ matrix, tokens, components, configuration, seed, threads, neighbours })
    return layers[0].membership
  }
  const cost = (since: NodeJS.CpuUsage, memory: WebAssembly.Memory): string => {
    const bytes = memory.buffer.byteLength + 8 * points.values.length
    return `${processorSeconds(since).toFixed(1)} s of processor time, ${(bytes / 2 ** 20).toFixed(0)} MiB`
  }
  const pool = openPool<ClusteringTask, ClusteringResult>(entryPath('clustering-worker'), 1)
  try {
    const start = process.cpuUsage()
    const search = prepareSearch(points, k, 1)
    await pool.runOn(1, { kind: 'neighbours', search, team: openTeam(1) })
    console.log(`  exact: ${cost(start, search.memory)}`)
    const exact = await partition(search.neighbours, 1)
    console.log(`  another seed of the partitions: ${shown(agreementOf(exact, await partition(search.neighbours, 2)))}`)
    for (const recall of [...recalls].sort((a, b) => a - b)) {
      const begun = process.cpuUsage()
      const descent = prepareDescent(points, k, 1, { recall, seed: 1, variant: 0 })
      const found = await descend(descent, (phase) =>
        pool.runOn(1, { kind: 'descent', search: descent, team: openTeam(1), phase })
      )
      const about = `${found.toFixed(4)} where ${recall} was asked, ${cost(begun, descent.memory)}`
      console.log(`  recall ${about}: ${shown(agreementOf(exact, await partition(descent.neighbours, 1)))}`)
    }
  } finally {
    await pool.close()
  }
}

/** `sizes`: tokens × dimensions of planted clusters, or "demo" for the demonstration. */
export const benchRecall = async (
  sizes: readonly string[],
  recalls: readonly number[],
  threads: number
): Promise<void> => {
  for (const size of sizes) await measure(await studyOf(size), recalls, threads)
}
