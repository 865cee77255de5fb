import type { Architecture, Weights } from './architecture'
import { componentsBy, familyOf, slicesBy, unitIn } from './architectures'
import { type Slice, whole } from './slices'

export type { Slice }

/** Component names in the order of the susceptibility vector (docs/method.md, section 1). `full` is not included. */
export const componentNames = (architecture: Architecture): readonly string[] =>
  componentsBy(familyOf(architecture), architecture, 'head')

/** The same with groups of heads that share keys and values, in place of heads. */
export const groupedComponentNames = (architecture: Architecture): readonly string[] =>
  componentsBy(familyOf(architecture), architecture, 'group')

/** Every name that a component may have: first those of `componentNames`. */
export const allComponentNames = (architecture: Architecture): readonly string[] => [
  ...new Set([...componentNames(architecture), ...groupedComponentNames(architecture)])
]

/** Index of a component in a random stream (docs/method.md, section 4). */
export const componentIndex = (architecture: Architecture, component: string): number =>
  component === 'full' ? 2 ** 24 - 1 : allComponentNames(architecture).indexOf(component)

/** Slices of a component, or of `full`, in the order in which they are flattened (docs/method.md, section 1). */
export const componentSlices = (architecture: Architecture, weights: Weights, component: string): Slice[] =>
  component === 'full'
    ? [...weights.keys()].map((name) => whole(weights, name))
    : slicesBy(familyOf(architecture), architecture, weights, component)

/** The component whose program computes this one: itself, or one with more weights (docs/engine.md). */
export const unitOf = (architecture: Architecture, component: string): string =>
  unitIn(familyOf(architecture), architecture, component)

/** Number of heads that a head, a group, or all heads of a layer have. */
export { headCount as headsOf } from './architectures'

export const sliceSize = (slices: readonly Slice[]): number =>
  slices.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)

/** Weights of the slices, flattened in order. */
export const flatten = (weights: Weights, slices: readonly Slice[]): Float32Array => {
  const flat = new Float32Array(sliceSize(slices))
  let at = 0
  for (const { tensor, rowStart, rowEnd, columnStart, columnEnd } of slices) {
    const { shape, data } = weights.get(tensor)!
    const width = shape[shape.length - 1]
    for (let row = rowStart; row < rowEnd; row++) {
      flat.set(data.subarray(row * width + columnStart, row * width + columnEnd), at)
      at += columnEnd - columnStart
    }
  }
  return flat
}

/** Offsets of a component's whole tensors in its vector. */
export const placesOf = (
  slices: readonly Pick<Slice, 'tensor' | 'shape'>[]
): ReadonlyMap<string, { readonly start: number; readonly end: number }> => {
  let start = 0
  return new Map(
    slices.map(({ tensor, shape }) => [tensor, { start, end: (start += shape.reduce((a, b) => a * b, 1)) }])
  )
}

/** Views of a component's whole tensors in its vector. */
export const tensorsIn = (slices: readonly Pick<Slice, 'tensor' | 'shape'>[], vector: Float32Array): Weights =>
  new Map(
    [...placesOf(slices)].map(([name, { start, end }], at) => [
      name,
      { shape: slices[at].shape, data: vector.subarray(start, end) }
    ])
  )
