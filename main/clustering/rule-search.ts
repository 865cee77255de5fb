import { conditionKinds, type TokenConditions } from './conditions'
import { PairTable } from './pair-table'

/**
 * A rule given by condition numbers. `both` counts the tokens it selects inside its group, `selected` those it
 * selects in total.
 */
export interface Candidate {
  readonly conditions: readonly number[]
  readonly both: number
  readonly selected: number
}

/** F1 score of a rule that selects `selected` tokens, `both` of them in a group of `size` tokens. */
export const f1Of = (both: number, size: number, selected: number): number => (2 * both) / (size + selected)

const difference = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 ? 0 : a[at] - b[at]
}

/**
 * Comparator for rules with equal F1; negative if `a` comes first. Fewer conditions win, then the earlier kind, then
 * lower ids.
 */
export const precedence = (a: readonly number[], b: readonly number[], kinds: Uint8Array): number => {
  const kindsOf = (numbers: readonly number[]): number[] => numbers.map((number) => kinds[number])
  return a.length - b.length || difference(kindsOf(a), kindsOf(b)) || difference(a, b)
}

/** Counters for many numbers of which only a few are non-zero at a time. */
export class SparseCounts {
  readonly of: Int32Array
  readonly #seen: Int32Array
  #size = 0

  constructor(numbers: number) {
    this.of = new Int32Array(numbers)
    this.#seen = new Int32Array(numbers)
  }

  add(number: number): void {
    if (this.of[number]++ === 0) this.#seen[this.#size++] = number
  }

  /** Numbers with a non-zero count. */
  get seen(): Int32Array {
    return this.#seen.subarray(0, this.#size)
  }

  clear(): void {
    for (const number of this.seen) this.of[number] = 0
    this.#size = 0
  }
}

/** Best condition of each kind for a group of `size` tokens. Ties go to the lower number. */
export const bestSingles = (
  kinds: Uint8Array,
  { of, seen }: SparseCounts,
  totals: Int32Array,
  size: number
): Candidate[] => {
  const best = conditionKinds.map(() => -1)
  const mostF1 = conditionKinds.map(() => 0)
  for (const number of seen) {
    const f1 = f1Of(of[number], size, totals[number])
    const kind = kinds[number]
    if (f1 < mostF1[kind] || (f1 === mostF1[kind] && number > best[kind])) continue
    best[kind] = number
    mostF1[kind] = f1
  }
  const found = best.filter((number) => number >= 0)
  return found.map((number) => ({ conditions: [number], both: of[number], selected: totals[number] }))
}

/** The `most` most frequent conditions of each kind, in ascending order. Ties go to the lower number. */
export const mostFrequent = (kinds: Uint8Array, { of, seen }: SparseCounts, most: number): number[] => {
  const kept: number[][] = conditionKinds.map(() => [])
  const precedes = (a: number, b: number): boolean => of[a] > of[b] || (of[a] === of[b] && a < b)
  for (const number of seen) {
    const top = kept[kinds[number]]
    let place = top.length
    while (place > 0 && precedes(number, top[place - 1])) place--
    if (place === most) continue
    top.splice(place, 0, number)
    if (top.length > most) top.pop()
  }
  return kept.flatMap((top) => top.sort((a, b) => a - b))
}

/** Counts, for every pair of chosen conditions, the group's tokens that meet both. */
class PairCounts {
  /** Index of each condition among the chosen ones, or -1. */
  readonly #placeOf: Int32Array
  readonly #met: Int32Array
  #counts = new Int32Array(0)

  constructor(private readonly conditions: TokenConditions) {
    this.#placeOf = new Int32Array(conditions.count).fill(-1)
    this.#met = new Int32Array(conditions.numbers.length)
  }

