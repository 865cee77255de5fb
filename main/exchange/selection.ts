import type { Annotation } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterNumber, RunRecord } from '../../preload/records'
import { labelledClusters } from '../labels/annotations'

/** Clusters to export: all of them with what is left over, those that a person has labelled, or some by number. */
export type Selection = 'all' | 'labelled' | readonly ClusterNumber[]

/** Numbers of all groups of a clustering: in order of discovery, what is left over last. */
export const groupsOf = ({ clusters, leftoverSize }: ClusteringRecord): ClusterNumber[] => [
  ...Array.from({ length: clusters }, (_, cluster) => cluster), ...(leftoverSize > 0 ? [leftoverCluster] : [])
]

/** The clustering of a run by its number, the latest by default; an `input` error where there is no such one. */
export const clusteringOf = (run: RunRecord, number: number | undefined): ClusteringRecord => {
  const found = number === undefined ? run.clusterings.at(-1) : run.clusterings.find((clustering) => clustering.number === number)
  if (found !== undefined) return found
  throw new SpectroscopeError('input', run.clusterings.length === 0
    ? `Run ${run.id} has no clustering yet; \`cluster ${run.id}\` makes one.`
    : `Run ${run.id} has no clustering ${number}; it has ${run.clusterings.map((one) => one.number).join(', ')}.`)
}

/** The chosen clusters in the order of `groupsOf`; null for all of them. Throws an `input` error where there is none, or one is not there. */
export const chosenClusters = (run: RunRecord, clustering: ClusteringRecord, selection: Selection, annotations: readonly Annotation[]): ClusterNumber[] | null => {
  if (selection === 'all') return null
  const groups = groupsOf(clustering)
  const chosen = selection === 'labelled' ? labelledClusters(annotations) : new Set(selection)
  const missing = [...chosen].find((cluster) => !groups.includes(cluster))
  if (missing !== undefined) {
    throw new SpectroscopeError('input', missing === leftoverCluster
      ? `Clustering ${clustering.number} of run ${run.id} left no token over.`
      : `Clustering ${clustering.number} of run ${run.id} has no cluster ${missing}; it has ${clustering.clusters === 0 ? 'none' : `0 to ${clustering.clusters - 1}`}.`)
  }
  if (chosen.size === 0) throw new SpectroscopeError('input', `No cluster of clustering ${clustering.number} of run ${run.id} is labelled; label some, or export all.`)
  return groups.filter((cluster) => chosen.has(cluster))
}
