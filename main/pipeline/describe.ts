import { SpectroscopeError } from '../../preload/errors'
import { groupKinds } from '../../preload/records'
import type { ClusteringRecord, GroupKind, RunRecord, StudyRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { interruption } from './abort-scope'
import type { DescribeRequest } from './messages'
import { inNewProcess } from './session'
import type { ProcessOptions, Compute } from './session'
import { clusteredColumns, sendMatrix } from './transfer'

/** Progress of long work outside the stages, such as a description or a layout. */
export interface PartProgress {
  readonly fraction: number
  readonly detail: string
  readonly secondsLeft?: number
}

export interface PartOptions extends ProcessOptions {
  readonly onProgress?: (progress: PartProgress) => void
}

/** Reports a compute call's progress as the part of the whole from `from` to `to`. */
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

/** Fractions of the total at which the matrix has been sent and the description computed. */
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

/** Subset of each studied token, as an index into the sorted subset names. */
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
 * Describes a stored clustering with a compute process and stores the description. `sent` says that the process
 * already has the run's matrix and the clustering's neighbours. Repeating it gives the same description.
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
 * Describes a stored clustering that has no description, in a new compute process. Throws an `input` error if there
 * is no such clustering.
 */
export const describeStored = async (
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
  await inNewProcess('describe', options, (compute) => describeWith(compute, workspace, run, record, false, options))
}
