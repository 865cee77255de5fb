import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber, GroupKind } from '../../preload/records'
import { concatenate } from '../base/concatenate'
import { coarseness, GroupTree } from '../base/group-tree'
import type { SetCluster } from './annotated-set'

export interface ReadCluster {
  readonly summary: SetCluster
  /** Numbers of its tokens in the file, ascending. */
  readonly members: Int32Array
  /** Strength of each member in the group; null if unknown. */
  readonly strengths: Float32Array | null
}

/**
 * Groups of a file, numbered as in a workspace: clusters from 0 without gaps, then the groups above. The number of
 * unclustered tokens stays.
 */
export interface ReadGroups {
  readonly tree: GroupTree
  /** By workspace number. */
  readonly groups: readonly ReadCluster[]
  readonly leftover: ReadCluster | undefined
  /** Workspace number of each number in the file. */
  readonly numbers: ReadonlyMap<ClusterNumber, ClusterNumber>
}

/** A cluster as read. Its members are entries `first` … `end` - 1 of the member lists. */
export interface Stretch {
  readonly summary: SetCluster
  readonly first: number
  readonly end: number
}

/**
 * Members in file order. Each has its token, its strength (NaN if unknown), and its strengths in the groups above,
 * which end at `endsAbove`.
 */
export interface MemberLists {
  readonly tokens: Int32Array
  readonly strengths: Float32Array
  readonly strengthsAbove: Float32Array
  readonly endsAbove: Int32Array
}

/** Sorts members in ascending order, together with their strengths. */
const sorted = (tokens: Int32Array, strengths: Float32Array): Pick<ReadCluster, 'members' | 'strengths'> => {
  const order = Uint32Array.from(tokens.keys()).sort((a, b) => tokens[a] - tokens[b])
  const ordered = Float32Array.from(order, (place) => strengths[place])
  return {
    members: Int32Array.from(order, (place) => tokens[place]),
    strengths: ordered.every(Number.isNaN) ? null : ordered
  }
}

/** Makes the error for the cluster at index `at` of the file. */
type Fault = (message: string, at: number) => Error

const kindOf = ({ summary: { kind } }: Stretch): GroupKind => kind as GroupKind

class Reading {
  /** All groups except unclustered tokens, in the order of their workspace numbers. */
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
    if (number === undefined) throw this.#faultIn(stretch, `group ${parent}, which it is in, does not exist`)
    const above = kindOf(this.#order[number])
    if (coarseness(above) > coarseness(kindOf(stretch))) return number
    throw this.#faultIn(stretch, `a ${kindOf(stretch)} cannot be in a ${above} (${parent})`)
  }

  #tokensOf({ first, end }: Stretch): Int32Array {
    return this.lists.tokens.subarray(first, end)
  }

  /** Number of strengths that a member has in groups above. */
  #countAbove(at: number): number {
    return this.lists.endsAbove[at] - (at === 0 ? 0 : this.lists.endsAbove[at - 1])
  }

  /** Strengths of a cluster's members in the group `steps` above it; NaN if unknown. */
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
 * Builds the groups of a file. Members of groups above are rebuilt from their clusters. Throws the error from `fault`
 * if the groups do not form a tree, or if their sizes and strengths do not fit it.
 */
export const readGroups = (stretches: readonly Stretch[], lists: MemberLists, fault: Fault): ReadGroups =>
  new Reading(stretches, lists, fault).groups()
