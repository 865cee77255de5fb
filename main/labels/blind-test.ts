import { SpectroscopeError } from '../../preload/errors'
import { permutation } from '../base/philox'

/** A token that a blind test may show. */
export interface Candidate {
  readonly token: number
  readonly id: number
  readonly text: string
  readonly row: number
  readonly subset: string
}

export interface DrawnTest {
  /** Six token indices, in display order. */
  readonly tokens: readonly number[]
  /** Position of the intruder. */
  readonly odd: number
}

const ownContexts = 5

const shuffled = <T>(items: readonly T[], seed: number, stream: number): T[] =>
  Array.from(permutation(seed, items.length, 0, stream), (place) => items[place])

/**
 * Coarse shape of a token: leading white space, and whether it has letters, capitals, digits, symbols or white space.
 */
const shapeOf = (text: string): string => {
  const body = text.trim()
  const kind =
    body === ''
      ? 'space'
      : /^\p{Lu}/u.test(body)
        ? 'capital'
        : /^\p{L}/u.test(body)
          ? 'letter'
          : /^\d/.test(body)
            ? 'digit'
            : 'sign'
  return `${/^\s/.test(text) && body !== '' ? 'after space ' : ''}${kind}`
}

/** Draws five tokens of the cluster, from different rows as far as possible. */
const drawOwn = (own: readonly Candidate[], seed: number): Candidate[] => {
  const order = shuffled(own, seed, 0)
  const rows = new Set<number>()
  const first: Candidate[] = []
  const second: Candidate[] = []
  for (const candidate of order) {
    if (rows.has(candidate.row)) second.push(candidate)
    else first.push(candidate)
    rows.add(candidate.row)
  }
  return [...first, ...second].slice(0, ownContexts)
}

/** How well an intruder blends in with the five: first by equal token, then by subset, then by shape. */
const hiding = ({ id, subset, text }: Candidate, five: readonly Candidate[]): number => {
  const share = (fits: (one: Candidate) => boolean): number => five.filter(fits).length / five.length
  const shape = shapeOf(text)
  return (
    (five.some((one) => one.id === id) ? 4 : 0) +
    2 * share((one) => one.subset === subset) +
    share((one) => shapeOf(one.text) === shape)
  )
}

/**
 * Draws a blind test: five tokens of the cluster and one intruder, at a position that the seed decides. The intruder
 * is the candidate that blends in best, so that neither its token nor its subset gives it away if that can be
 * avoided. Throws an `input` error if the cluster has fewer than five tokens or there are no other tokens.
 */
export const drawBlindTest = (own: readonly Candidate[], elsewhere: readonly Candidate[], seed: number): DrawnTest => {
  if (own.length < ownContexts)
    throw new SpectroscopeError(
      'input',
      `A blind test needs five tokens, but this cluster has ${own.length}; choose a larger one.`
    )
  if (elsewhere.length === 0)
    throw new SpectroscopeError(
      'input',
      'A blind test needs a token outside the cluster, but this cluster holds all tokens; choose another one.'
    )
  const five = drawOwn(own, seed)
  const [odd] = shuffled(elsewhere, seed, 1)
    .map((candidate) => ({ candidate, score: hiding(candidate, five) }))
    .sort((a, b) => b.score - a.score)
  const order = permutation(seed, ownContexts + 1, 0, 2)
  const shown = [...five, odd.candidate]
  return { tokens: Array.from(order, (place) => shown[place].token), odd: order.indexOf(ownContexts) }
}
