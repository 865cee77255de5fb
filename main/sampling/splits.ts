import { blockCount, type SamplingMethod } from '../../preload/configuration'

/** Two halves of the parts of the draws, by their numbers. */
export type Split = readonly [readonly number[], readonly number[]]

const splitsOfCounts: ReadonlyMap<number, readonly Split[]> = new Map([
  [2, [[[0], [1]]]],
  [
    4,
    [
      [
        [0, 2],
        [1, 3]
      ],
      [
        [0, 1],
        [2, 3]
      ],
      [
        [0, 3],
        [1, 2]
      ]
    ]
  ]
])

/**
 * The ways to split a run's parts in two halves as large as each other: three of four parts, of which the first has
 * even and odd turns apart, and one of two. None of any other number, as of a run that has no parts.
 */
export const splitsOf = (parts: number): readonly Split[] => splitsOfCounts.get(parts) ?? []

/** Parts of the draws that a method keeps χ̂ of: its blocks, or the halves of every chain. */
export const partCount = (method: SamplingMethod): number => (method === 'psgld' ? 2 : blockCount)
