import { blockCount, type SamplingMethod } from '../../preload/configuration'

/** Two halves of the parts of the draws, as part numbers. */
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
 * Ways to split a run's parts into equal halves: three for four parts (the first separates even from odd turns), one
 * for two parts. Empty for any other number, such as a run without parts.
 */
export const splitsOf = (parts: number): readonly Split[] => splitsOfCounts.get(parts) ?? []

/** Number of parts of the draws with their own χ̂: the blocks, or the two halves of every chain. */
export const partCount = (method: SamplingMethod): number => (method === 'psgld' ? 2 : blockCount)
