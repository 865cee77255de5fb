import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { clusteringConfigurationSchema } from '../../preload/configuration'
import { clusterTokens } from '../../main/clustering/cluster'
import { combinedColumns } from '../../main/sampling/block-estimates'
import type { SampledBlocks } from '../../main/sampling/block-estimates'
import { openSampled } from '../../main/sampling/sampled-file'
import type { BlockConfiguration } from '../../preload/configuration'

/** χ̂ [tokens, components] from all blocks and from each half of them. */
interface Matrices {
  readonly tokens: number
  readonly components: readonly string[]
  readonly whole: Float32Array
  readonly halves: readonly [Float32Array, Float32Array]
}

/** One token of the study, for rules that predict which cluster it is in. */
interface StudiedToken {
  readonly id: number
  readonly previous: number
  readonly subset: string
}

const matricesOf = async (path: string, sampler: BlockConfiguration, chosen: readonly number[]): Promise<Matrices> => {
  const file = await openSampled<SampledBlocks, object>(path)
  try {
    const components = [...new Set(file.chains.map(({ component }) => component))]
    const make = (): Float32Array => new Float32Array(chosen.length * components.length)
    const [whole, even, odd] = [make(), make(), make()]
    for (const [column, component] of components.entries()) {
      const places = file.chains.flatMap((block, at) => (block.component === component ? [at] : []))
      const sums = []
      for (const at of places) sums.push(await file.sums(at))
      const records = places.map((at) => file.chains[at].record)
      for (const [matrix, members] of [[whole, [0, 1, 2, 3]], [even, [0, 2]], [odd, [1, 3]]] as const) {
        const values = combinedColumns(records, sums, sampler, members)
        chosen.forEach((token, i) => (matrix[i * components.length + column] = values[token]))
      }
    }
    return { tokens: chosen.length, components, whole, halves: [even, odd] }
  } finally {
    await file.close()
  }
}

/** The best Jaccard index of a set with any of some others. */
const bestJaccard = (members: Int32Array, other: Int32Array, sizes: ReadonlyMap<number, number>): number => {
  const common = new Map<number, number>()
  for (const token of members) if (other[token] >= 0) common.set(other[token], (common.get(other[token]) ?? 0) + 1)
  return [...common].reduce((best, [cluster, count]) => Math.max(best, count / (members.length + sizes.get(cluster)! - count)), 0)
}

/** The best F1 of a rule "the token's id, the one before it, or its subset is X" for membership. */
const bestRule = (members: Int32Array, tokens: readonly StudiedToken[], everywhere: ReadonlyMap<string, number>): { readonly rule: string; readonly f1: number } => {
  const within = new Map<string, number>()
  for (const token of members) for (const rule of rulesOf(tokens[token])) within.set(rule, (within.get(rule) ?? 0) + 1)
  return [...within].reduce((best, [rule, count]) => {
    const f1 = (2 * count) / (members.length + everywhere.get(rule)!)
    return f1 > best.f1 ? { rule, f1 } : best
  }, { rule: '', f1: 0 })
}

const rulesOf = ({ id, previous, subset }: StudiedToken): string[] => [`next ${id}`, `previous ${previous}`, `subset ${subset}`]

export interface Trial {
  readonly neighbours: number
  readonly minSize: number
  readonly whiten: boolean
}

interface TrialResult extends Trial {
  readonly seconds: number
  readonly clusters: number
  /** Share of tokens in clusters; and in those found again in both halves with a Jaccard index of 0.5. */
  readonly clustered: number
  readonly stable: number
  readonly stableClusters: number
  /** Median of the clusters' best F1, and how many are above 0.5. */
  readonly medianF1: number
  readonly ruled: number
}

