import type { DuckDBConnection } from '@duckdb/node-api'
import type {
  AnnotationBody,
  AnnotationChange,
  AnnotationsChanged,
  AnnotationTarget,
  BlindScore
} from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { clusterTarget, emptyLabel, parseTarget } from '../../preload/label-rules'
import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber } from '../../preload/records'
import { hasGroup, missingGroup } from '../base/group-tree'
import type { GroupTree } from '../base/group-tree'
import { editsOf } from '../labels/annotations'
import { applyAnnotations, findChange, getAnnotations, getUndoState, nextNumbers } from './annotations'
import { getClusterMembers } from './clusters'
import { knownClustering } from './facts'
import type { JournalFile } from './journal'

interface ClusteringChange {
  readonly run: string
  readonly clustering: number
  readonly author: string
  /** Identifies this change; chosen by the caller. */
  readonly id?: string | undefined
}

export interface LabelsOrder extends ClusteringChange {
  /** Describes the step in the menu: "label 3 clusters “closing brackets”". */
  readonly words: string
  readonly changes: readonly AnnotationChange[]
}

export interface BlindAnswer extends ClusteringChange {
  readonly cluster: ClusterNumber
  readonly right: boolean
}

const clustersNamed = (change: AnnotationChange): ClusterNumber[] => {
  if (change.do === 'merge') return change.clusters
  if (change.do === 'select') return []
  if (change.do === 'split') return [change.cluster]
  return change.targets.map(parseTarget).flatMap(({ kind, number }) => (kind === 'cluster' ? [number] : []))
}

const mentioned = (tree: GroupTree, cluster: ClusterNumber): string =>
  cluster === leftoverCluster ? 'the unclustered tokens' : `${tree.kindOf(cluster)} ${cluster}`

/** Throws unless all groups of a merge are of one level, so that none contains another. */
const checkMerge = (tree: GroupTree, [first, ...others]: readonly ClusterNumber[]): void => {
  const other = others.find((cluster) => tree.kindOf(cluster) !== tree.kindOf(first))
  if (other === undefined) return
  const [one, two] = [mentioned(tree, first), mentioned(tree, other)]
  const what = `A merge needs groups of one level, but ${one} and ${two} differ`
  throw new SpectroscopeError('input', `${what}; select clusters only, or groups of one level above.`)
}

/** Throws unless all tokens of a part are in its cluster. */
const checkPart = (members: Int32Array, cluster: ClusterNumber, tokens: readonly number[]): void => {
  const there = new Set(members)
  const foreign = tokens.find((token) => !there.has(token))
  if (foreign === undefined) return
  const remedy = 'select tokens of one cluster to split off'
  throw new SpectroscopeError('input', `Token ${foreign} is not in cluster ${cluster}; ${remedy}.`)
}

/** Throws unless a run has all tokens of a selection. */
const checkSelection = (run: string, count: number, tokens: readonly number[]): void => {
  const missing = tokens.find((token) => token >= count)
  if (missing !== undefined)
    throw new SpectroscopeError('input', `Run ${run} has no token ${missing}; its tokens are 0 to ${count - 1}.`)
}

/** Throws an `input` error if changes name missing groups or tokens, or groups that cannot be merged. */
const checkChanges = async (
  connection: DuckDBConnection,
  { run, clustering: number, changes }: LabelsOrder
): Promise<void> => {
  const { clustering, tree, tokens } = await knownClustering(connection, run, number)
  const missing = changes.flatMap(clustersNamed).find((cluster) => !hasGroup(clustering, cluster))
  if (missing !== undefined) throw missingGroup(run, clustering, missing)
  for (const change of changes) if (change.do === 'merge') checkMerge(tree, change.clusters)
  for (const change of changes) if (change.do === 'select') checkSelection(run, tokens, change.tokens)
  for (const change of changes) {
    if (change.do !== 'split') continue
    checkPart(await getClusterMembers(connection, run, number, change.cluster), change.cluster, change.tokens)
  }
}

const bodiesOf = async (
  connection: DuckDBConnection,
  run: string,
  clustering: number
): Promise<Map<AnnotationTarget, AnnotationBody>> =>
  new Map((await getAnnotations(connection, run, clustering)).map(({ target, ...body }) => [target, body]))

/**
 * Applies label changes as one undo step. Throws an `input` error and changes nothing if any of them is impossible.
 * Repeating it with the same id has no effect.
 */
export const changeLabels = async (
  connection: DuckDBConnection,
  journal: JournalFile,
  order: LabelsOrder & { readonly id: string }
): Promise<AnnotationsChanged> => {
  const { run, clustering, changes, words, author, id } = order
  const done = await findChange(connection, run, clustering, id)
  if (done !== null) return done
  await checkChanges(connection, order)
  const edits = editsOf(changes, await bodiesOf(connection, run, clustering), {
    author,
    now: new Date().toISOString(),
    ...(await nextNumbers(connection, run, clustering))
  })
  if (edits.length === 0) return { run, clustering, changed: [], undo: await getUndoState(connection) }
  return applyAnnotations(connection, journal, { run, clustering, words, author, edits, id })
}

/** Counts a blind-test answer for the label that was tested. Repeating it with the same id has no effect. */
export const countBlindTest = async (
  connection: DuckDBConnection,
  journal: JournalFile,
  { run, clustering, author, cluster, right, id }: BlindAnswer & { readonly id: string }
): Promise<{ readonly changed: AnnotationsChanged; readonly score: BlindScore }> => {
  const target = clusterTarget(cluster)
  const body = (await bodiesOf(connection, run, clustering)).get(target)
  const done = await findChange(connection, run, clustering, id)
  const before = body?.blindTest ?? { right: 0, of: 0 }
  if (done !== null) return { changed: done, score: before }
  const score = { right: before.right + Number(right), of: before.of + 1 }
  const after: AnnotationBody = {
    ...(body ?? { ...emptyLabel, author, changedAt: new Date().toISOString() }),
    blindTest: score
  }
  const words = `blind test of cluster ${cluster}`
  const edits = [{ target, after }]
  return { changed: await applyAnnotations(connection, journal, { run, clustering, words, author, edits, id }), score }
}
