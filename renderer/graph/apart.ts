import { forceCollide, forceSimulation, forceX, forceY } from 'd3-force'
import KDBush from 'kdbush'

/** Share of the square from 0 to 1 that discs take together, and what lies between two of them. */
const cover = 0.2
const gap = 1.08
const ticks = 90
const ticksOfMany = 30

export interface Discs {
  /** Within about the square from 0 to 1: [x0, y0, x1, y1, …] */
  readonly places: Float32Array
  readonly radii: Float32Array
}

/** The least that the radii of discs must be multiplied with for none to lie on another; 1 where none does. */
const shrinkOf = (places: Float32Array, radii: Float32Array): number => {
  const index = new KDBush(radii.length, 64, Float32Array)
  for (let at = 0; at < radii.length; at++) index.add(places[2 * at], places[2 * at + 1])
  index.finish()
  let least = 1
  for (let at = 0; at < radii.length; at++) {
    // A pair is measured from its larger disc, so no further than that reaches twice.
    for (const other of index.within(places[2 * at], places[2 * at + 1], 2 * radii[at])) {
      if (other === at || radii[other] > radii[at]) continue
      const distance = Math.hypot(places[2 * at] - places[2 * other], places[2 * at + 1] - places[2 * other + 1])
      least = Math.min(least, distance / (radii[at] + radii[other]))
    }
  }
  return least
}

/**
 * Discs that do not lie on one another, near the places that they are given and with areas that keep their
 * proportions. `weights`: relative radii.
 */
export const setApart = (places: Float32Array, weights: ArrayLike<number>): Discs => {
  const count = weights.length
  const sum = Array.from(weights).reduce((total, weight) => total + weight * weight, 0)
  const unit = Math.min(Math.sqrt(cover / (Math.PI * (sum || 1))), 0.14 / Math.max(1e-9, ...Array.from(weights)))
  const radii = Float32Array.from(weights, (weight) => unit * weight)
  const nodes = Array.from({ length: count }, (_, at) => ({ x: places[2 * at], y: places[2 * at + 1], at }))
  const home = (axis: number) => (node: { readonly at: number }) => places[2 * node.at + axis]
  forceSimulation(nodes)
    .force('x', forceX<(typeof nodes)[number]>(home(0)).strength(0.06))
    .force('y', forceY<(typeof nodes)[number]>(home(1)).strength(0.06))
    .force('apart', forceCollide<(typeof nodes)[number]>(({ at }) => gap * radii[at]).iterations(3))
    .stop()
    .tick(count > 3000 ? ticksOfMany : ticks)
  const moved = Float32Array.from(nodes.flatMap(({ x, y }) => [x, y]))
  const shrink = shrinkOf(moved, radii)
  return { places: moved, radii: radii.map((radius) => radius * shrink) }
}