  /**
   * Calls `each` for every pair of conditions that some member meets, with the number of members that meet both. The
   * two conditions are of different kinds and in ascending order.
   */
  count(members: Int32Array, chosen: readonly number[], each: (a: number, b: number, both: number) => void): void {
    const width = chosen.length
    if (this.#counts.length < width * width) this.#counts = new Int32Array(width * width)
    const [counts, met, placeOf] = [this.#counts, this.#met, this.#placeOf]
    counts.fill(0, 0, width * width)
    chosen.forEach((number, place) => (placeOf[number] = place))
    for (const token of members) {
      const known = this.#meet(token)
      for (let i = 0; i < known; i++) for (let j = i + 1; j < known; j++) counts[met[i] * width + met[j]]++
    }
    for (const number of chosen) placeOf[number] = -1
    const { kinds } = this.conditions
    for (let i = 0; i < width; i++) {
      for (let j = i + 1; j < width; j++) {
        const both = counts[i * width + j]
        if (both > 0 && kinds[chosen[i]] !== kinds[chosen[j]]) each(chosen[i], chosen[j], both)
      }
    }
  }

  /** Fills `#met` with the indices of the conditions that a token meets. Returns how many there are. */
  #meet(token: number): number {
    const count = this.conditions.load(token)
    let known = 0
    for (let i = 0; i < count; i++) {
      const place = this.#placeOf[this.conditions.numbers[i]]
      if (place >= 0) this.#met[known++] = place
    }
    return known
  }
}

/** A group still waiting for its best pair. Its candidates are the proposed pairs `from` … `to` - 1. */
interface Pending {
  readonly rules: Candidate[]
  readonly size: number
  readonly from: number
  readonly to: number
}

/**
 * Finds the best pair of conditions for many groups. Up to `atOnce` pairs are counted in one pass over all tokens.
 */
export class PairSearch {
  readonly #table = new PairTable()
  readonly #counts: PairCounts
  /** 1 for conditions that belong to a proposed pair. */
  readonly #active: Uint8Array
  #pending: Pending[] = []
  /** Ordinals of the proposed pairs, and how many of the group's tokens meet each. */
  #ordinals: number[] = []
  #both: number[] = []

  constructor(
    private readonly conditions: TokenConditions,
    private readonly atOnce: number
  ) {
    this.#counts = new PairCounts(conditions)
    this.#active = new Uint8Array(conditions.count)
  }

  /**
   * Proposes those pairs of `chosen` conditions that may still beat all of `rules`; `settle` later adds the best one
   * to `rules`. A pair selects at least as many tokens overall as in the group, which bounds its F1 and rules out
   * most pairs.
   */
  propose(members: Int32Array, chosen: readonly number[], rules: Candidate[]): void {
    const size = members.length
    const toBeat = rules.reduce((most, { both, selected }) => Math.max(most, f1Of(both, size, selected)), 0)
    const from = this.#ordinals.length
    this.#counts.count(members, chosen, (a, b, both) => {
      if (f1Of(both, size, both) <= toBeat) return
      this.#ordinals.push(this.#table.ordinalOf(a, b))
      this.#both.push(both)
      this.#active[a] = this.#active[b] = 1
    })
    this.#pending.push({ rules, size, from, to: this.#ordinals.length })
    if (this.#table.size >= this.atOnce || this.#ordinals.length >= 2 * this.atOnce) this.settle()
  }

  /** Counts the proposed pairs over all tokens and adds each group's best pair to its rules. */
  settle(report: (fraction: number) => void = () => {}): void {
    if (this.#table.size > 0) this.#countAll(report)
    for (const { rules, size, from, to } of this.#pending) {
      const best = this.#bestOf(size, from, to)
      if (best === undefined) continue
      const f1 = f1Of(best.both, size, best.selected)
      if (rules.every(({ both, selected }) => f1Of(both, size, selected) < f1)) rules.push(best)
    }
    this.#table.clear()
    this.#active.fill(0)
    ;[this.#pending, this.#ordinals, this.#both] = [[], [], []]
  }

  #countAll(report: (fraction: number) => void): void {
    const { numbers, kinds, tokens } = this.conditions
    const table = this.#table
    for (let token = 0; token < tokens; token++) {
      const count = this.#loadActive(token)
      for (let i = 0; i < count; i++) {
        for (let j = i + 1; j < count; j++) {
          if (kinds[numbers[i]] === kinds[numbers[j]]) continue
          const ordinal = table.find(numbers[i], numbers[j])
          if (ordinal >= 0) table.counts[ordinal]++
        }
      }
      if (token % 4096 === 0) report(token / tokens)
    }
  }

  /** Loads a token's conditions and keeps those that belong to proposed pairs. */
  #loadActive(token: number): number {
    const { numbers } = this.conditions
    const all = this.conditions.load(token)
    let count = 0
    for (let i = 0; i < all; i++) if (this.#active[numbers[i]] === 1) numbers[count++] = numbers[i]
    return count
  }

  #bestOf(size: number, from: number, to: number): Candidate | undefined {
    let [best, most] = [-1, 0]
    for (let at = from; at < to; at++) {
      const f1 = f1Of(this.#both[at], size, this.#table.counts[this.#ordinals[at]])
      if (f1 > most || (f1 === most && precedence(this.#pairAt(at), this.#pairAt(best), this.conditions.kinds) < 0)) {
        ;[best, most] = [at, f1]
      }
    }
    if (best < 0) return undefined
    const selected = this.#table.counts[this.#ordinals[best]]
    return { conditions: this.#pairAt(best), both: this.#both[best], selected }
  }

  #pairAt(at: number): readonly [number, number] {
    return this.#table.pairAt(this.#ordinals[at])
  }
}
