import { groupKinds, type GroupKind } from '../../preload/records'
import { groupsOf } from './stability'

/** A group of a tree of clusters. */
export interface TreeGroup {
  /** Clusters come first, by size (ties by their first token); then the levels above, finest first, each by size. */
  readonly order: number
  readonly kind: GroupKind
  /** The smallest group above it that is kept; null at the top. */
  readonly parent: number | null
  /** Ascending token indices. */
  readonly members: Int32Array
}

/** Levels of a tree from its memberships, coarse to fine: the last ones of the three. */
export const kindsOf = (levels: number): readonly GroupKind[] => groupKinds.slice(groupKinds.length - levels)

const bySize = (groups: readonly Int32Array[]): Int32Array[] =>
  [...groups].sort((a, b) => b.length - a.length || a[0] - b[0])

const union = (sets: readonly Int32Array[]): Int32Array => {
  const all = new Int32Array(sets.reduce((sum, { length }) => sum + length, 0))
  let end = 0
  for (const set of sets) {
    all.set(set, end)
    end += set.length
  }
  return all.sort()
}

interface Node {
  readonly kind: GroupKind
  readonly members: Int32Array
  readonly children: readonly Node[]
}

/** The nodes above some, by the groups of a coarser level; a group with one child is not kept, and the child takes its place. */
const above = (nodes: readonly Node[], membership: Int32Array, kind: GroupKind): Node[] => {
  const children = new Map<number, Node[]>()
  const top: Node[] = []
  for (const node of nodes) {
    const group = membership[node.members[0]]
    if (group < 0) top.push(node)
    else children.set(group, [...(children.get(group) ?? []), node])
  }
  for (const own of children.values())
    top.push(...(own.length === 1 ? own : [{ kind, members: union(own.map(({ members }) => members)), children: own }]))
  return top
}

/**
 * The tree that nested partitions make. `levels` are memberships [tokens], coarse to fine, each within the one before; -1 is no group. The
 * members of a group are those of its clusters, so tokens in no cluster are in no group. A level with one group of everything says nothing
 * and is left out.
 */
export const treeOf = (levels: readonly Int32Array[]): TreeGroup[] => {
  const kinds = kindsOf(levels.length)
  let top: Node[] = bySize(groupsOf(levels[levels.length - 1]))
    .filter(({ length }) => length > 0)
    .map((members) => ({ kind: 'cluster', members, children: [] }))
  for (let level = levels.length - 2; level >= 0; level--) {
    const next = above(top, levels[level], kinds[level])
    if (next.length > 1) top = next
  }
  const nodes: Node[] = []
  const collect = (node: Node): void => {
    nodes.push(node)
    node.children.forEach(collect)
  }
  top.forEach(collect)
  const fineness = (kind: GroupKind): number => groupKinds.indexOf(kind)
  nodes.sort(
    (a, b) => fineness(b.kind) - fineness(a.kind) || b.members.length - a.members.length || a.members[0] - b.members[0]
  )
  const orders = new Map(nodes.map((node, order) => [node, order]))
  const parents = new Map(nodes.flatMap((node) => node.children.map((child) => [child, orders.get(node)!] as const)))
  return nodes.map((node, order) => ({
    order,
    kind: node.kind,
    parent: parents.get(node) ?? null,
    members: node.members
  }))
}
