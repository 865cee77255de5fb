import { SpectroscopeError } from '../../preload/errors'
import { groupKinds } from '../../preload/records'
import type { ClusteringRecord, GroupKind, RunRecord, StudyRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { interruption } from './companion'
import type { DescribeRequest } from './messages'
import { besideRuns } from './session'
import type { BesideOptions, Compute } from './session'
import { clusteredColumns, sendMatrix } from './transfer'

/** How far long work beside the stages is; rates are those of its slowest part. */
export interface PartProgress {
  readonly fraction: number
  readonly detail: string
  readonly secondsLeft?: number
}

export interface PartOptions extends BesideOptions {
  readonly onProgress?: (progress: PartProgress) => void
}

/** Relays what a compute process tells of a part of the work that lies between two shares of the whole. */
export const relayPart = (
  compute: Compute,
  [from, to]: readonly [number, number],
  detail: string,
  onProgress: ((progress: PartProgress) => void) | undefined
): (() => void) =>
  compute.on('part', ({ fraction, secondsLeft }) =>
    onProgress?.({
      fraction: from + (to - from) * fraction,
      detail,
      ...(secondsLeft === undefined ? {} : { secondsLeft })
    })
  )

/** Shares of the whole where sending the matrix, and then the description, end. */
const sentShare = 0.1
const describedShare = 0.8

/** Memberships of the levels that have groups, clusters first. */
const levelsOf = async (
  workspace: Workspace,
  { id }: RunRecord,
  clustering: number
): Promise<DescribeRequest['levels']> => {
  const levels: { readonly kind: GroupKind; readonly membership: Int32Array }[] = []
  for (const kind of [...groupKinds].reverse()) {
    const membership = await workspace.getMembership(id, { clustering, level: kind })
    if (kind === 'cluster' || membership.some((group) => group >= 0)) levels.push({ kind, membership })
  }
  return levels
}

/** The subset of each studied token, as an index into the sorted names. */
const tokenSubsets = ({
  provenance,
  targets
}: Pick<StudyRecord, 'provenance' | 'targets'>): Pick<DescribeRequest, 'subsets' | 'subsetOf'> => {
  const names = targets.map((_, row) => provenance[row]?.subset ?? '')
  const subsets = [...new Set(names)].sort()
  const indices = new Map(subsets.map((subset, index) => [subset, index]))
  return {
    subsets,
    subsetOf: Int32Array.from(
      targets.flatMap((positions, row) => Array.from(positions, () => indices.get(names[row])!))
    )
  }
}

/**
 * Describes a stored clustering with a compute process and stores the description. `sent` where that process has the
 * run's matrix and the clustering's neighbours already. What was stored is the same however often this is begun anew.
 */
export const describeWith = async (
  compute: Compute,
  workspace: Workspace,
  run: RunRecord,
  { number, configuration }: ClusteringRecord,
  sent: boolean,
  { signal, onProgress }: Omit<PartOptions, 'onNote'>
): Promise<void> => {
  const checkStopped = (): void => {
    if (signal.aborted) throw interruption()
  }
  onProgress?.({ fraction: 0, detail: 'reading clusters' })
  if (!sent) await sendMatrix(workspace, run, compute, configuration, true)
  checkStopped()
  const { probe, targets, provenance } = await workspace.getStudy(run.id)
  const texts = await workspace.getTexts(run.id)
  const levels = await levelsOf(workspace, run, number)
  checkStopped()
  const off = relayPart(compute, [sentShare, describedShare], 'describing clusters', onProgress)
  try {
    const { columns } = await clusteredColumns(workspace, run, configuration)
    const about = { rows: { probe, targets }, texts, ...tokenSubsets({ provenance, targets }) }
    const request = {
      configuration,
      columns,
      components: run.components,
      levels,
      ...about,
      seed: run.configuration.seed
    }
    const description = await compute.call('describe', request, { signal })
    onProgress?.({ fraction: describedShare, detail: 'saving descriptions' })
    await workspace.saveDescription(run.id, number, description)
    onProgress?.({ fraction: 1, detail: 'described' })
  } finally {
    off()
  }
}

/**
 * Describes a clustering that is kept without a description, in a compute process of its own. Throws an `input` error
 * where there is no such clustering.
 */
export const describeKept = async (
  workspace: Workspace,
  run: RunRecord,
  clustering: number,
  options: PartOptions
): Promise<void> => {
  const record = run.clusterings.find(({ number }) => number === clustering)
  if (record === undefined)
    throw new SpectroscopeError(
      'input',
      `Run ${run.id} has no clustering ${clustering}; it has ` +
        `${run.clusterings.map(({ number }) => number).join(', ') || 'none'}.`
    )
  await besideRuns('describe', options, (compute) => describeWith(compute, workspace, run, record, false, options))
}
