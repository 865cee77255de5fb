import { splitsOf, type Split } from '../sampling/splits'
import type { CloudPart } from './shapeless'

/** A matrix that is clustered for one result. */
export type Variant = { readonly number: number; readonly name: string } & (
  | { readonly kind: 'whole' }
  | { readonly kind: 'half'; readonly split: number; readonly half: 0 | 1; readonly parts: readonly number[] }
  | { readonly kind: 'shapeless'; readonly part: CloudPart }
)

export type HalfVariant = Extract<Variant, { kind: 'half' }>

export const wholeVariant: Variant = { number: 0, name: 'whole', kind: 'whole' }

const halvesOf = (splits: readonly Split[]): HalfVariant[] =>
  splits.flatMap((halves, split) => ([0, 1] as const).map((half): HalfVariant =>
    ({ number: 1 + 2 * split + half, name: `half-${split}-${half}`, kind: 'half', split, half, parts: halves[half] })))

/** All that is clustered beside the whole, in order: each half of every split, then a cloud without clusters and its halves. None without parts. */
export const comparisonsOf = (parts: number): readonly Variant[] => {
  const halves = halvesOf(splitsOf(parts))
  if (halves.length === 0) return []
  const clouds = (['whole', 0, 1] as const).map((part, at): Variant => ({ number: 1 + halves.length + at, name: `shapeless-${part}`, kind: 'shapeless', part }))
  return [...halves, ...clouds]
}
