import { splitsOf, type Split } from '../sampling/splits'

/** A matrix to cluster for one result: from all draws, from half of them, or a cloud without clusters. */
export type Variant = { readonly number: number; readonly name: string } & (
  | { readonly kind: 'whole' }
  | ({ readonly kind: 'half' } & Half)
  | { readonly kind: 'shapeless'; readonly of: Half | 'whole'; readonly parts: readonly number[] }
)

/** One half of the draws, with the parts it contains. */
interface Half {
  readonly split: number
  readonly half: 0 | 1
  readonly parts: readonly number[]
}

export const wholeVariant: Variant = { number: 0, name: 'whole', kind: 'whole' }

export const halfName = ({ split, half }: Pick<Half, 'split' | 'half'>): string => `half-${split}-${half}`

/** Name of the cloud variant that corresponds to the whole or to a half. */
export const shapelessName = (of: Pick<Half, 'split' | 'half'> | 'whole'): string =>
  `shapeless-${of === 'whole' ? of : halfName(of)}`

const halvesOf = (splits: readonly Split[]): Half[] =>
  splits.flatMap((halves, split) => ([0, 1] as const).map((half): Half => ({ split, half, parts: halves[half] })))

/**
 * All matrices to cluster besides the whole, in order: each half of every split, then a cloud without clusters and
 * its halves. None for 0 parts.
 */
export const comparisonsOf = (parts: number): readonly Variant[] => {
  const halves = halvesOf(splitsOf(parts))
  if (halves.length === 0) return []
  const all = Array.from({ length: parts }, (_, part) => part)
  const clouds = (['whole', ...halves] as const).map((of, at): Variant => ({
    number: 1 + halves.length + at,
    name: shapelessName(of),
    kind: 'shapeless',
    of,
    parts: of === 'whole' ? all : of.parts
  }))
  return [
    ...halves.map((half, at): Variant => ({ number: 1 + at, name: halfName(half), kind: 'half', ...half })),
    ...clouds
  ]
}
