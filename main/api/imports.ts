import { basename } from 'node:path'
import type { Annotation } from '../../preload/contract-annotations'
import type { ImportAnswer, ImportInspection } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { labelledGroups, quoted } from '../../preload/labels'
import { briefly } from '../../preload/quoting'
import { importAsRun, labelsForClustering } from '../exchange/annotated-import'
import { annotationsOf } from '../exchange/annotated-labels'
import { readAnnotatedSet } from '../exchange/annotated-read'
import type { ReadSet } from '../exchange/annotated-read'
import { clusteringOf } from '../exchange/selection'
import { parseTarget } from '../../preload/label-rules'
import type { Workspace } from '../store/store'
import type { HandlersOf, WorkbenchContext } from './context'
import { isForeign } from './foreign-imports'
import { applyEdits } from './label-transfer'
import type { ClusteringPlace } from './label-transfer'
import { accountName } from './run-labels'
import type { ReceivedFiles } from './received-files'
import { withWorkspace } from './workspaces'

/** Minimum Jaccard index between an imported cluster and one here, for its label to be transferred. */
const leastOverlap = 0.5

const clusterCount = ({ clusters }: ReadSet): number => clusters.filter(({ kind }) => kind === 'cluster').length

/** Number of labelled clusters in a set. Annotations use the file's numbers. */
const labelledCount = ({ clusters }: ReadSet, annotations: readonly Annotation[]): number => {
  const labelled = labelledGroups(annotations)
  return clusters.filter(({ cluster, kind }) => kind === 'cluster' && labelled.has(cluster)).length
}

const inspect = async (workspace: Workspace, path: string): Promise<ImportInspection> => {
  const set = await readAnnotatedSet(path)
  const { run, version, exportedAt, provenance, configuration } = set.head
  const same = (await workspace.listRuns()).filter(
    (one) => !one.deleted && provenance.studyHash !== undefined && one.provenance.studyHash === provenance.studyHash
  )
  return {
    name: run.name,
    version,
    createdAt: exportedAt,
    model: [
      basename(configuration.model),
      ...(configuration.weights === undefined ? [] : [basename(configuration.weights)])
    ].join(', '),
    tokens: set.tokenRows.length,
    clusters: clusterCount(set),
    labelled: labelledCount(set, annotationsOf(set)),
    fits: same.flatMap(({ id, name, clusterings }) =>
      clusterings.map(({ number }) => ({ run: id, name, clustering: number }))
    )
  }
}

const mostMergedShown = 20

const words = ({ target, name, clusters, cluster }: Annotation): string => {
  const { kind, number } = parseTarget(target)
  const named = name === '' ? '' : ` ${quoted(briefly(name))}`
  if (kind === 'selection') return `Fewer than half of the tokens of the selection${named || ` ${number}`} are here.`
  const many = (clusters ?? []).length > mostMergedShown
  const merged = many ? `${clusters?.length} clusters` : `clusters ${clusters?.join(', ')}`
  const part = kind === 'merge' ? `merge of ${merged}` : `part of cluster ${cluster}`
  const what = kind === 'cluster' ? `cluster ${number}` : part
  return `The label${named} of ${what} matches no cluster with at least half of its tokens.`
}

const importLabels = async (
  workspace: Workspace,
  set: ReadSet,
  { run, clustering }: ClusteringPlace,
  author: string
): Promise<{ answer: ImportAnswer; changed: Awaited<ReturnType<typeof applyEdits>> }> => {
  clusteringOf(await workspace.getRun(run), clustering)
  const { proposals, edits, left } = await labelsForClustering(workspace, set, run, clustering, leastOverlap)
  const changed = await applyEdits(
    workspace,
    run,
    clustering,
    edits,
    `import ${proposals.length} labels of “${set.head.run.name}”`,
    author
  )
  return {
    answer: { run, clustering, clusters: clusterCount(set), labels: proposals.length, left: left.map(words) },
    changed
  }
}

/** Imports a set as a new run, with its labels. */
export const importRun = async (
  workspace: Workspace,
  set: ReadSet,
  path: string,
  author: string
): Promise<ImportAnswer> => {
  const { run, clustering } = await importAsRun(workspace, set, path, author)
  const labels = labelledCount(set, annotationsOf(set))
  return { run: run.id, clustering: clustering.number, clusters: clusterCount(set), labels, left: [] }
}

export const importCalls = (context: WorkbenchContext, received: ReceivedFiles): HandlersOf<'imports'> => ({
  inspect: async ({ path }) => {
    if (!received.has(path)) await context.reach.check(path)
    if (await isForeign([path])) {
      const remedy = 'import results of devinterp in the terminal, with `spectroscope import`'
      throw new SpectroscopeError('input', `${path} is a folder, and an annotated cluster set is a file; ${remedy}.`)
    }
    return inspect(context.workspace(), path)
  },

  receive: async ({ name, content }) => ({ path: await received.receive(name, content) }),

  annotated: async ({ path, into }) => {
    const workspace = context.workspace()
    if (!received.has(path)) await context.reach.check(path)
    const set = await readAnnotatedSet(path)
    if (into !== undefined) {
      const { answer, changed } = await importLabels(workspace, set, into, context.author())
      context.emit('annotations', changed)
      await received.remove(path)
      return answer
    }
    const answer = await importRun(workspace, set, path, context.author())
    context.emit('runs-changed', null)
    context.emit('undo', await workspace.getUndoState())
    await received.remove(path)
    return answer
  }
})

/**
 * Imports a set into a workspace, creating it if needed: as a new run, or its labels into a clustering (the latest by
 * default) of an existing run. Throws the errors of `readAnnotatedSet` and of the workspace.
 */
export const importFile = (
  folder: string,
  file: string,
  into: { readonly run: string; readonly clustering?: number } | undefined
): Promise<ImportAnswer> =>
  withWorkspace(folder, into === undefined ? 'create' : 'write', async (workspace) => {
    const set = await readAnnotatedSet(file)
    if (into === undefined) return importRun(workspace, set, file, accountName())
    const run = await workspace.findRun(into.run)
    if (run.clusterings.length === 0)
      throw new SpectroscopeError('input', `Run ${run.id} has no clusters to label; run \`cluster ${run.id}\` first.`)
    return (
      await importLabels(
        workspace,
        set,
        { run: run.id, clustering: clusteringOf(run, into.clustering).number },
        accountName()
      )
    ).answer
  })
