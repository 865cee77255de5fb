import { splitsOf } from '../sampling/splits'
import type { ClusteringConfiguration } from '../../preload/configuration'
import { groupKinds, stableFrom } from '../../preload/records'
import type { GroupKind, LevelStability, NewClustering, NewGroup, ResolutionPoint } from '../../preload/records'
import { levelsOf, type Layer } from './communities'
import type { Discovery } from './discover'
import { TokenEdges } from './edges'
import type { Neighbours } from './neighbours'
import {
  levelStability,
  stabilityOf,
  stableParts,
  type SplitMemberships,
  type Stability,
  type StableParts
} from './stability'
import { kindsOf, treeOf, type TreeGroup } from './tree'
import { halfName, shapelessName } from './variants'

/** Finest resolution if none is given and the draws were not split, so that none can be chosen by stability. */
const usualResolution = 8

/**
 * The clustering of one matrix: for `acl` a single layer, for `communities` one layer per resolution of the ladder.
 */
export interface Partitioned {
  readonly layers: readonly Layer[]
  readonly edges: number
  readonly volume: number
  /** Number of seeds tried (`acl`) or partitions made (`communities`). */
  readonly attempts: number
  /** Share of the nearest neighbours found, on a sample; null if they are exact or of a comparison. */
  readonly neighbourRecall: number | null
  /** Result of the search; `acl` only. */
  readonly discovery: Discovery | null
}

/** For each split, the layers of both halves of the draws. */
type SplitLayers = readonly (readonly [readonly Layer[], readonly Layer[]])[]

/**
 * What a clustering is compared with: both halves of the draws, and a Gaussian cloud without clusters, split the same
 * way.
 */
export interface Comparisons {
  readonly splits: SplitLayers
  readonly shapeless: { readonly whole: readonly Layer[]; readonly splits: SplitLayers } | null
}

/**
 * Collects the comparisons for draws in `parts` parts (none for 0). `layersOf` returns the layers of a variant by
 * name.
 */
export const comparedLayers = (parts: number, layersOf: (variant: string) => readonly Layer[]): Comparisons => {
  const splits = splitsOf(parts)
  const both = (nameOf: typeof halfName): SplitLayers =>
    splits.map((_, split) => [layersOf(nameOf({ split, half: 0 })), layersOf(nameOf({ split, half: 1 }))])
  if (splits.length === 0) return { splits: [], shapeless: null }
  const shapeless = { whole: layersOf(shapelessName('whole')), splits: both(shapelessName) }
  return { splits: both(halfName), shapeless }
}

export interface StructureInput extends Comparisons {
  readonly configuration: ClusteringConfiguration
  readonly tokens: number
  readonly whole: Partitioned
  /** Neighbours in the matrix of all draws. */
  readonly neighbours: Neighbours
}

export type Structure = Omit<NewClustering, 'name' | 'seed'>

/** Groups of one kind with their stability; null if the draws were not split. */
interface Level {
  readonly kind: GroupKind
  readonly groups: readonly TreeGroup[]
  readonly stability: Stability | null
  readonly parts: StableParts | null
}

interface Tree {
  readonly groups: readonly TreeGroup[]
  readonly levels: readonly Level[]
}

/** Layer index of each kind of group in a tree. */
type Places = ReadonlyMap<GroupKind, number>

const membershipsAt = (splits: SplitLayers, layer: number): SplitMemberships =>
  splits.map(([first, second]) => [first[layer].membership, second[layer].membership])

const judged = (groups: readonly TreeGroup[], places: Places, splits: SplitLayers, tokens: number): Tree => ({
  groups,
  levels: [...places].map(([kind, layer]): Level => {
    const own = groups.filter((group) => group.kind === kind)
    const members = own.map((group) => group.members)
    const stability = splits.length === 0 ? null : stabilityOf(members, membershipsAt(splits, layer), tokens)
    return { kind, groups: own, stability, parts: stability === null ? null : stableParts(members, stability, tokens) }
  })
})

/**
 * Information, in bits, that the stable groups of a level give about a token: Σ share · log₂(1 / share). A single
 * group of all tokens gives none.
 */
const detailOf = ({ groups, stability }: Level, tokens: number): number =>
  groups.reduce((sum, { members }, group) => {
    if (stability === null || stability.stability[group] < stableFrom) return sum
    const share = members.length / tokens
    return sum - share * Math.log2(share)
  }, 0)

