import { readFileSync } from 'node:fs'
import { kernelPath } from '../base/entries'
import { pageBytes } from './kernel-memory'

/**
 * Directed entries of a graph, with each edge in both of its rows. `shares` are weights over the largest weight, and
 * also the share of epochs in which an entry is used.
 */
export interface EmbeddingGraph {
  readonly nodes: number
  readonly starts: Int32Array
  readonly columns: Int32Array
  readonly shares: Float32Array
}

export interface EmbeddingOrder {
  readonly graph: EmbeddingGraph
  /** Initial positions of the nodes, [nodes, 2], within a few tens of the origin. */
  readonly positions: Float32Array
  readonly epochs: number
  readonly seed: number
  /** Last word of the random counters (docs/method.md, section 4, purpose 6). */
  readonly stream: number
}

interface EmbedKernel {
  readonly memory: WebAssembly.Memory
  readonly epoch: (
    positions: number,
    starts: number,
    columns: number,
    shares: number,
    nodes: number,
    first: number,
    last: number,
    number: number,
    rate: number,
    negatives: number,
    seedLow: number,
    seedHigh: number,
    stream: number
  ) => void
}

const negatives = 5
/** Nodes between two progress reports. */
const stretch = 50_000

const abort = (): never => {
  throw new Error('The kernel of the layout failed.')
}

const instantiate = (): EmbedKernel =>
  new WebAssembly.Instance(new WebAssembly.Module(readFileSync(kernelPath('clustering', 'embed'))), { env: { abort } })
    .exports as unknown as EmbedKernel

/**
 * Embeds the nodes in the plane. Returns positions [nodes, 2] after `epochs` passes over the edges, with a learning
 * rate that falls from 1 to 0. Bit-for-bit reproducible from its input. `report` gets the share done, 0 to 1.
 */
export const embed = (
  { graph, positions, epochs, seed, stream }: EmbeddingOrder,
  report: (fraction: number) => void = () => {}
): Float32Array => {
  const { nodes, starts, columns, shares } = graph
  const kernel = instantiate()
  let end = kernel.memory.buffer.byteLength
  const reserve = (length: number): number => {
    const start = end
    end += 4 * Math.ceil(length / 4) * 4
    return start
  }
  const [positionsAt, startsAt, columnsAt, sharesAt] = [
    reserve(2 * nodes),
    reserve(nodes + 1),
    reserve(columns.length),
    reserve(columns.length)
  ]
  kernel.memory.grow(Math.ceil((end - kernel.memory.buffer.byteLength) / pageBytes))
  const { buffer } = kernel.memory
  new Float32Array(buffer, positionsAt, 2 * nodes).set(positions)
  new Int32Array(buffer, startsAt, nodes + 1).set(starts)
  new Int32Array(buffer, columnsAt, columns.length).set(columns)
  new Float32Array(buffer, sharesAt, columns.length).set(shares)
  for (let number = 0; number < epochs; number++) {
    const rate = 1 - number / epochs
    for (let first = 0; first < nodes; first += stretch) {
      const last = Math.min(nodes, first + stretch)
      kernel.epoch(
        positionsAt,
        startsAt,
        columnsAt,
        sharesAt,
        nodes,
        first,
        last,
        number,
        rate,
        negatives,
        seed >>> 0,
        Math.floor(seed / 2 ** 32),
        stream
      )
      report((number + last / nodes) / epochs)
    }
  }
  return new Float32Array(buffer, positionsAt, 2 * nodes).slice()
}
