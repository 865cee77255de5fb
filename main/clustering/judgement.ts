import type { Solve } from './pagerank-system'
import { sweep, type Sweep } from './sweep'

const wholeShare = 0.99

export interface Rule {
  readonly name: 'local' | 'global'
  readonly minSize: number
}

export type Rejection = 'too small' | 'too large' | 'at the end'

/**
 * Verdict on an attempt: its best set is accepted (`members`: its nodes, ascending), is the main body, or is
 * rejected.
 */
export type Judgement =
  | { readonly verdict: 'accepted'; readonly members: Int32Array; readonly conductance: number }
  | { readonly verdict: 'main body'; readonly conductance: number }
  | { readonly verdict: Rejection }

/** Applies the rules of docs/method.md, section 5.2, to the best prefix of a graph with `nodes` nodes. */
export const judgeSweep = (best: Sweep | null, nodes: number, { name, minSize }: Rule): Judgement => {
  if (best === null) return { verdict: 'at the end' }
  const { members, conductance, atEnd } = best
  if (name === 'global') {
    if (members.length > wholeShare * nodes && members.length >= minSize) return { verdict: 'main body', conductance }
    if (members.length > nodes / 2) return { verdict: 'too large' }
  }
  if (members.length < minSize) return { verdict: 'too small' }
  if (name === 'local' && atEnd) return { verdict: 'at the end' }
  return { verdict: 'accepted', members, conductance }
}

/**
 * Sweeps over one column of a solve and judges the best set. A seed without edges forms a set of its own, with
 * conductance 0.
 */
export const judge = ({ graph, left, seeds, workspace }: Solve, column: number, rule: Rule): Judgement => {
  const seed = seeds[column]
  if (graph.degrees[seed] === 0)
    return judgeSweep({ members: Int32Array.of(seed), conductance: 0, atEnd: false }, left, rule)
  const [scores, earlier] = [workspace.ranked, workspace.earlier].map((vectors) =>
    vectors.subarray(column * graph.nodes, (column + 1) * graph.nodes)
  )
  const limit = rule.name === 'local' ? 0.5 : 1
  return judgeSweep(sweep(graph, scores, limit, workspace.arrays.tokens, earlier), left, rule)
}
