import { groupKinds, type GroupKind } from '../../preload/records'
import { membersByGroup } from './stability'

/** A group in a tree of clusters. */
export interface TreeGroup {
  /**
   * Position in the tree. Clusters come first, by size (ties by their first token); then the levels above, finest
   * first, each by size.
   */
  readonly order: number
  readonly kind: GroupKind
  /** Order of the smallest retained group above it; null at the top. */
  readonly parent: number | null
  /** Token indices, ascending. */
  readonly members: Int32Array
}

/** Kinds of the levels of a tree, coarse to fine: the last `levels` of the three kinds. */
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

/**
 * Groups `nodes` by a coarser partition. Returns the nodes of that level, together with the nodes in no group. A
 * group with a single child is replaced by the child.
 */
const above = (nodes: readonly Node[], membership: Int32Array, kind: GroupKind): Node[] => {
  const children = new Map<number, Node[]>()
  const top: Node[] = []
  for (const node of nodes) {
    const group = membership[node.members[0]]
    if (group < 0) top.push(node)
    else children.set(group, [...(children.get(group) ?? []), node])
  }
  for (const own of children.values()) {
    const members = own.map((node) => node.members)
    top.push(...(own.length === 1 ? own : [{ kind, members: union(members), children: own }]))
  }
  return top
}

/**
 * Builds the tree of nested partitions. `levels` are memberships [tokens], coarse to fine, each nested in the one
 * before; -1 means no group. A group's members are those of its clusters, so tokens in no cluster are in no group. A
 * level with a single group of everything carries no information and is left out.
 */
export const treeOf = (levels: readonly Int32Array[]): TreeGroup[] => {
  const kinds = kindsOf(levels.length)
  let top: Node[] = bySize(membersByGroup(levels[levels.length - 1]))
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