const finest = <T>(levels: readonly T[]): T => levels[levels.length - 1]

const nullShares = (tree: Tree | null): ReadonlyMap<GroupKind, number> =>
  new Map(tree?.levels.flatMap(({ kind, parts }) => (parts === null ? [] : [[kind, parts.stableShare] as const])))

interface Candidate {
  readonly layer: Layer
  readonly tree: Tree
  readonly shapeless: Tree | null
  readonly detail: number
  readonly levelsMade: number
}

const candidateAt = (
  finestLayer: number,
  { configuration, tokens, whole, splits, shapeless }: StructureInput
): Candidate => {
  const ladder = whole.layers.map(({ resolution }) => resolution)
  const indices = levelsOf(ladder, finestLayer, configuration.method === 'communities' ? configuration.levels : 1)
  const kinds = kindsOf(indices.length)
  const places = new Map(kinds.map((kind, level) => [kind, indices[level]]))
  const treeIn = (layers: readonly Layer[]): TreeGroup[] => treeOf(indices.map((index) => layers[index].membership))
  const tree = judged(treeIn(whole.layers), places, splits, tokens)
  const nothing = shapeless === null ? null : judged(treeIn(shapeless.whole), places, shapeless.splits, tokens)
  const detail =
    detailOf(finest(tree.levels), tokens) - (nothing === null ? 0 : detailOf(finest(nothing.levels), tokens))
  return { layer: whole.layers[finestLayer], tree, shapeless: nothing, detail, levelsMade: indices.length }
}

const pointOf = ({ layer, tree, shapeless, detail }: Candidate): ResolutionPoint | null => {
  const { parts, kind } = finest(tree.levels)
  if (parts === null) return null
  const { groups, stableGroups, stableShare, error } = parts
  return {
    resolution: layer.resolution,
    groups,
    stableGroups,
    stableShare,
    error,
    nullShare: nullShares(shapeless).get(kind) ?? null,
    detail,
    modularity: layer.modularity
  }
}

/**
 * Whether the structure at a resolution goes beyond the shape of the cloud: a cloud without clusters must have less
 * than half the stable share.
 */
const isTelling = ({ tree, shapeless }: Candidate): boolean => {
  const [own, nothing] = [finest(tree.levels).parts, shapeless === null ? null : finest(shapeless.levels).parts]
  return own !== null && own.stableShare > 2 * (nothing?.stableShare ?? 0)
}

/**
 * Chooses the most informative candidate that goes beyond the shape of the cloud, or, if none does, the one whose
 * resolution is nearest to `usual`. Candidates without all levels above count only if no candidate has them.
 */
const choose = (candidates: readonly Candidate[], levels: number, usual: number): Candidate => {
  const whole = candidates.filter(({ levelsMade }) => levelsMade === levels)
  const eligible = whole.length > 0 ? whole : candidates
  const telling = eligible.filter(isTelling).sort((a, b) => b.detail - a.detail)
  if (telling.length > 0) return telling[0]
  const distance = ({ layer: { resolution } }: Candidate): number => Math.abs(Math.log(resolution / usual))
  return [...eligible].sort((a, b) => distance(a) - distance(b))[0]
}

/** Conductance of every group in the graph of all tokens, from the stored distances. */
const conductancesOf = (
  groups: readonly TreeGroup[],
  tokens: number,
  neighbours: Neighbours,
  symmetrize: ClusteringConfiguration['symmetrize']
): Float64Array => {
  const levels = groupKinds.map((kind) => {
    const membership = new Int32Array(tokens).fill(-1)
    for (const group of groups)
      if (group.kind === kind) for (const token of group.members) membership[token] = group.order
    return membership
  })
  const [cut, volume] = [new Float64Array(groups.length), new Float64Array(groups.length)]
  const edges = new TokenEdges(neighbours, tokens, symmetrize)
  let total = 0
  for (let token = 0; token < tokens; token++) {
    const count = edges.load(token)
    let degree = 0
    for (let i = 0; i < count; i++) degree += edges.weights[i]
    total += degree
    for (const membership of levels) {
      const own = membership[token]
      if (own < 0) continue
      volume[own] += degree
      for (let i = 0; i < count; i++) if (membership[edges.to[i]] !== own) cut[own] += edges.weights[i]
    }
  }
  return cut.map((weight, group) => (weight === 0 ? 0 : weight / Math.min(volume[group], total - volume[group])))
}

