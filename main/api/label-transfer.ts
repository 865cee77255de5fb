import type { Annotation, AnnotationsChanged } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { isSelection } from '../../preload/label-rules'
import type { RunRecord } from '../../preload/records'
import type { AnnotationEdit } from '../labels/annotations'
import { carryLabels } from '../labels/carry'
import type { CarriedLabels, CarryDestination } from '../labels/carry'
import type { Workspace } from '../store/store'
import { matchKnown } from './study-matching'

/** Applies edits as one undo step. Without edits, the undo history does not change. */
export const applyEdits = async (
  workspace: Workspace,
  run: string,
  clustering: number,
  edits: readonly AnnotationEdit[],
  words: string,
  author: string,
  id?: string
): Promise<AnnotationsChanged> => {
  if (edits.length === 0) return { run, clustering, changed: [], undo: await workspace.getUndoState() }
  return workspace.applyAnnotations({ run, clustering, words, author, edits, ...(id === undefined ? {} : { id }) })
}

export interface ClusteringPlace {
  readonly run: string
  readonly clustering: number
}

/** Everything needed to transfer labels to a clustering: its clusters, labels and free numbers. */
export const destinationOf = async (
  workspace: Workspace,
  { run, clustering }: ClusteringPlace
): Promise<CarryDestination> => ({
  membership: await workspace.getMembership(run, { clustering }),
  tree: await workspace.getTree(run, { clustering }),
  annotations: await workspace.getAnnotations(run, clustering),
  ...(await workspace.nextNumbers(run, clustering))
})

/** For every left token, its right counterpart. Null if both runs have the same study. */
const matchedTokens = async (workspace: Workspace, left: string, right: string): Promise<Int32Array | null> => {
  if (left === right) return null
  const [leftStudy, rightStudy] = [await workspace.getStudy(left), await workspace.getStudy(right)]
  if (
    leftStudy.hash === rightStudy.hash &&
    leftStudy.targets.length === rightStudy.targets.length &&
    leftStudy.targets.every(({ length }, row) => length === rightStudy.targets[row].length)
  )
    return null
  const [here, there] = [
    { run: left, study: leftStudy },
    { run: right, study: rightStudy }
  ]
  return (await matchKnown(workspace, here, there)).matched
}

/**
 * Works out how labels transfer from one clustering to another by overlap, without storing anything. `least` is the
 * minimum Jaccard index. Throws an `input` error if both are the same.
 */
export const carry = async (
  workspace: Workspace,
  from: ClusteringPlace,
  to: ClusteringPlace,
  least: number,
  wanted: (annotation: Annotation) => boolean
): Promise<CarriedLabels> => {
  if (from.run === to.run && from.clustering === to.clustering)
    throw new SpectroscopeError(
      'input',
      'Labels cannot be transferred from a clustering to itself; choose two clusterings.'
    )
  const annotations = (await workspace.getAnnotations(from.run, from.clustering)).filter(wanted)
  const membership = await workspace.getMembership(from.run, { clustering: from.clustering })
  const tree = await workspace.getTree(from.run, { clustering: from.clustering })
  return carryLabels(
    { membership, tree, annotations },
    await destinationOf(workspace, to),
    await matchedTokens(workspace, from.run, to.run),
    least
  )
}

/** Minimum Jaccard index for transferring a label automatically, as *Compare* proposes. */
const leastOverlap = 0.5

/**
 * The latest clustering of a run with labels of its own. Every clustering has the run's selections, so where there is
 * nothing else the latest of all has them. Undefined if nothing is labelled.
 */
const latestLabelled = async (workspace: Workspace, { id, clusterings }: RunRecord): Promise<number | undefined> => {
  let selected: number | undefined
  for (const { number } of clusterings.toReversed()) {
    const annotations = await workspace.getAnnotations(id, number)
    if (annotations.some(({ target }) => !isSelection(target))) return number
    if (annotations.length > 0) selected ??= number
  }
  return selected
}

/**
 * Transfers labels to a run from the run that it continues, by overlap, as *Compare* does: from its latest clustering
 * with labels to the run's latest clustering. Returns null if there are no labels to transfer, or the run has its
 * own.
 */
export const transferLabels = async (
  workspace: Workspace,
  { id, clusterings, provenance: { continued } }: RunRecord,
  author: string
): Promise<AnnotationsChanged | null> => {
  const target = clusterings.at(-1)
  const begun =
    continued === undefined ? undefined : (await workspace.listRuns()).find((run) => run.id === continued.run)
  if (target === undefined || begun === undefined || (await workspace.getAnnotations(id, target.number)).length > 0)
    return null
  const number = await latestLabelled(workspace, begun)
  if (number === undefined) return null
  const [from, to] = [
    { run: begun.id, clustering: number },
    { run: id, clustering: target.number }
  ]
  const { proposals, edits } = await carry(workspace, from, to, leastOverlap, () => true)
  return proposals.length === 0
    ? null
    : applyEdits(
        workspace,
        id,
        target.number,
        edits,
        `transfer ${proposals.length} labels from “${begun.name}”, which this run continues`,
        author
      )
}
