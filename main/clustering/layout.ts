import type { LayoutRecord } from '../../preload/records'
import { entryPath } from '../base/entries'
import { openPool } from '../base/pool'
import { TokenEdges } from './edges'
import { embed, type EmbeddingGraph } from './embed'
import type { Neighbours } from './neighbours'
import { centre, layoutStreams, principalPlane } from './plane'
import { preprocess } from './preprocess'
import type { LayoutOrder } from './tasks'
import { performWatched, type ClusteringPool, type Watched } from './watched'

/** Neighbours per token that the layout uses, of those stored. */
export const layoutNeighbours = 15

/** Shares of the time taken by the steps before the embedding, which takes most of it. */
const preparing = { plane: 0.02, graph: 0.08 } as const

const epochsFor = (tokens: number): number =>
  tokens <= 20_000 ? 400 : tokens <= 150_000 ? 200 : tokens <= 400_000 ? 120 : 70

const cutTo = ({ k, indices, distances }: Neighbours, tokens: number, most: number): Neighbours => {
  if (k <= most) return { k, indices, distances }
  const cut = { k: most, indices: new Int32Array(tokens * most), distances: new Float32Array(tokens * most) }
  for (let token = 0; token < tokens; token++) {
    cut.indices.set(indices.subarray(token * k, token * k + most), token * most)
    cut.distances.set(distances.subarray(token * k, token * k + most), token * most)
  }
  return cut
}

/**
 * Proximity of each listed neighbour in (0, 1], as in UMAP (McInnes et al. 2018): exp(-(d - d_nearest) / s), with s
 * such that a token's proximities sum to log2 k. `report` gets the share done, 0 to 1.
 */
const nearness = ({ k, distances }: Neighbours, tokens: number, report: (fraction: number) => void): Float32Array => {
  const near = new Float32Array(tokens * k)
  const target = Math.log2(k)
  for (let token = 0; token < tokens; token++) {
    const own = distances.subarray(token * k, (token + 1) * k)
    const nearest = own.find((distance) => distance > 0) ?? 0
    let [low, high] = [0, 2 * Math.max(own[k - 1] - nearest, Number.MIN_VALUE) * k]
    for (let round = 0; round < 24; round++) {
      const scale = (low + high) / 2
      let sum = 0
      for (let i = 0; i < k; i++) sum += own[i] <= nearest ? 1 : Math.exp((nearest - own[i]) / scale)
      if (sum > target) high = scale
      else low = scale
    }
    for (let i = 0; i < k; i++) near[token * k + i] = own[i] <= nearest ? 1 : Math.exp((nearest - own[i]) / high)
    if (token % 4096 === 0) report(token / tokens)
  }
  return near
}

/**
 * Neighbour graph with edge strength a + b - a b, where a and b are the proximities seen from either end. Entries too
 * weak ever to be used are left out.
 */
const graphOf = (
  neighbours: Neighbours,
  tokens: number,
  epochs: number,
  report: (fraction: number) => void
): EmbeddingGraph => {
  const { k, indices } = neighbours
  const near = nearness(neighbours, tokens, (fraction) => report(fraction / 2))
  const edges = new TokenEdges(neighbours, tokens, 'union', (place, lister, listed) => {
    let back = 0
    for (let at = listed * k; at < (listed + 1) * k; at++) if (indices[at] === lister) back = near[at]
    return near[place] + back - near[place] * back
  })
  const starts = new Int32Array(tokens + 1)
  const columns = new Int32Array(2 * tokens * k)
  const shares = new Float32Array(2 * tokens * k)
  let end = 0
  for (let token = 0; token < tokens; token++) {
    const count = edges.load(token)
    for (let i = 0; i < count; i++) {
      if (edges.weights[i] * epochs < 1) continue
      columns[end] = edges.to[i]
      shares[end++] = edges.weights[i]
    }
    starts[token + 1] = end
    if (token % 4096 === 0) report(0.5 + token / tokens / 2)
  }
  return { nodes: tokens, starts, columns: columns.subarray(0, end), shares: shares.subarray(0, end) }
}

/** Computes the layout in the calling thread; see `layOutTokens`. */
export const computeLayout = (
  { matrix, tokens, components, whiten, neighbours, seed }: LayoutOrder,
  report: (fraction: number) => void = () => {}
): LayoutRecord => {
  const plane = principalPlane(preprocess(matrix, tokens, components, whiten), whiten, seed, layoutStreams.tokens)
  if (neighbours === undefined) return { method: 'principal components', positions: plane }
  report(preparing.plane)
  const epochs = epochsFor(tokens)
  const cut = cutTo(neighbours, tokens, layoutNeighbours)
  const begun = preparing.plane + preparing.graph
  const graph = graphOf(cut, tokens, epochs, (fraction) => report(preparing.plane + preparing.graph * fraction))
  const positions = embed({ graph, positions: plane, epochs, seed, stream: layoutStreams.tokens }, (fraction) =>
    report(begun + (1 - begun) * fraction)
  )
  return { method: `neighbour graph, ${cut.k} nearest of each token, ${epochs} epochs`, positions: centre(positions) }
}

export interface LayoutInput extends LayoutOrder, Watched {}

/**
 * Positions of all tokens in the plane, [tokens, 2], computed on one worker thread. The layout starts from the first
 * two principal components and embeds the neighbour graph as UMAP does: neighbours attract each other and other
 * tokens repel. Bit-for-bit reproducible from its input. Throws a `clustering` error for a matrix that cannot be
 * preprocessed, and `interrupted` after `signal`.
 */
export const layOutTokens = async (
  { onProgress, signal, ...order }: LayoutInput,
  open: () => ClusteringPool = () => openPool(entryPath('clustering-worker'), 1)
): Promise<LayoutRecord> => {
  const result = await performWatched((meter) => ({ kind: 'layout', order, meter }), { onProgress, signal }, open)
  if (result.kind !== 'layout') throw new Error(`A worker answered "${result.kind}" when asked for a layout.`)
  return result.layout
}
