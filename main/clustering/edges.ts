import type { ClusteringConfiguration } from '../../preload/configuration'
import { edgeWeight } from './graph'
import type { Neighbours } from './neighbours'

/**
 * Inverts the neighbour lists. The occurrences of a token in others' lists are at starts[token] … starts[token + 1] -
 * 1 of `places`, ascending, each as an index (lister · k + rank) into `indices`.
 */
const placesOf = ({ indices }: Neighbours, tokens: number): { starts: Int32Array; places: Int32Array } => {
  const starts = new Int32Array(tokens + 1)
  for (let at = 0; at < indices.length; at++) starts[indices[at] + 1]++
  for (let token = 0; token < tokens; token++) starts[token + 1] += starts[token]
  const ends = starts.slice(0, tokens)
  const places = new Int32Array(indices.length)
  for (let at = 0; at < indices.length; at++) places[ends[indices[at]]++] = at
  return { starts, places }
}

/** Weight of the edge at index `place` of the neighbour lists, which token `lister` has to `listed`. */
export type PlaceWeight = (place: number, lister: number, listed: number) => number

/** Edge weight of docs/method.md, section 5.1, step 2, from the stored float32 distances. */
export const selfTuningWeight =
  ({ k, distances }: Neighbours): PlaceWeight =>
  (place, lister, listed) =>
    edgeWeight(distances[place] ** 2, distances[(lister + 1) * k - 1] * distances[(listed + 1) * k - 1])

/**
 * Edges of one token at a time, without holding a whole graph in memory. `load` fills `to` and `weights` and returns
 * the number of edges. Two tokens that list each other share one edge; with `mutual`, only such edges exist. Edges of
 * weight 0 are left out.
 */
export class TokenEdges {
  readonly #neighbours: Neighbours
  readonly #mutual: boolean
  readonly #weight: PlaceWeight
  readonly #starts: Int32Array
  readonly #places: Int32Array
  /** For each token, the last loaded token whose list contains it. */
  readonly #listedBy: Int32Array
  readonly to: Int32Array
  readonly weights: Float64Array

  constructor(
    neighbours: Neighbours,
    tokens: number,
    symmetrize: ClusteringConfiguration['symmetrize'],
    weight: PlaceWeight = selfTuningWeight(neighbours)
  ) {
    const { starts, places } = placesOf(neighbours, tokens)
    let most = 0
    for (let token = 0; token < tokens; token++) most = Math.max(most, starts[token + 1] - starts[token])
    this.#neighbours = neighbours
    this.#mutual = symmetrize === 'mutual'
    this.#weight = weight
    this.#starts = starts
    this.#places = places
    this.#listedBy = new Int32Array(tokens).fill(-1)
    this.to = new Int32Array(neighbours.k + most)
    this.weights = new Float64Array(neighbours.k + most)
  }

  load(token: number): number {
    const { k, indices } = this.#neighbours
    const listedBy = this.#listedBy
    let count = 0
    for (let place = token * k; place < (token + 1) * k; place++) {
      listedBy[indices[place]] = token
      if (!this.#mutual) count = this.#add(count, indices[place], this.#weight(place, token, indices[place]))
    }
    for (let at = this.#starts[token]; at < this.#starts[token + 1]; at++) {
      const place = this.#places[at]
      const other = Math.floor(place / k)
      if ((listedBy[other] === token) === this.#mutual)
        count = this.#add(count, other, this.#weight(place, other, token))
    }
    return count
  }

  #add(count: number, other: number, weight: number): number {
    if (weight === 0) return count
    this.to[count] = other
    this.weights[count] = weight
    return count + 1
  }
}
