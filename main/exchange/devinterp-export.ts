import { concatenate } from '../base/concatenate'
import type { RunRecord, StudyRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { devinterpName } from '../../preload/devinterp-names'
import { groups } from './devinterp-results'
import { ZarrWriter } from './zarr-writer'

/** Subset of each probe row as a number, and the names of the subsets. A row without one is of "probe". */
const datasetsOf = ({ provenance }: StudyRecord): { readonly names: string[]; readonly ids: Int32Array } => {
  const subsets = provenance.map(({ subset }) => (subset === '' ? 'probe' : subset))
  const names = [...new Set(subsets)].sort()
  const numbers = new Map(names.map((name, id) => [name, id]))
  return { names, ids: Int32Array.from(subsets, (subset) => numbers.get(subset)!) }
}

/** Number of each probe row within its subset. */
const batchesOf = (ids: Int32Array): Int32Array => {
  const counts = new Map<number, number>()
  return ids.map((id) => {
    const batch = counts.get(id) ?? 0
    counts.set(id, batch + 1)
    return batch
  })
}

interface Rows {
  readonly study: StudyRecord
  readonly datasets: Int32Array
  readonly batches: Int32Array
  /** For each row, the positions that are written, ascending. */
  readonly positions: readonly Int32Array[]
}

const writeCoordinates = async (
  writer: ZarrWriter,
  group: string,
  dimension: string,
  place: string,
  { datasets, batches }: Rows,
  positions: readonly Int32Array[]
): Promise<void> => {
  const names = { dimensions: [dimension] }
  const spread = (values: Int32Array): Int32Array =>
    concatenate(positions.map(({ length }, row) => new Int32Array(length).fill(values[row])))
  await writer.integers(`${group}/dataset_id`, names, spread(datasets))
  await writer.integers(`${group}/batch`, names, spread(batches))
  await writer.integers(`${group}/${place}`, names, concatenate(positions))
}

/**
 * Writes a run's matrix as the tree that devinterp's `compute_susceptibilities` gives, into a folder:
 * `/susceptibilities` and `/context`, in Zarr 3. `chosen` marks the tokens that are written, with the rows that have
 * them; undefined for all. `blocks` are their rows of χ.
 */
export const writeDevinterp = async (
  workspace: Workspace,
  { id, components }: RunRecord,
  folder: string,
  chosen: Uint8Array | undefined,
  blocks: AsyncIterable<Float32Array>
): Promise<void> => {
  const study = await workspace.getStudy(id)
  const { names, ids: datasets } = datasetsOf(study)
  let token = 0
  const positions = study.targets.map((targets) => targets.filter(() => chosen === undefined || chosen[token++] === 1))
  const rows: Rows = { study, datasets, batches: batchesOf(datasets), positions }
  const contexts = study.probe.map((ids, row) =>
    Int32Array.from({ length: positions[row].length === 0 ? 0 : ids.length }, (_, at) => at)
  )
  const writer = new ZarrWriter(folder)
  const attributes = { dataset_id_to_name: names }
  const tokens = positions.reduce((sum, { length }) => sum + length, 0)
  await writer.group('', {})
  await writer.group(groups.susceptibilities, attributes)
  await writer.matrix(
    `${groups.susceptibilities}/sus`,
    [tokens, components.length],
    { dimensions: ['sus_flat', 'wr'], attributes: { coordinates: 'batch dataset_id target_position' } },
    blocks
  )
  await writer.texts(`${groups.susceptibilities}/wr`, { dimensions: ['wr'] }, components.map(devinterpName))
  await writeCoordinates(writer, groups.susceptibilities, 'sus_flat', 'target_position', rows, positions)
  await writer.group(groups.context, attributes)
  await writer.integers(
    `${groups.context}/input_ids`,
    { dimensions: ['ctx_flat'], attributes: { coordinates: 'batch dataset_id position' } },
    concatenate(study.probe.map((ids, row) => ids.subarray(0, contexts[row].length)))
  )
  await writeCoordinates(writer, groups.context, 'ctx_flat', 'position', rows, contexts)
  await writer.consolidate()
}
