import { patternNames } from '../../preload/contract-explore'
import type { RuleCondition } from '../../preload/records'
import { textsById, type StudiedRows, type Texts } from './patterns'

/** Kinds of conditions. Their order breaks ties between equally good rules. */
export const conditionKinds = [
  'token',
  'previous',
  'next',
  'subset',
  'pattern',
  'position'
] as const satisfies readonly RuleCondition['on'][]

/** Properties of the studied tokens other than χ̂. */
export interface TokenContexts {
  readonly rows: StudiedRows
  readonly texts: Texts
  /** For each token, bit i is set if it shows pattern i of `patternNames`. */
  readonly patterns: Int32Array
  /** Index of each token's subset in `subsets`. */
  readonly subsetOf: Int32Array
  readonly subsets: readonly string[]
}

/** Positions in a row, both ends included. */
export interface PositionRange {
  readonly from: number
  readonly to: number
}

/** Number of positions at each end of a row that form a range of their own. */
const atEnd = 8

/**
 * Position ranges, counted from 0, that a rule may name if the longest row has `rowLength` ids: the first eight, the
 * rest of the first quarter, the four quarters, and the last eight. Ranges that are empty, cover the whole row or
 * repeat another one (in short rows) are left out.
 */
export const positionRanges = (rowLength: number): PositionRange[] => {
  const quarter = (number: number): number => Math.floor((number * rowLength) / 4)
  const quarters = [0, 1, 2, 3].map((number) => ({ from: quarter(number), to: quarter(number + 1) - 1 }))
  const starts = [
    { from: 0, to: atEnd - 1 },
    { from: atEnd, to: quarter(1) - 1 }
  ]
  const all = [...starts, ...quarters, { from: rowLength - atEnd, to: rowLength - 1 }]
  const isPart = ({ from, to }: PositionRange): boolean =>
    0 <= from && from <= to && to < rowLength && to - from < rowLength - 1
  const isNew = ({ from, to }: PositionRange, i: number): boolean =>
    all.findIndex((other) => other.from === from && other.to === to) === i
  return all.filter((range, i) => isPart(range) && isNew(range, i))
}

/** For each position, bit i is set if it lies in range i. */
const rangeBitsOf = (ranges: readonly PositionRange[], rowLength: number): Int32Array => {
  const bitsAt = new Int32Array(rowLength)
  ranges.forEach(({ from, to }, i) => {
    for (let position = from; position <= to; position++) bitsAt[position] |= 1 << i
  })
  return bitsAt
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits)

const none = -1

/**
 * All conditions on the studied tokens, numbered by kind in the order of `conditionKinds`, then by ascending id.
 * `load` fills `numbers` with the conditions that a token meets, ascending, and returns how many there are.
 */
export class TokenConditions {
  readonly tokens: number
  /** Number of conditions. */
  readonly count: number
  /** Kind of each condition, as an index into `conditionKinds`. */
  readonly kinds: Uint8Array
  readonly numbers: Int32Array
  readonly #contexts: TokenContexts
  /** Ids that occur in the rows, ascending, and the index of each among them. */
  readonly #ids: Int32Array
  readonly #placeOf: ReadonlyMap<number, number>
  /** For each token, its own id and those before and after it, as indices into `#ids`. */
  readonly #own: Int32Array
  readonly #previous: Int32Array
  readonly #next: Int32Array
  readonly #positions: Int32Array
  readonly #ranges: readonly PositionRange[]
  readonly #rangeBits: Int32Array
  /** Number of each kind's first condition. */
  readonly #firsts: readonly number[]
  readonly #textOf: (id: number) => string

