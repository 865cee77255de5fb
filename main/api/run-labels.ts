import { userInfo } from 'node:os'
import { labelFields } from '../../preload/contract-annotations'
import type { Annotation, AnnotationChange, AnnotationTarget } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { issueWords } from '../../preload/issues'
import { clusterTarget } from '../../preload/label-rules'
import { alsoNamed, quoted } from '../../preload/labels'
import { briefly } from '../../preload/quoting'
import type { ClusterNumber, ClusterSummary } from '../../preload/records'
import { clusteringOf } from '../exchange/selection'
import { withWorkspace } from './workspaces'

/** Answer of `labels`: all annotations of a clustering. */
export interface RunLabels {
  readonly run: string
  readonly name: string
  readonly clustering: number
  readonly clusters: number
  readonly annotations: readonly Annotation[]
  /** By number of every cluster, every group above, and the unclustered tokens. */
  readonly sizes: Readonly<Record<number, number>>
  readonly kinds: Readonly<Record<number, ClusterSummary['kind']>>
  /** Names that were set and that others have too. */
  readonly taken: readonly TakenName[]
}

/** A name that was given to a cluster, and what else has it. */
export interface TakenName {
  readonly cluster: ClusterNumber
  readonly name: string
  readonly others: readonly AnnotationTarget[]
}

export interface LabelsQuery {
  readonly clustering?: number
  /** Names to set before listing. */
  readonly set?: readonly { readonly cluster: ClusterNumber; readonly name: string }[]
}

/** This machine's user name, as the author of changes from the terminal. */
export const accountName = (): string => {
  try {
    return userInfo().username
  } catch {
    return ''
  }
}

const checkedName = (cluster: ClusterNumber, name: string): string => {
  const parsed = labelFields.name.safeParse(name, { reportInput: true })
  if (parsed.success) return parsed.data
  const what = issueWords(parsed.error.issues[0])
  throw new SpectroscopeError('usage', `The name of cluster ${cluster}, "${briefly(name)}": ${what}; shorten it.`)
}

/** Labels of a run's clustering (the latest by default), after setting some. */
export const labelsOf = (
  folder: string,
  text: string,
  { clustering: number, set = [] }: LabelsQuery
): Promise<RunLabels> =>
  withWorkspace(folder, set.length === 0 ? 'read' : 'write', async (workspace) => {
    const run = await workspace.findRun(text)
    const clustering = clusteringOf(run, number)
    if (set.length > 0) {
      const changes = set.map(({ cluster, name }): AnnotationChange => ({
        do: 'set',
        targets: [clusterTarget(cluster)],
        label: { name: checkedName(cluster, name) }
      }))
      const words =
        set.length === 1 ? `cluster ${set[0].cluster} ${quoted(briefly(set[0].name))}` : `${set.length} clusters`
      await workspace.changeLabels({
        run: run.id,
        clustering: clustering.number,
        changes,
        words: `label ${words}`,
        author: accountName()
      })
    }
    const summaries = await workspace.getClusterSummaries(run.id, { clustering: clustering.number, topTokens: 0 })
    const annotations = await workspace.getAnnotations(run.id, clustering.number)
    return {
      run: run.id,
      name: run.name,
      clustering: clustering.number,
      clusters: clustering.clusters,
      annotations,
      sizes: Object.fromEntries(summaries.map(({ cluster, size }) => [cluster, size])),
      kinds: Object.fromEntries(summaries.map(({ cluster, kind }) => [cluster, kind])),
      taken: set.flatMap(({ cluster, name }) => {
        const others = alsoNamed(annotations, name, [clusterTarget(cluster)])
        return others.length === 0 ? [] : [{ cluster, name, others }]
      })
    }
  })
