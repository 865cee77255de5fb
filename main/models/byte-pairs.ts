/** Binary min-heap of numbers. */
class Smallest {
  readonly #numbers: number[] = []

  push(number: number): void {
    const heap = this.#numbers
    let at = heap.push(number) - 1
    for (; at > 0; at = (at - 1) >>> 1) {
      const parent = (at - 1) >>> 1
      if (heap[parent] <= number) break
      heap[at] = heap[parent]
    }
    heap[at] = number
  }

  /** Removes and returns the smallest number; undefined if the heap is empty. */
  pop(): number | undefined {
    const heap = this.#numbers
    const [top, last] = [heap[0], heap.pop()]
    if (last === undefined || heap.length === 0) return last
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++
      if (heap[child] >= last) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = last
    return top
  }
}

/**
 * Limit on positions in a word, and on tokens. The keys rank × places + place and left × tokens + right must be exact
 * in a double.
 */
const places = 2 ** 28
const tokens = 2 ** 26

/** Limit on merges, and on tokens, beyond which keys would collide. */
export const mostMerges = 2 ** 25

/**
 * Byte-pair encoding. Among all adjacent pairs in a word that have a merge, repeatedly joins those of the first merge
 * in the list, leftmost first, until none is left. Takes O(n log n) time for n pieces. Tokens are numbered from 0,
 * merges by rank.
 * @param merges for each merge: left token, right token, and the token that they become
 */
export const bytePairs = (
  merges: readonly (readonly [left: number, right: number, joined: number])[]
): ((pieces: readonly number[]) => number[]) => {
  const rankOf = new Map(merges.map(([left, right], rank) => [left * tokens + right, rank]))
  return (pieces) => {
    const piece = Int32Array.from(pieces)
    const next = Int32Array.from(piece, (_, i) => i + 1)
    const previous = Int32Array.from(piece, (_, i) => i - 1)
    const open = new Smallest()
    const rankAt = (place: number): number | undefined =>
      place >= 0 && next[place] < piece.length ? rankOf.get(piece[place] * tokens + piece[next[place]]) : undefined
    const offer = (place: number): void => {
      const rank = rankAt(place)
      if (rank !== undefined) open.push(rank * places + place)
    }
    for (let place = 0; place < piece.length; place++) offer(place)
    for (let found = open.pop(); found !== undefined; found = open.pop()) {
      const [rank, place] = [Math.floor(found / places), found % places]
      // Either of the two may have been joined with another token since.
      if (piece[place] < 0 || rankAt(place) !== rank) continue
      const right = next[place]
      piece[place] = merges[rank][2]
      piece[right] = -1
      next[place] = next[right]
      if (next[right] < piece.length) previous[next[right]] = place
      offer(previous[place])
      offer(place)
    }
    return Array.from(piece.filter((token) => token >= 0))
  }
}
