import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ClusteringConfiguration,
  type BlockConfiguration,
  suitClustering,
  clusteringSchema
} from '../../preload/configuration'
import { partitionTokens } from '../../main/clustering/cluster'
import { noiseOf, shapelessMatrix, spreadOf } from '../../main/clustering/shapeless'
import { comparedLayers, structureOf, type Partitioned, type Structure } from '../../main/clustering/structure'
import { comparisonsOf } from '../../main/clustering/variants'
import { combinedColumns } from '../../main/sampling/block-estimates'
import type { BlockSums, SampledBlocks } from '../../main/sampling/sampled'
import { openSampled } from '../../main/sampling/sampled-file'

/** χ̂ [tokens, components] from each block of draws, and from all. */
export interface PartMatrices {
  readonly tokens: number
  readonly components: readonly string[]
  readonly whole: Float32Array
  readonly parts: readonly Float32Array[]
}

/** Mean of some matrices, in shared memory. */
export const meanOf = (matrices: readonly Float32Array[]): Float32Array => {
  const mean = new Float32Array(new SharedArrayBuffer(matrices[0].byteLength))
  for (let at = 0; at < mean.length; at++) {
    let sum = 0
    for (const matrix of matrices) sum += matrix[at]
    mean[at] = sum / matrices.length
  }
  return mean
}

/** Estimates of the chosen tokens from each block of the kept sums of a run. */
export const readParts = async (
  sums: string,
  sampler: BlockConfiguration,
  chosen: readonly number[] | null
): Promise<PartMatrices> => {
  const file = await openSampled<SampledBlocks, object>(sums)
  try {
    const components = [...new Set(file.chains.map(({ component }) => component))]
    const tokens = chosen ?? Array.from({ length: file.tokens }, (_, token) => token)
    const parts = [0, 1, 2, 3].map(() => new Float32Array(new SharedArrayBuffer(4 * tokens.length * components.length)))
    for (const [column, component] of components.entries()) {
      const places = file.chains.flatMap((block, at) => (block.component === component ? [at] : []))
      const own: BlockSums[] = []
      for (const at of places) own.push(await file.sums(at))
      const records = places.map((at) => file.chains[at].record)
      parts.forEach((matrix, part) => {
        const values = combinedColumns(records, own, sampler, [part])
        tokens.forEach((token, i) => (matrix[i * components.length + column] = values[token]))
      })
    }
    return { tokens: tokens.length, components, parts, whole: meanOf(parts) }
  } finally {
    await file.close()
  }
}

/** The sampler's settings of a run, from its export as CSV. */
export const samplerOf = (exported: string): BlockConfiguration =>
  (
    JSON.parse(readFileSync(join(exported, 'run.json'), 'utf8')) as {
      readonly configuration: { readonly sampler: BlockConfiguration }
    }
  ).configuration.sampler

/**
 * Clusters the whole, the halves of its draws and a cloud without clusters, as a run does; with the seconds that each
 * took.
 */
export const clusterWithSplits = async (
  { tokens, components, whole, parts }: PartMatrices,
  configuration: ClusteringConfiguration,
  threads: number,
  seed = 1
): Promise<{ readonly structure: Structure; readonly seconds: number }> => {
  const started = performance.now()
  const cluster = (matrix: Float32Array, variant: number) =>
    partitionTokens({ matrix, tokens, components, configuration, seed, threads, variant })
  const { neighbours, ...partitioned } = await cluster(whole, 0)
  const spread = spreadOf(whole, components.length)
  const noises: Float64Array[] = []
  const found = new Map<string, Partitioned>()
  for (const variant of comparisonsOf(configuration.stability ? parts.length : 0)) {
    let matrix = whole
    if (variant.kind === 'half') {
      matrix = meanOf(variant.parts.map((part) => parts[part]))
      noises.push(noiseOf(spread, whole, matrix))
    } else if (variant.kind === 'shapeless') {
      matrix = shapelessMatrix(spread, { noises, parts: parts.length, tokens, seed }, variant.parts)
    }
    found.set(variant.name, await cluster(matrix, variant.number))
  }
  const compared = comparedLayers(found.size === 0 ? 0 : parts.length, (name) => found.get(name)!.layers)
  const structure = structureOf({ configuration, tokens, neighbours, whole: partitioned, ...compared })
  return { structure, seconds: (performance.now() - started) / 1000 }
}

export interface StructureOptions {
  readonly sums: string
  readonly exported: string
  /** Settings of clusterings to try, as in a configuration. */
  readonly trials: readonly object[]
  readonly sizes: readonly number[]
  readonly threads: number
}

/** Settings that are tried where none are given. */
export const usualTrials: readonly object[] = [
  ...[10, 15, 30, 45].map((neighbours) => ({ neighbours, whiten: false })),
  ...[10, 15, 30].map((neighbours) => ({ neighbours, whiten: true })),
  { neighbours: 15, whiten: false, seeds: 1 },
  { method: 'acl', neighbours: 10, whiten: true },
  { method: 'acl', neighbours: 45, whiten: false, minSize: 20 }
]

const percent = (share: number | null): string => (share === null ? '–' : `${(100 * share).toFixed(1)} %`)

/** Tries settings on parts of a run's matrix and prints what of each level recurs when the draws are split. */
export const benchStructure = async ({ sums, exported, trials, sizes, threads }: StructureOptions): Promise<void> => {
  const sampler = samplerOf(exported)
  const all = await readParts(sums, sampler, null)
  for (const size of sizes) {
    const count = Math.min(size, all.tokens)
    const chosen = Array.from({ length: count }, (_, i) => Math.floor((i * all.tokens) / count))
    const matrices = count === all.tokens ? all : await readParts(sums, sampler, chosen)
    for (const trial of trials) {
      const configuration = suitClustering(clusteringSchema.parse(trial), count)
      const { structure, seconds } = await clusterWithSplits(matrices, configuration, threads)
      console.log(
        `\n${count} tokens, ${JSON.stringify(trial)}: ${seconds.toFixed(0)} s, ${structure.ending}, k ` +
          `${configuration.neighbours}${configuration.whiten ? ', whitened' : ''}`
      )
      for (const { kind, groups, stableGroups, stableShare, error, nullShare } of structure.stability?.levels ?? []) {
        console.log(
          `  ${kind.padEnd(14)} ${String(groups).padStart(5)} groups, ${String(stableGroups).padStart(4)} ` +
            `stable with ${percent(stableShare)} of tokens (± ${percent(error)}, shapeless ${percent(nullShare)})`
        )
      }
      console.log(`  left over ${percent(structure.leftover.members.length / count)}`)
      for (const {
        resolution,
        groups,
        stableGroups,
        stableShare,
        error,
        nullShare,
        detail,
        modularity
      } of structure.sweep) {
        console.log(
          `    ${String(resolution).padStart(7)} ${String(groups).padStart(6)} ` +
            `${String(stableGroups).padStart(5)} ${percent(stableShare).padStart(8)} ± ` +
            `${percent(error).padStart(6)}  shapeless ${percent(nullShare).padStart(7)}  detail ` +
            `${detail.toFixed(3)}  Q ${modularity.toFixed(4)}`
        )
      }
    }
  }
}
