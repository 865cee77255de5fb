import { SpectroscopeError } from '../../preload/errors'
import { groupKinds, leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterNumber, GroupKind } from '../../preload/records'

export interface TreeNode {
  readonly kind: GroupKind
  /** Number of the smallest group above; null at the top. */
  readonly parent: ClusterNumber | null
}

/** 0 for clusters, larger for coarser kinds. */
export const coarseness = (kind: GroupKind): number => groupKinds.length - 1 - groupKinds.indexOf(kind)

/**
 * Explains why the nodes, by number, do not form a tree of clusters; undefined if they do. Clusters must come first;
 * parents must exist and be coarser.
 */
export const treeFlaw = (nodes: readonly TreeNode[]): string | undefined => {
  for (const [number, { kind, parent }] of nodes.entries()) {
    const before = number === 0 ? kind : nodes[number - 1].kind
    if (coarseness(kind) < coarseness(before)) return `group ${number} is a ${kind} and comes after a ${before}`
    if (parent === null) continue
    const above = nodes[parent]
    if (above === undefined) return `group ${number} is in group ${parent}, which does not exist`
    const isCoarser = coarseness(above.kind) > coarseness(kind)
    if (!isCoarser) return `group ${number}, a ${kind}, is in group ${parent}, a ${above.kind}`
  }
  return undefined
}

/** Whether a clustering has a group of that number, or tokens left over. */
export const hasGroup = (
  { clusters, groupsAbove, leftoverSize }: Pick<ClusteringRecord, 'clusters' | 'groupsAbove' | 'leftoverSize'>,
  cluster: ClusterNumber
): boolean => (cluster === leftoverCluster ? leftoverSize > 0 : cluster >= 0 && cluster < clusters + groupsAbove)

/** An `input` error for a group that a run's clustering has not. */
export const missingGroup = (run: string, clustering: ClusteringRecord, missing: ClusterNumber): SpectroscopeError => {
  const { number, clusters, groupsAbove } = clustering
  const here = `Clustering ${number} of run ${run}`
  if (missing === leftoverCluster) return new SpectroscopeError('input', `${here} has no unclustered tokens.`)
  const above = groupsAbove === 0 ? '' : `, and groups above them up to ${clusters + groupsAbove - 1}`
  const there = clusters === 0 ? 'none' : `0 to ${clusters - 1}${above}`
  return new SpectroscopeError('input', `${here} has no cluster ${missing}; it has ${there}.`)
}

export interface PlacedGroup {
  readonly cluster: ClusterNumber
  /** Number of groups above it. */
  readonly depth: number
}

/**
 * The clusters of a clustering and the groups above them, by number. Unclustered tokens are in no group and count as
 * a cluster.
 */
export class GroupTree {
  readonly #children = new Map<ClusterNumber, ClusterNumber[]>()
  readonly #paths: readonly (readonly ClusterNumber[])[]

  /** Throws if `treeFlaw` finds a flaw. */
  constructor(readonly nodes: readonly TreeNode[]) {
    const flaw = treeFlaw(nodes)
    if (flaw !== undefined) throw new Error(`These groups do not form a tree: ${flaw}`)
    nodes.forEach(({ parent }, number) => {
      if (parent === null) return
      const siblings = this.#children.get(parent)
      if (siblings === undefined) this.#children.set(parent, [number])
      else siblings.push(number)
    })
    this.#paths = nodes.map((_, number) => {
      const path = [number]
      for (let { parent } = nodes[number]; parent !== null; { parent } = nodes[parent]) path.push(parent)
      return path
    })
  }

  /** A tree of this many clusters with no groups above them. */
  static flat(clusters: number): GroupTree {
    return new GroupTree(Array.from({ length: clusters }, () => ({ kind: 'cluster', parent: null })))
  }

  get clusters(): number {
    const above = this.nodes.findIndex(({ kind }) => kind !== 'cluster')
    return above < 0 ? this.nodes.length : above
  }

  kindOf(group: ClusterNumber): GroupKind {
    return group === leftoverCluster ? 'cluster' : this.nodes[group].kind
  }

  parentOf(group: ClusterNumber): ClusterNumber | null {
    return group === leftoverCluster ? null : this.nodes[group].parent
  }

  /** The group itself, then the groups above it, smallest first. */
  pathOf(group: ClusterNumber): readonly ClusterNumber[] {
    return group === leftoverCluster ? [leftoverCluster] : this.#paths[group]
  }

  /** Groups directly below a group, or at the top of the tree for null; ascending. */
  childrenOf(group: ClusterNumber | null): readonly ClusterNumber[] {
    if (group !== null) return this.#children.get(group) ?? []
    return [...this.nodes.keys()].filter((number) => this.nodes[number].parent === null)
  }

  /** The group and everything below it. */
  within(group: ClusterNumber): ClusterNumber[] {
    return [group, ...this.childrenOf(group).flatMap((child) => this.within(child))]
  }

  /** Clusters in a group. For a cluster, the cluster itself. */
  clustersOf(group: ClusterNumber): ClusterNumber[] {
    return this.within(group).filter((one) => this.kindOf(one) === 'cluster')
  }

  /**
   * Group of the given kind for every token, or -1; also -1 for unclustered tokens. `membership` is the cluster of
   * every token.
   */
  membershipAt(kind: GroupKind, membership: Int32Array): Int32Array {
    if (kind === 'cluster') return membership
    const groups = this.#paths.map((path) => path.find((group) => this.nodes[group].kind === kind) ?? leftoverCluster)
    return membership.map((cluster) => (cluster === leftoverCluster ? leftoverCluster : groups[cluster]))
  }

  /**
   * All groups, depth first: each group is followed by those below it. Siblings are sorted by size, largest first,
   * ties by number.
   */
  inOrder(sizeOf: (group: ClusterNumber) => number): PlacedGroup[] {
    const below = (group: ClusterNumber | null, depth: number): PlacedGroup[] =>
      [...this.childrenOf(group)]
        .sort((a, b) => sizeOf(b) - sizeOf(a) || a - b)
        .flatMap((child) => [{ cluster: child, depth }, ...below(child, depth + 1)])
    return below(null, 0)
  }
}
