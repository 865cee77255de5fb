import { SpectroscopeError } from '../../preload/errors'
import type { LayoutRecord, RunRecord } from '../../preload/records'
import { layoutNeighbours } from '../clustering/layout'
import type { Workspace } from '../store/store'
import { relayPart } from './describe'
import type { PartOptions } from './describe'
import { inNewProcess } from './session'
import type { Compute } from './session'
import { clusteredColumns, sendColumns, sendNeighbours } from './transfer'

export interface LayOutOptions extends PartOptions {
  /** Whether to use the neighbours of whitened data. */
  readonly whiten: boolean
}

const sentShare = 0.05
const laidOutShare = 0.98

/** Sends as many neighbours as a layout uses, or the most that any clustering has. */
const sendSomeNeighbours = async (
  workspace: Workspace,
  run: RunRecord,
  compute: Compute,
  whiten: boolean
): Promise<void> => {
  const exact = { neighbours: layoutNeighbours, whiten, recall: 1 }
  const others = run.clusterings.flatMap(({ configuration }) =>
    configuration.whiten === whiten && (configuration.recall < 1 || configuration.neighbours < layoutNeighbours)
      ? [configuration]
      : []
  )
  const isExact = ({ recall }: { readonly recall: number }): number => Number(recall === 1)
  others.sort((a, b) => isExact(b) - isExact(a) || b.neighbours - a.neighbours)
  for (const settings of [exact, ...others]) if (await sendNeighbours(workspace, run, compute, settings)) return
}

const layOutWith = async (
  compute: Compute,
  workspace: Workspace,
  run: RunRecord,
  { whiten, onProgress }: LayOutOptions
): Promise<LayoutRecord> => {
  onProgress?.({ fraction: 0, detail: 'reading matrix' })
  await sendColumns(workspace, run, compute)
  await sendSomeNeighbours(workspace, run, compute, whiten)
  const off = relayPart(compute, [sentShare, laidOutShare], 'computing layout', onProgress)
  try {
    const layout = await compute.call('layOut', {
      columns: (await clusteredColumns(workspace, run, { allColumns: false })).columns,
      components: run.components,
      whiten,
      seed: run.configuration.seed
    })
    onProgress?.({ fraction: laidOutShare, detail: 'saving layout' })
    await workspace.saveLayout(run.id, whiten, layout)
    return layout
  } finally {
    off()
  }
}

/**
 * Lays out the tokens of a run in the plane by their stored neighbours, or by principal components if there are none,
 * in a new compute process. Stores the layout. Throws a `usage` error for a run without susceptibilities, and
 * `interrupted` after `signal`.
 */
export const layOut = async (workspace: Workspace, run: RunRecord, options: LayOutOptions): Promise<LayoutRecord> => {
  if (run.components.length === 0)
    throw new SpectroscopeError(
      'usage',
      `Run ${run.id} has no susceptibilities to lay out tokens by; resume it, or use the cluster graph.`
    )
  return inNewProcess('layOut', options, (compute) => layOutWith(compute, workspace, run, options))
}
