import { meet, take, type Team } from '../base/team'
import { weightToEarlier } from './sweep'
import { blocksOf, iterationLimit, roundingShare, rowsInBlock, width, type System } from './pagerank-system'

const rounds = 6

/**
 * Solves one column by conjugate gradients, entirely in float64, for systems that float32 cannot solve (a tiny α, or
 * a seed of tiny degree). Its vectors reuse the memory of the float32 ones. Leaves the same results in the workspace
 * as `solveMixed`. Returns the largest |r_u| beyond the rounding of the score.
 */
export const solveInDouble = (
  { solve, keep, spread, tolerance, sources }: System,
  column: number,
  team: Team
): number => {
  const {
    graph: { nodes, starts, ends, columns, weights, degrees },
    seeds,
    alpha,
    workspace: {
      memory: { buffer },
      places,
      arrays,
      scores,
      ranked,
      earlier
    }
  } = solve
  const blocks = blocksOf(nodes)
  const vector = (place: number): Float64Array => new Float64Array(buffer, place, nodes)
  const [residuals, products, directions, images, solution] = [
    places.residuals,
    places.products,
    places.directions,
    places.images,
    places.corrections
  ].map(vector)
  const sums = new Float64Array(buffer, places.sums, 4 * blocks)
  const seed = seeds[column]
  const source = sources[column]

  let [half, finished] = [0, 0]
  const phase = (work: (from: number, to: number, at: number) => void): void => {
    for (let block = take(team); block < blocks; block = take(team))
      work(block * rowsInBlock, Math.min(nodes, (block + 1) * rowsInBlock), half + 2 * block)
    meet(team)
    finished = half
    half = 2 * blocks - half
  }
  const total = (part: 0 | 1): number => {
    let sum = 0
    for (let block = 0; block < blocks; block++) sum += sums[finished + 2 * block + part]
    return sum
  }
  const largest = (): number => {
    let most = 0
    for (let block = 0; block < blocks; block++) most = Math.max(most, sums[finished + 2 * block])
    return most
  }
  /** (K · vector)_i. */
  const imageAt = (values: Float64Array, i: number): number => {
    let sum = 0
    for (let e = starts[i]; e < ends[i]; e++) sum += weights[e] * values[columns[e]]
    return keep * values[i] - (degrees[i] > 0 ? spread / degrees[i] : 0) * sum
  }
  const excess = (i: number): number => Math.abs(residuals[i]) - roundingShare * Math.abs(solution[i])

  let [gamma, previous, step, beta] = [0, 0, 0, 0]
  const image = (from: number, to: number, at: number): void => {
    let [squares, delta] = [0, 0]
    for (let i = from; i < to; i++) {
      products[i] = imageAt(residuals, i)
      const weighted = degrees[i] * residuals[i]
      squares += weighted * residuals[i]
      delta += weighted * products[i]
    }
    sums[at] = squares
    sums[at + 1] = delta
  }
  const advance = (from: number, to: number, at: number): void => {
    let most = 0
    for (let i = from; i < to; i++) {
      directions[i] = residuals[i] + beta * directions[i]
      images[i] = products[i] + beta * images[i]
      solution[i] += step * directions[i]
      residuals[i] -= step * images[i]
      most = Math.max(most, excess(i))
    }
    sums[at] = most
  }
  const verify = (from: number, to: number, at: number): void => {
    let most = 0
    for (let i = from; i < to; i++) {
      residuals[i] = (i === seed ? source : 0) - imageAt(solution, i)
      scores[i * width + column] = solution[i]
      most = Math.max(most, excess(i))
    }
    sums[at] = most
  }
  const iterate = (): void => {
    for (let iteration = 0; iteration < iterationLimit(alpha); iteration++) {
      phase(image)
      gamma = total(0)
      if (gamma === 0) return
      const delta = total(1)
      beta = iteration === 0 ? 0 : gamma / previous
      const curvature = iteration === 0 ? delta : delta - (beta * gamma) / step
      if (curvature <= 0) beta = 0
      step = gamma / (curvature > 0 ? curvature : delta)
      previous = gamma
      phase(advance)
      if (largest() <= tolerance / 2) return
    }
  }

  phase((from, to) => {
    for (const each of [residuals, directions, images, solution]) each.fill(0, from, to)
    if (seed >= from && seed < to) residuals[seed] = source
  })
  let left = Infinity
  for (let round = 0; round < rounds && left > tolerance; round++) {
    iterate()
    phase(verify)
    left = largest()
  }
  phase((from, to) => {
    for (let i = from; i < to; i++) {
      ranked[column * nodes + i] = solution[i]
      earlier[column * nodes + i] = weightToEarlier(solve.graph, solution, arrays.tokens, i)
    }
  })
  return left
}