  constructor(contexts: TokenContexts) {
    const {
      rows: { probe, targets },
      texts,
      subsets,
      subsetOf,
      patterns
    } = contexts
    this.tokens = targets.reduce((sum, { length }) => sum + length, 0)
    if (subsetOf.length !== this.tokens || patterns.length !== this.tokens) {
      const given = `${subsetOf.length} subsets and ${patterns.length} patterns`
      throw new Error(`Rows of ${this.tokens} tokens came with ${given}.`)
    }
    this.#contexts = contexts
    this.#textOf = textsById(texts)
    const rowLength = probe.reduce((most, { length }) => Math.max(most, length), 0)
    this.#ranges = positionRanges(rowLength)
    this.#rangeBits = rangeBitsOf(this.#ranges, rowLength)
    const ids = new Set<number>()
    for (const row of probe) for (const id of row) ids.add(id)
    this.#ids = Int32Array.from(ids).sort()
    this.#placeOf = new Map(Array.from(this.#ids, (id, place) => [id, place]))
    this.#own = new Int32Array(this.tokens)
    this.#previous = new Int32Array(this.tokens)
    this.#next = new Int32Array(this.tokens)
    this.#positions = new Int32Array(this.tokens)
    let token = 0
    probe.forEach((row, index) => {
      const places = row.map((id) => this.#placeOf.get(id)!)
      for (const position of targets[index]) {
        this.#own[token] = places[position]
        this.#previous[token] = position > 0 ? places[position - 1] : none
        this.#next[token] = position + 1 < row.length ? places[position + 1] : none
        this.#positions[token++] = position
      }
    })
    const ownIds = this.#ids.length
    const sizes = [ownIds, ownIds, ownIds, subsets.length, patternNames.length, this.#ranges.length]
    this.#firsts = sizes.map((_, kind) => sizes.slice(0, kind).reduce((sum, size) => sum + size, 0))
    this.count = sizes.reduce((sum, size) => sum + size, 0)
    this.kinds = new Uint8Array(this.count)
    this.#firsts.forEach((first, kind) => this.kinds.fill(kind, first))
    this.numbers = new Int32Array(conditionKinds.length + patternNames.length + this.#ranges.length)
  }

  load(token: number): number {
    const { numbers } = this
    const [firstOwn, firstPrevious, firstNext, firstSubset, firstPattern, firstRange] = this.#firsts
    let count = 0
    numbers[count++] = firstOwn + this.#own[token]
    if (this.#previous[token] !== none) numbers[count++] = firstPrevious + this.#previous[token]
    if (this.#next[token] !== none) numbers[count++] = firstNext + this.#next[token]
    numbers[count++] = firstSubset + this.#contexts.subsetOf[token]
    for (let bits = this.#contexts.patterns[token]; bits !== 0; bits &= bits - 1) {
      numbers[count++] = firstPattern + lowestBit(bits)
    }
    for (let bits = this.#rangeBits[this.#positions[token]]; bits !== 0; bits &= bits - 1) {
      numbers[count++] = firstRange + lowestBit(bits)
    }
    return count
  }

  /** Looks up a condition by number. */
  conditionOf(number: number): RuleCondition {
    const on = conditionKinds[this.kinds[number]]
    const index = number - this.#firsts[this.kinds[number]]
    switch (on) {
      case 'token':
      case 'previous':
      case 'next':
        return { on, id: this.#ids[index], text: this.#textOf(this.#ids[index]) }
      case 'subset':
        return { on, subset: this.#contexts.subsets[index] }
      case 'pattern':
        return { on, pattern: patternNames[index] }
      case 'position':
        return { on, ...this.#ranges[index] }
    }
  }

  /**
   * Returns a test whether a token meets a condition. No token meets a condition on an unknown id, subset or pattern.
   */
  meets(condition: RuleCondition): (token: number) => boolean {
    const { patterns, subsetOf, subsets } = this.#contexts
    switch (condition.on) {
      case 'token':
      case 'previous':
      case 'next': {
        const places = { token: this.#own, previous: this.#previous, next: this.#next }[condition.on]
        const place = this.#placeOf.get(condition.id)
        return (token) => places[token] === place
      }
      case 'subset': {
        const subset = subsets.indexOf(condition.subset)
        return (token) => subsetOf[token] === subset
      }
      case 'pattern': {
        const pattern = patternNames.findIndex((name) => name === condition.pattern)
        const bit = pattern < 0 ? 0 : 1 << pattern
        return (token) => (patterns[token] & bit) !== 0
      }
      case 'position':
        return (token) => condition.from <= this.#positions[token] && this.#positions[token] <= condition.to
    }
  }
}