const recordsOf = ({ levels }: Tree, shapeless: Tree | null): LevelStability[] => {
  const shares = nullShares(shapeless)
  return levels.flatMap(({ kind, parts }) =>
    parts === null || parts.groups === 0 ? [] : [levelStability(kind, parts, shares.get(kind) ?? null)]
  )
}

/** Stability and strengths by group number. */
const measuresOf = ({ levels }: Tree): ReadonlyMap<number, Pick<NewGroup, 'stability' | 'strengths'>> =>
  new Map(
    levels.flatMap(({ groups, stability }) =>
      groups.map(({ order }, at) => {
        const measures = { stability: stability?.stability[at] ?? null, strengths: stability?.strengths[at] ?? null }
        return [order, measures] as const
      })
    )
  )

const unmeasured = { stability: null, strengths: null }

const leftOver = (groups: readonly TreeGroup[], tokens: number): Int32Array => {
  const taken = new Uint8Array(tokens)
  for (const { kind, members } of groups) if (kind === 'cluster') for (const token of members) taken[token] = 1
  return Int32Array.from(taken.keys()).filter((token) => taken[token] === 0)
}

const communitiesOf = (
  input: StructureInput,
  configuration: Extract<ClusteringConfiguration, { method: 'communities' }>
): Structure => {
  const { tokens, whole, splits, neighbours } = input
  const auto = configuration.resolution === 'auto'
  const candidates = (auto ? [...whole.layers.keys()] : [whole.layers.length - 1]).map((layer) =>
    candidateAt(layer, input)
  )
  const chosen = choose(candidates, configuration.levels, usualResolution)
  const { layer, tree, shapeless } = chosen
  const conductances = conductancesOf(tree.groups, tokens, neighbours, configuration.symmetrize)
  const measures = measuresOf(tree)
  const points = auto ? candidates.flatMap((candidate) => pointOf(candidate) ?? []) : []
  const { edges, volume, attempts, neighbourRecall } = whole
  const origin = !auto ? 'as given' : points.length === 0 ? 'the usual one' : `the best of ${points.length}`
  return {
    configuration: { ...configuration, resolution: layer.resolution },
    ending: `communities at resolution ${layer.resolution}, ${origin}`,
    attempts,
    edges,
    volume,
    clusters: tree.groups.map((group) => ({
      ...group,
      ...(measures.get(group.order) ?? unmeasured),
      seed: null,
      conductance: conductances[group.order],
      conductanceWhenCut: null
    })),
    leftover: { kind: 'unclustered', members: leftOver(tree.groups, tokens) },
    stability: splits.length === 0 ? null : { splits: splits.length, levels: recordsOf(tree, shapeless) },
    neighbourRecall,
    modularity: layer.modularity,
    sweep: points
  }
}

const localClustersOf = (input: StructureInput, { clusters, leftover, ending, attempts }: Discovery): Structure => {
  const {
    configuration,
    tokens,
    whole: { edges, volume, neighbourRecall },
    splits,
    shapeless
  } = input
  const places: Places = new Map([['cluster', 0]])
  const asGroups = (sets: readonly Int32Array[]): TreeGroup[] =>
    sets.map((members, order) => ({ order, kind: 'cluster', parent: null, members }))
  const tree = judged(asGroups(clusters.map(({ members }) => members)), places, splits, tokens)
  const nothing =
    shapeless === null ? null : judged(treeOf([shapeless.whole[0].membership]), places, shapeless.splits, tokens)
  const measures = measuresOf(tree)
  return {
    configuration,
    ending,
    attempts,
    edges,
    volume,
    leftover,
    neighbourRecall,
    modularity: null,
    sweep: [],
    clusters: clusters.map((cluster) => ({
      ...cluster,
      kind: 'cluster',
      parent: null,
      ...(measures.get(cluster.order) ?? unmeasured)
    })),
    stability: splits.length === 0 ? null : { splits: splits.length, levels: recordsOf(tree, nothing) }
  }
}

/**
 * Assembles the clustering result after all draws, both halves of each split and the cloud without clusters have been
 * partitioned. Returns the clusters, the groups above them and their stability. If several resolutions were tried,
 * chooses the one whose tree says most about a token (docs/method.md, section 5.4).
 */
export const structureOf = (input: StructureInput): Structure => {
  const { configuration, whole } = input
  if (configuration.method === 'communities') return communitiesOf(input, configuration)
  return localClustersOf(input, whole.discovery!)
}
