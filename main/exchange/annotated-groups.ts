import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber, GroupKind } from '../../preload/records'
import { concatenate } from '../base/concatenate'
import { coarseness, GroupTree } from '../base/group-tree'
import type { SetCluster } from './annotated-set'

export interface ReadCluster {
  readonly summary: SetCluster
  /** Numbers of its tokens in the file, ascending. */
  readonly members: Int32Array
  /** How strong each is in it; null where that is not known. */
  readonly strengths: Float32Array | null
}

/**
 * Groups of a file, numbered as in a workspace: clusters from 0 on without a gap, then the groups above; what is left
 * over stays so.
 */
export interface ReadGroups {
  readonly tree: GroupTree
  /** By their number there. */
  readonly groups: readonly ReadCluster[]
  readonly leftover: ReadCluster | undefined
  /** Numbers there, by those of the file. */
  readonly numbers: ReadonlyMap<ClusterNumber, ClusterNumber>
}

/** A cluster as it was read: its members are from `first` to `end` in the lists of all. */
export interface Stretch {
  readonly summary: SetCluster
  readonly first: number
  readonly end: number
}

/**
 * Members in the order of the file, of each its token, its strength (NaN where it is not known), and those in the
 * groups above, up to `endsAbove`.
 */
export interface MemberLists {
  readonly tokens: Int32Array
  readonly strengths: Float32Array
  readonly strengthsAbove: Float32Array
  readonly endsAbove: Int32Array
}

/** Members in ascending order, with their strengths. */
const sorted = (tokens: Int32Array, strengths: Float32Array): Pick<ReadCluster, 'members' | 'strengths'> => {
  const order = Uint32Array.from(tokens.keys()).sort((a, b) => tokens[a] - tokens[b])
  const ordered = Float32Array.from(order, (place) => strengths[place])
  return {
    members: Int32Array.from(order, (place) => tokens[place]),
    strengths: ordered.every(Number.isNaN) ? null : ordered
  }
}

/** Makes the error for the cluster at a place of the file. */
type Fault = (message: string, at: number) => Error

const kindOf = ({ summary: { kind } }: Stretch): GroupKind => kind as GroupKind

class Reading {
  /** All but what is left over, in the order of their numbers in a workspace. */
  readonly #order: readonly Stretch[]
  readonly #tree: GroupTree
  readonly #numbers: Map<ClusterNumber, ClusterNumber>

  constructor(
    private readonly stretches: readonly Stretch[],
    private readonly lists: MemberLists,
    private readonly fault: Fault
  ) {
    this.#order = stretches
      .filter(({ summary }) => summary.cluster !== leftoverCluster)
      .sort((a, b) => coarseness(kindOf(a)) - coarseness(kindOf(b)) || a.summary.cluster - b.summary.cluster)
    this.#numbers = new Map(
      this.#order.map(({ summary }, number): [ClusterNumber, ClusterNumber] => [summary.cluster, number])
    )
    this.#tree = new GroupTree(
      this.#order.map((stretch) => ({ kind: kindOf(stretch), parent: this.#parentOf(stretch) }))
    )
    this.#numbers.set(leftoverCluster, leftoverCluster)
  }

  #faultIn(stretch: Stretch, message: string): Error {
    return this.fault(message, this.stretches.indexOf(stretch))
  }

  #parentOf(stretch: Stretch): ClusterNumber | null {
    const { parent } = stretch.summary
    if (parent === null) return null
    const number = this.#numbers.get(parent)
    if (number === undefined) throw this.#faultIn(stretch, `group ${parent}, which it is in, is not there`)
    const above = kindOf(this.#order[number])
    if (coarseness(above) > coarseness(kindOf(stretch))) return number
    throw this.#faultIn(stretch, `a ${kindOf(stretch)} cannot be in a ${above} (${parent})`)
  }

  #tokensOf({ first, end }: Stretch): Int32Array {
    return this.lists.tokens.subarray(first, end)
  }

  /** Strengths that a member has in groups above. */
  #countAbove(at: number): number {
    return this.lists.endsAbove[at] - (at === 0 ? 0 : this.lists.endsAbove[at - 1])
  }

  /** Strengths of a cluster's members in the group that is so many steps above it; NaN where they are not known. */
  #strengthsAt({ first, end }: Stretch, steps: number): Float32Array {
    const { endsAbove, strengthsAbove } = this.lists
    return Float32Array.from({ length: end - first }, (_, at) => {
      const count = this.#countAbove(first + at)
      return count === 0 ? Number.NaN : strengthsAbove[endsAbove[first + at] - count + steps - 1]
    })
  }

  #cluster(stretch: Stretch, steps: number): ReadCluster {
    const { summary, first, end } = stretch
    for (let at = first; at < end; at++) {
      const count = this.#countAbove(at)
      if (count === 0 || count === steps) continue
      throw this.#faultIn(stretch, `a member has strengths in ${count} groups above, and there are ${steps}`)
    }
    return { summary, ...sorted(this.#tokensOf(stretch), this.lists.strengths.subarray(first, end)) }
  }

  #above(stretch: Stretch, number: ClusterNumber): ReadCluster {
    const { summary } = stretch
    const clusters = this.#tree.clustersOf(number)
    const size = clusters.reduce((sum, cluster) => sum + this.#order[cluster].end - this.#order[cluster].first, 0)
    if (size === 0 || size !== summary.size) {
      throw this.#faultIn(stretch, `its size is ${summary.size}, and its clusters have ${size} members`)
    }
    const strengths = clusters.map((cluster) =>
      this.#strengthsAt(this.#order[cluster], this.#tree.pathOf(cluster).indexOf(number))
    )
    return {
      summary,
      ...sorted(concatenate(clusters.map((cluster) => this.#tokensOf(this.#order[cluster]))), concatenate(strengths))
    }
  }

  groups(): ReadGroups {
    const left = this.stretches.find(({ summary }) => summary.cluster === leftoverCluster)
    const groups = this.#order.map((stretch, number) =>
      kindOf(stretch) === 'cluster'
        ? this.#cluster(stretch, this.#tree.pathOf(number).length - 1)
        : this.#above(stretch, number)
    )
    return {
      tree: this.#tree,
      groups,
      leftover: left === undefined ? undefined : this.#cluster(left, 0),
      numbers: this.#numbers
    }
  }
}

/**
 * The groups of a file, with the members of those above rebuilt from their clusters. Throws what `fault` makes where
 * the groups are no tree, or their sizes and strengths do not fit it.
 */
export const readGroups = (stretches: readonly Stretch[], lists: MemberLists, fault: Fault): ReadGroups =>
  new Reading(stretches, lists, fault).groups()
