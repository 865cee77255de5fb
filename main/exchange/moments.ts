import type { ClusterNumber } from '../../preload/records'
import type { Workspace } from '../store/store'

/** Mean and population standard deviation of χ̂ per component, nats². */
export interface Moments {
  readonly mean: Float64Array
  readonly standardDeviation: Float64Array
}

/** Tokens of the matrix that are read at once. */
const tokensAtOnce = 65_536

/** Sums relative to the first row, so that small deviations from a large mean keep their digits. */
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
    return { mean, standardDeviation: this.#squares.map((square, column) => Math.sqrt(Math.max(0, square / count - (this.#sums[column] / count) ** 2))) }
  }
}

export const matrixRows = async function* (workspace: Workspace, run: string, tokens: number): AsyncGenerator<[token: number, row: Float32Array]> {
  for (let first = 0; first < tokens; first += tokensAtOnce) {
    const { susceptibilities, components, tokens: count } = await workspace.readSusceptibilities(run, first, tokensAtOnce)
    const width = components.length
    for (let i = 0; i < count; i++) yield [first + i, susceptibilities.subarray(i * width, (i + 1) * width)]
  }
}

export interface MatrixMoments {
  readonly columns: Moments
  readonly groups: ReadonlyMap<ClusterNumber, Moments>
}

/** Moments of a run's matrix over all tokens, and over those of each cluster. `membership` is the cluster of every token. */
export const momentsOf = async (workspace: Workspace, run: string, membership: Int32Array): Promise<MatrixMoments> => {
  const groups = new Map<ClusterNumber, Accumulator>()
  let columns: Accumulator | undefined
  for await (const [token, row] of matrixRows(workspace, run, membership.length)) {
    columns ??= new Accumulator(row)
    columns.add(row)
    let group = groups.get(membership[token])
    if (group === undefined) groups.set(membership[token], (group = new Accumulator(row)))
    group.add(row)
  }
  const none: Moments = { mean: new Float64Array(0), standardDeviation: new Float64Array(0) }
  return { columns: columns?.moments() ?? none, groups: new Map([...groups].map(([cluster, group]) => [cluster, group.moments()])) }
}

/** Of every cluster, its `most` tokens nearest to its mean, nearest first: Euclidean over columns scaled to standard deviation 1; ties by index. */
export const centralTokens = async (workspace: Workspace, run: string, membership: Int32Array, { columns, groups }: MatrixMoments, most: number): Promise<Map<ClusterNumber, number[]>> => {
  const distances = new Float64Array(membership.length)
  const members = new Map<ClusterNumber, number[]>()
  const scale = columns.standardDeviation.map((deviation) => (deviation > 0 ? 1 / deviation : 0))
  for await (const [token, row] of matrixRows(workspace, run, membership.length)) {
    const cluster = membership[token]
    const mean = groups.get(cluster)?.mean ?? new Float64Array(row.length)
    let sum = 0
    for (let column = 0; column < row.length; column++) sum += ((row[column] - mean[column]) * scale[column]) ** 2
    distances[token] = sum
    const known = members.get(cluster)
    if (known === undefined) members.set(cluster, [token])
    else known.push(token)
  }
  return new Map([...members].map(([cluster, tokens]) => [cluster, tokens.sort((a, b) => distances[a] - distances[b] || a - b).slice(0, most)]))
}
