import type { Annotation } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { labelledGroups } from '../../preload/labels'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterNumber, RunRecord } from '../../preload/records'
import { missingGroup } from '../base/group-tree'
import type { GroupTree } from '../base/group-tree'
import type { Workspace } from '../store/store'

/** Clusters to export: all, including unclustered tokens; those that count as labelled; or a list of numbers. */
export type Selection = 'all' | 'labelled' | readonly ClusterNumber[]

/** Numbers of all groups of a clustering: clusters, then the groups above them, unclustered tokens last. */
export const groupNumbers = ({ clusters, groupsAbove, leftoverSize }: ClusteringRecord): ClusterNumber[] => [
  ...Array.from({ length: clusters + groupsAbove }, (_, group) => group),
  ...(leftoverSize > 0 ? [leftoverCluster] : [])
]

/** Clustering of a run by number, by default the latest. Throws an `input` error if it does not exist. */
export const clusteringOf = (run: RunRecord, number: number | undefined): ClusteringRecord => {
  const found =
    number === undefined ? run.clusterings.at(-1) : run.clusterings.find((clustering) => clustering.number === number)
  if (found !== undefined) return found
  throw new SpectroscopeError(
    'input',
    run.clusterings.length === 0
      ? `Run ${run.id} has no clustering yet; make one with \`cluster ${run.id}\`.`
      : `Run ${run.id} has no clustering ${number}; it has ${run.clusterings.map((one) => one.number).join(', ')}.`
  )
}

/**
 * The selected groups in the order of `groupNumbers`, or null for all. A selected group includes everything below it,
 * but nothing above it. Throws an `input` error if the selection is empty or names a missing group.
 */
export const chosenClusters = (
  run: RunRecord,
  clustering: ClusteringRecord,
  tree: GroupTree,
  selection: Selection,
  annotations: readonly Annotation[]
): ClusterNumber[] | null => {
  if (selection === 'all') return null
  const groups = groupNumbers(clustering)
  const chosen = selection === 'labelled' ? labelledGroups(annotations) : new Set(selection)
  const missing = [...chosen].find((cluster) => !groups.includes(cluster))
  if (missing !== undefined) throw missingGroup(run.id, clustering, missing)
  if (chosen.size === 0)
    throw new SpectroscopeError(
      'input',
      `No cluster of clustering ${clustering.number} of run ${run.id} is labelled; label some, or export all.`
    )
  const all = new Set([...chosen].flatMap((group) => (group === leftoverCluster ? [group] : tree.within(group))))
  return groups.filter((cluster) => all.has(cluster))
}

/** Tokens in ascending order, each once. Throws an `input` error if there are none, or the run has not all of them. */
export const checkedTokens = ({ id, tokens: count }: RunRecord, asked: ArrayLike<number>): Int32Array => {
  const tokens = Int32Array.from(new Set(Array.from(asked))).sort()
  const foreign = tokens.find((token) => token < 0 || token >= count)
  if (foreign === undefined && tokens.length > 0) return tokens
  const what = foreign === undefined ? 'No token was given' : `Run ${id} has no token ${foreign}`
  throw new SpectroscopeError('input', `${what}; its tokens are 0 to ${count - 1}.`)
}

/** Clusters that tokens are in, the unclustered tokens last. */
export const clustersAround = async (
  workspace: Workspace,
  run: string,
  { number }: ClusteringRecord,
  tokens: Int32Array
): Promise<ClusterNumber[]> => {
  const membership = await workspace.getMembership(run, { clustering: number })
  const own = [...new Set(Array.from(tokens, (token) => membership[token]))]
  return own.sort((a, b) => Number(a < 0) - Number(b < 0) || a - b)
}
