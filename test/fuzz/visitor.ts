/** A child that opens the workspaces that it is told of, reads all that is shown of them, and says how that ended. */
import { join } from 'node:path'
import { settled } from '../../main/api/runs'
import { SweepRecords } from '../../main/api/sweep-records'
import { exportAnnotatedSet } from '../../main/exchange/annotated-export'
import { exportRun } from '../../main/exchange/export'
import { exportReport } from '../../main/exchange/report'
import { exportSite } from '../../main/exchange/site'
import { KeptNames } from '../../main/naming/kept-names'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { namesFolderOf } from '../../main/store/workspace-paths'
import { toPlain } from '../../preload/errors'
import type { PlainError } from '../../preload/errors'

export interface Visit {
  readonly folder: string
  /** Exports are written here. */
  readonly exports: string
  readonly readOnly: boolean
}

const page = { stratum: 'central', seed: 1, offset: 0, limit: 5, before: 8, after: 8 } as const

/** Errors of everything that was asked for, in order; none of a workspace in which all is well. */
export type Seen = readonly { readonly asked: string; readonly error: PlainError }[]

const visit = async ({ folder, exports, readOnly }: Visit): Promise<Seen> => {
  const seen: { asked: string; error: PlainError }[] = []
  const attempt = async (asked: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      seen.push({ asked, error: toPlain(error) })
    }
  }
  const readClustering = async (workspace: Workspace, run: string, clustering: number): Promise<void> => {
    const ask = (asked: string, work: () => Promise<unknown>): Promise<void> => attempt(asked, work)
    await ask('the overview', () => workspace.getOverview(run, clustering))
    await ask('summaries', async () => {
      for (const { cluster } of await workspace.getClusterSummaries(run, { clustering, topTokens: 5 })) {
        await workspace.getClusterDetails(run, clustering, cluster)
        await workspace.getGallery(run, clustering, cluster, page)
        await workspace.getClusterTokens(run, cluster, { clustering, order: 'central' })
      }
    })
    await ask('strengths', () => workspace.getStrengths(run, { clustering, level: 'region' }))
    await ask('the layout', () => workspace.getClusterLayout(run, clustering))
    await ask('the heat map', () => workspace.getHeatMap(run, clustering, 10))
    await ask('a search', () => workspace.searchClusters(run, clustering, 'e', true))
    await ask('labels', () => workspace.getAnnotations(run, clustering))
    await ask('a token', () => workspace.getTokenDetails(run, clustering, 3))
    await ask('suggested names', () => new KeptNames(namesFolderOf(workspace.folder, run), clustering).read())
  }
  const read = async (workspace: Workspace): Promise<void> => {
    await attempt('counts of labels', () => workspace.countLabels())
    await attempt('the history', () => workspace.getHistory(100))
    await attempt('undo', () => workspace.getUndoState())
    await attempt('sweeps', () => new SweepRecords(workspace.folder).list())
    const runs = (await workspace.listRuns()).map(settled)
    for (const [place, { id, clusterings }] of runs.entries()) {
      await attempt('the study', () => workspace.getStudy(id))
      await attempt('the matrix', () => workspace.getSusceptibilities(id))
      await attempt('diagnostics', () => workspace.getDiagnostics(id))
      await attempt('traces', () => workspace.getTraces(id))
      await attempt('spreads', () => workspace.getColumnSpreads(id))
      await attempt('a layout', () => workspace.getLayout(id, false))
      await attempt('edges', () => workspace.getEdges(id, 0, 3, Int32Array.of(0, 1, 2), 100))
      for (const { number } of clusterings) await readClustering(workspace, id, number)
      const to = (name: string): string => join(exports, `${place}-${name}`)
      for (const format of ['csv', 'json', 'npy'] as const) {
        await attempt(`an export as ${format}`, () => exportRun(workspace, id, { format, folder: to(format) }))
      }
      const options = { clusters: 'all', program: 'fuzz' } as const
      await attempt('an annotated set', () => exportAnnotatedSet(workspace, id, { ...options, file: to('set.json') }))
      await attempt('a report', () => exportReport(workspace, id, { ...options, file: to('report.html') }))
      await attempt('a site', () => exportSite(workspace, id, { ...options, folder: to('site') }))
    }
    if (!readOnly) await attempt('deleting', () => workspace.purgeDeleted())
  }
  await attempt('opening', async () => {
    const workspace = await openWorkspace(folder, { readOnly })
    try {
      await attempt('the list of runs', () => read(workspace))
    } finally {
      await workspace.close()
    }
  })
  return seen
}

process.on('message', (message) => {
  void visit(message as Visit).then((seen) => process.send?.(seen))
})