const tryClustering = async ({ tokens, components, whole, halves }: Matrices, trial: Trial, studied: readonly StudiedToken[], threads: number): Promise<TrialResult> => {
  const configuration = clusteringConfigurationSchema.parse(trial)
  const started = performance.now()
  const cluster = async (matrix: Float32Array) => (await clusterTokens({ matrix, tokens, components, configuration, seed: 1, threads })).clusters
  const found = await cluster(whole)
  const seconds = (performance.now() - started) / 1000
  const membership: { readonly of: Int32Array; readonly sizes: ReadonlyMap<number, number> }[] = []
  for (const half of halves) {
    const of = new Int32Array(tokens).fill(-1)
    const clusters = await cluster(half)
    clusters.forEach(({ members }, at) => members.forEach((token) => (of[token] = at)))
    membership.push({ of, sizes: new Map(clusters.map(({ members }, at) => [at, members.length])) })
  }
  const everywhere = new Map<string, number>()
  for (const token of studied) for (const rule of rulesOf(token)) everywhere.set(rule, (everywhere.get(rule) ?? 0) + 1)
  const judged = found.map(({ members }) => ({
    size: members.length, stability: Math.min(...membership.map(({ of, sizes }) => bestJaccard(members, of, sizes))), f1: bestRule(members, studied, everywhere).f1
  }))
  const share = (kept: typeof judged): number => kept.reduce((sum, { size }) => sum + size, 0) / tokens
  const stable = judged.filter(({ stability }) => stability >= 0.5)
  const f1 = judged.map((each) => each.f1).sort((a, b) => a - b)
  return {
    ...trial, seconds, clusters: found.length, clustered: share(judged), stable: share(stable), stableClusters: stable.length,
    medianF1: f1.length === 0 ? 0 : f1[Math.floor(f1.length / 2)], ruled: f1.filter((value) => value >= 0.5).length
  }
}

/** Studied tokens and the sampler's settings of a run, from its export as CSV. */
const readExport = async (folder: string): Promise<{ readonly studied: StudiedToken[]; readonly sampler: BlockConfiguration }> => {
  const { configuration } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { readonly configuration: { readonly sampler: BlockConfiguration } }
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const file = join(folder, 'tokens.csv').replaceAll("'", "''")
  const reader = await connection.runAndReadAll(`
    SELECT id::INTEGER, coalesce(lag(id) OVER (PARTITION BY "row" ORDER BY position), -1)::INTEGER, coalesce(subset, '')
    FROM read_csv('${file}') ORDER BY token`)
  const studied = reader.getRows().map(([id, previous, subset]) => ({ id: Number(id), previous: Number(previous), subset: String(subset) }))
  connection.closeSync()
  instance.closeSync()
  return { studied, sampler: configuration.sampler }
}

interface SuitOptions {
  /** Kept sums of a run, and the folder of its export as CSV. */
  readonly sums: string
  readonly exported: string
  readonly trials: readonly Trial[]
  readonly sizes: readonly number[]
  readonly threads: number
}

/** Settings that are tried where none are given. */
export const usualTrials: readonly Trial[] = [
  { neighbours: 45, minSize: 20, whiten: false }, { neighbours: 45, minSize: 20, whiten: true }, { neighbours: 20, minSize: 10, whiten: true },
  { neighbours: 10, minSize: 10, whiten: true }, { neighbours: 7, minSize: 10, whiten: true }, { neighbours: 10, minSize: 10, whiten: false }
]

/** Tries settings of the clustering on parts of a run's matrix, and says how many of the clusters recur in its halves or follow a rule. */
export const benchSuit = async ({ sums, exported, trials, sizes, threads }: SuitOptions): Promise<void> => {
  const { studied: all, sampler } = await readExport(exported)
  console.log('tokens      k  min  whiten   seconds  clusters  clustered  stable  in stable  median F1  F1 ≥ 0.5')
  for (const size of sizes) {
    const every = all.length / Math.min(size, all.length)
    const chosen = Array.from({ length: Math.min(size, all.length) }, (_, i) => Math.floor(i * every))
    const matrices = await matricesOf(sums, sampler, chosen)
    const studied = chosen.map((token) => all[token])
    for (const trial of trials) {
      const { seconds, clusters, clustered, stable, stableClusters, medianF1, ruled } = await tryClustering(matrices, trial, studied, threads)
      const cells = [
        String(chosen.length).padStart(6), String(trial.neighbours).padStart(5), String(trial.minSize).padStart(4), (trial.whiten ? 'yes' : 'no').padStart(7), seconds.toFixed(1).padStart(9),
        String(clusters).padStart(9), `${(100 * clustered).toFixed(1)} %`.padStart(10), String(stableClusters).padStart(7), `${(100 * stable).toFixed(1)} %`.padStart(10),
        medianF1.toFixed(2).padStart(10), String(ruled).padStart(9)
      ]
      console.log(cells.join(' '))
    }
  }
}
