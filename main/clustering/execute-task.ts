import { type Team, take } from '../base/team'
import { makePartitions } from './communities'
import { runDescent } from './descent'
import { computeDescription } from './describe'
import { buildGraph } from './graph'
import { type Rule, type Judgement, judge } from './judgement'
import { computeLayout } from './layout'
import { runSearch } from './neighbours'
import { solvePagerank } from './pagerank'
import type { Solve } from './pagerank-system'
import type { Meter, ClusteringTask, ClusteringResult } from './tasks'

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
    case 'descent':
      await runDescent(task.search, task.team, task.phase)
      return { kind: 'descent' }
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
