import { meet, take, type Team } from '../base/team'
import { judge, type Judgement, type Rule } from './judgement'
import { buildGraph, type Graph, type GraphOrder } from './graph'
import { runSearch, type NeighbourSearch } from './neighbours'
import { solvePagerank, type Solve } from './pagerank'

/** What a worker thread of this layer can be asked to do; `team` tasks go to all members of the team at once. */
export type ClusteringTask =
  | { readonly kind: 'neighbours'; readonly search: NeighbourSearch; readonly team: Team }
  | { readonly kind: 'graph'; readonly order: GraphOrder }
  | { readonly kind: 'attempts'; readonly solve: Solve; readonly rule: Rule; readonly team: Team }

export type ClusteringResult = { readonly kind: 'neighbours' } | { readonly kind: 'graph'; readonly graph: Graph } | { readonly kind: 'attempts'; readonly judgements: readonly (readonly [column: number, judgement: Judgement])[] }

const attempt = (solve: Solve, rule: Rule, team: Team): (readonly [number, Judgement])[] => {
  solvePagerank(solve, team)
  meet(team)
  const judgements: (readonly [number, Judgement])[] = []
  for (let column = take(team); column < solve.seeds.length; column = take(team)) judgements.push([column, judge(solve, column, rule)])
  return judgements
}

export const executeTask = async (task: ClusteringTask): Promise<ClusteringResult> => {
  switch (task.kind) {
    case 'neighbours':
      await runSearch(task.search, task.team)
      return { kind: 'neighbours' }
    case 'graph':
      return { kind: 'graph', graph: buildGraph(task.order) }
    case 'attempts':
      return { kind: 'attempts', judgements: attempt(task.solve, task.rule, task.team) }
  }
}
