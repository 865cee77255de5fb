import type { ClusteringDescription, LayoutRecord } from '../../preload/records'
import { take, type Team } from '../base/team'
import { makePartitions, type PartitionMade, type PartitionsTask } from './communities'
import { computeDescription, type DescribeOrder } from './describe'
import { judge, type Judgement, type Rule } from './judgement'
import { buildGraph, type Graph, type GraphOrder } from './graph'
import { computeLayout, type LayoutOrder } from './layout'
import { runSearch, type NeighbourSearch, type Rounds } from './neighbours'
import { solvePagerank } from './pagerank'
import type { Solve } from './pagerank-system'
import type { Meter } from './watched'

/** Tasks for the worker threads of this layer. `team` tasks go to all members of the team at once. */
export type ClusteringTask =
  | { readonly kind: 'neighbours'; readonly search: NeighbourSearch; readonly team: Team; readonly rounds?: Rounds }
  | { readonly kind: 'graph'; readonly order: GraphOrder }
  | { readonly kind: 'attempts'; readonly solve: Solve; readonly rule: Rule; readonly team: Team }
  | { readonly kind: 'partitions'; readonly task: PartitionsTask }
  | { readonly kind: 'describe'; readonly order: DescribeOrder; readonly meter: Meter }
  | { readonly kind: 'layout'; readonly order: LayoutOrder; readonly meter: Meter }

export type ClusteringResult =
  | { readonly kind: 'neighbours' }
  | { readonly kind: 'graph'; readonly graph: Graph }
  | { readonly kind: 'attempts'; readonly judgements: readonly (readonly [column: number, judgement: Judgement])[] }
  | { readonly kind: 'partitions'; readonly made: readonly PartitionMade[] }
  | { readonly kind: 'describe'; readonly description: ClusteringDescription }
  | { readonly kind: 'layout'; readonly layout: LayoutRecord }

const attempt = (solve: Solve, rule: Rule, team: Team): (readonly [number, Judgement])[] => {
  solvePagerank(solve, team)
  const judgements: (readonly [number, Judgement])[] = []
  for (let column = take(team); column < solve.seeds.length; column = take(team))
    judgements.push([column, judge(solve, column, rule)])
  return judgements
}

const writeTo =
  (meter: Meter) =>
  (fraction: number): void => {
    meter[0] = fraction
  }

export const executeTask = async (task: ClusteringTask): Promise<ClusteringResult> => {
  switch (task.kind) {
    case 'neighbours':
      await runSearch(task.search, task.team, task.rounds)
      return { kind: 'neighbours' }
    case 'graph':
      return { kind: 'graph', graph: buildGraph(task.order) }
    case 'attempts':
      return { kind: 'attempts', judgements: attempt(task.solve, task.rule, task.team) }
    case 'partitions':
      return { kind: 'partitions', made: makePartitions(task.task) }
    case 'describe':
      return { kind: 'describe', description: computeDescription(task.order, writeTo(task.meter)) }
    case 'layout':
      return { kind: 'layout', layout: computeLayout(task.order, writeTo(task.meter)) }
  }
}
