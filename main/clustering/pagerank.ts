import { SpectroscopeError } from '../../preload/errors'
import type { Team } from '../base/team'
import { solveInDouble } from './pagerank-double'
import { solveMixed } from './pagerank-mixed'
import { width, type Solve } from './pagerank-system'

/** Scores are solved to this share of their mean over the graph, 1 / volume, if that is stricter than ε. */
const relativeTolerance = 1e-3

/**
 * One member's part in solving lazy personalised PageRank p = α e_seed + (1-α) p (I + D⁻¹A)/2 (docs/method.md,
 * section 5.2) for several seeds at once. Afterwards `workspace.scores` [node, column] holds p_u / d_u, the solution
 * z of K z = α e_seed / d, with K = (1+α)/2 I - (1-α)/2 D⁻¹A, which is self-adjoint in the inner product of D.
 *
 * Accuracy: the residual r = e_seed / d - K z / α is recomputed from the solution in float64 and satisfies |r_u| <
 * min(ε, 10⁻³ / volume) for every u, or what float64 can attain. The largest error in p_u / d_u has the same bound,
 * because the inverse of the walk's matrix has row sums 1 in that norm. The second bound limits that error to a
 * thousandth of the mean score, and makes it some thousand times smaller if the only slow mode of the walk is the
 * constant, which is removed.
 *
 * The numbers of a column do not depend on the other columns or the number of members. Throws a `clustering` error if
 * float64 cannot reach ε.
 */
export const solvePagerank = (solve: Solve, team: Team): void => {
  const { graph, seeds, alpha, epsilon, volume } = solve
  const sources = Float64Array.from({ length: width }, (_, c) => {
    const degree = c < seeds.length && seeds[c] >= 0 ? graph.degrees[seeds[c]] : 0
    return degree > 0 ? alpha / degree : 0
  })
  const system = {
    solve,
    keep: (1 + alpha) / 2,
    spread: (1 - alpha) / 2,
    tolerance: alpha * Math.min(epsilon, relativeTolerance / volume),
    sources
  }
  const excesses = solveMixed(system, team)
  for (let c = 0; c < width; c++) if (excesses[c] > system.tolerance) excesses[c] = solveInDouble(system, c, team)
  if (excesses.some((excess) => excess >= alpha * epsilon)) {
    throw new SpectroscopeError(
      'clustering',
      `The PageRank vector cannot be solved to "clustering.epsilon" ${epsilon} in double precision; ` +
        `raise it, or raise "clustering.alpha".`
    )
  }
}
