import type { Architecture, Weights } from '../../models/architecture'
import { type Slice, componentSlices, flatten, unitOf } from '../../models/components'
import type { OwnWeights } from './evaluator'
import { extentsOf } from './slices'

/**
 * Calls `take` for each run of a component's weights with its place in the vector of the unit, which has one slice of
 * each tensor.
 */
const eachRun = (
  own: readonly Slice[],
  unit: readonly Slice[],
  take: (from: number, to: number, length: number) => void
): void => {
  const [ownPlaces, unitPlaces] = [extentsOf(own), extentsOf(unit)]
  own.forEach((slice, index) => {
    const at = unit.findIndex(({ tensor }) => tensor === slice.tensor)
    const outer = unit[at]
    const [width, outerWidth] = [slice, outer].map(({ columnStart, columnEnd }) => columnEnd - columnStart)
    for (let row = slice.rowStart; row < slice.rowEnd; row++)
      take(
        ownPlaces[index].start + (row - slice.rowStart) * width,
        unitPlaces[at].start + (row - outer.rowStart) * outerWidth + slice.columnStart - outer.columnStart,
        width
      )
  })
}

/** Weights of the unit that computes a component: those at w*, and the component's own. */
export const unitWeights = (
  architecture: Architecture,
  weights: Weights,
  { component, weights: own }: OwnWeights
): OwnWeights => {
  const unit = unitOf(architecture, component)
  if (unit === component) return { component, weights: own }
  const [ownSlices, slices] = [component, unit].map((name) => componentSlices(architecture, weights, name))
  const all = flatten(weights, slices)
  eachRun(ownSlices, slices, (from, to, length) => all.set(own.subarray(from, from + length), to))
  return { component: unit, weights: all }
}

/** Adds to a component's gradient its part of that of its unit. */
export const addUnitGradient = (
  architecture: Architecture,
  weights: Weights,
  component: string,
  unitGradient: Float32Array,
  gradient: Float32Array
): void => {
  const [own, slices] = [component, unitOf(architecture, component)].map((name) =>
    componentSlices(architecture, weights, name)
  )
  eachRun(own, slices, (to, from, length) => {
    for (let i = 0; i < length; i++) gradient[to + i] += unitGradient[from + i]
  })
}
