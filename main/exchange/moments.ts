import type { ClusterNumber } from '../../preload/records'
import type { GroupTree } from '../base/group-tree'
import type { Workspace } from '../store/store'

/** Mean and population standard deviation of χ̂ per component, in nats². */
export interface Moments {
  readonly mean: Float64Array
  readonly standardDeviation: Float64Array
}

/** Tokens of the matrix read at once. */
const tokensAtOnce = 65_536

/** Sums relative to the first row, so that small deviations from a large mean keep their precision. */
class Accumulator {
  readonly #shift: Float32Array
  readonly #sums: Float64Array
  readonly #squares: Float64Array
  #count = 0

  constructor(first: Float32Array) {
    this.#shift = first.slice()
    this.#sums = new Float64Array(first.length)
    this.#squares = new Float64Array(first.length)
  }

  add(row: Float32Array): void {
    for (let column = 0; column < row.length; column++) {
      const value = row[column] - this.#shift[column]
      this.#sums[column] += value
      this.#squares[column] += value * value
    }
    this.#count++
  }

  moments(): Moments {
    const count = this.#count
    const mean = this.#sums.map((sum, column) => this.#shift[column] + sum / count)
    return {
      mean,
      standardDeviation: this.#squares.map((square, column) =>
        Math.sqrt(Math.max(0, square / count - (this.#sums[column] / count) ** 2))
      )
    }
  }
}

export const matrixRows = async function* (
  workspace: Workspace,
  run: string,
  tokens: number
): AsyncGenerator<[token: number, row: Float32Array]> {
  for (let first = 0; first < tokens; first += tokensAtOnce) {
    const {
      susceptibilities,
      components,
      tokens: count
    } = await workspace.readSusceptibilities(run, first, tokensAtOnce)
    const width = components.length
    for (let i = 0; i < count; i++) yield [first + i, susceptibilities.subarray(i * width, (i + 1) * width)]
  }
}

export interface MatrixMoments {
  readonly columns: Moments
  readonly groups: ReadonlyMap<ClusterNumber, Moments>
}

/**
 * Moments of a run's matrix over all tokens, and over those of each cluster and group above. `membership` is the
 * cluster of every token.
 */
export const momentsOf = async (
  workspace: Workspace,
  run: string,
  membership: Int32Array,
  tree: GroupTree
): Promise<MatrixMoments> => {
  const groups = new Map<ClusterNumber, Accumulator>()
  let columns: Accumulator | undefined
  for await (const [token, row] of matrixRows(workspace, run, membership.length)) {
    columns ??= new Accumulator(row)
    columns.add(row)
    for (const number of tree.pathOf(membership[token])) {
      let group = groups.get(number)
      if (group === undefined) groups.set(number, (group = new Accumulator(row)))
      group.add(row)
    }
  }
  const none: Moments = { mean: new Float64Array(0), standardDeviation: new Float64Array(0) }
  return {
    columns: columns?.moments() ?? none,
    groups: new Map([...groups].map(([cluster, group]) => [cluster, group.moments()]))
  }
}

/**
 * For every cluster and group above, the `most` tokens nearest to its mean, nearest first. Distances are Euclidean
 * over columns scaled to standard deviation 1; ties by index.
 */
export const centralTokens = async (
  workspace: Workspace,
  run: string,
  membership: Int32Array,
  tree: GroupTree,
  { columns, groups }: MatrixMoments,
  most: number
): Promise<Map<ClusterNumber, number[]>> => {
  const members = new Map<ClusterNumber, { readonly tokens: number[]; readonly distances: number[] }>()
  const scale = columns.standardDeviation.map((deviation) => (deviation > 0 ? 1 / deviation : 0))
  for await (const [token, row] of matrixRows(workspace, run, membership.length)) {
    for (const number of tree.pathOf(membership[token])) {
      const mean = groups.get(number)?.mean ?? new Float64Array(row.length)
      let distance = 0
      for (let column = 0; column < row.length; column++) {
        distance += ((row[column] - mean[column]) * scale[column]) ** 2
      }
      let known = members.get(number)
      if (known === undefined) members.set(number, (known = { tokens: [], distances: [] }))
      known.tokens.push(token)
      known.distances.push(distance)
    }
  }
  return new Map(
    [...members].map(([number, { tokens, distances }]) => {
      const places = Uint32Array.from(tokens.keys()).sort((a, b) => distances[a] - distances[b] || a - b)
      return [number, Array.from(places.subarray(0, most), (place) => tokens[place])]
    })
  )
}
