import { saidOf } from '../../preload/labels'
import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber, ClusterSummary, RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { StudyTexts } from './contexts'
import { readMap } from './map-places'
import { centralTokens, momentsOf } from './moments'
import { shownTopTokens } from './report-cluster'
import type { Report } from './report-cluster'
import { readSelections } from './report-selections'
import { chosenClusters, clusteringOf } from './selection'
import type { Selection } from './selection'

/** Contexts per cluster. Fewer if there are many clusters, so that a browser can open the page. */
const contextsOf = (clusters: number): number => (clusters <= 300 ? 24 : 8)

/** Reliability of each column, in order; NaN if unknown. */
const reliabilitiesOf = async (workspace: Workspace, { id, components }: RunRecord): Promise<number[]> => {
  const diagnostics = new Map((await workspace.getDiagnostics(id)).map((each) => [each.component, each.reliability]))
  return components.map((component) => diagnostics.get(component) ?? Number.NaN)
}

export interface ReportOrder {
  readonly clustering: number | undefined
  readonly clusters: Selection
  readonly program: string
  /** Contexts of each group; by default fewer where there are many groups. */
  readonly contexts?: number | undefined
}

/** Everything that a report or a site shows of a clustering, its chosen groups and labels; throws `input` errors. */
export const readReport = async (
  workspace: Workspace,
  runId: string,
  { clustering: number, clusters, program, contexts }: ReportOrder
): Promise<Report> => {
  const run = await workspace.getRun(runId)
  const clustering = clusteringOf(run, number)
  const which = { clustering: clustering.number }
  const annotations = await workspace.getAnnotations(run.id, clustering.number)
  const tree = await workspace.getTree(run.id, which)
  const selection = chosenClusters(run, clustering, tree, clusters, annotations)
  const membership = await workspace.getMembership(run.id, which)
  const all = await workspace.getClusterSummaries(run.id, { ...which, topTokens: shownTopTokens })
  const known = new Map(all.map((summary) => [summary.cluster, summary]))
  const placed = tree.inOrder((group) => known.get(group)?.size ?? 0)
  const order: ClusterNumber[] = [...placed.map(({ cluster }) => cluster), leftoverCluster]
  const chosen = new Set(selection ?? order)
  const summaries: ClusterSummary[] = order
    .filter((cluster) => chosen.has(cluster))
    .flatMap((cluster) => known.get(cluster) ?? [])
  const { clusters: entries } = await workspace.getOverview(run.id, clustering.number)
  const moments = await momentsOf(workspace, run.id, membership, tree)
  const most = contexts ?? contextsOf(summaries.length)
  return {
    run,
    clustering,
    selection,
    tree,
    summaries,
    shown: new Map(summaries.map((summary) => [summary.cluster, summary])),
    entries: new Map(entries.map((entry) => [entry.cluster, entry])),
    moments,
    central: await centralTokens(workspace, run.id, membership, tree, moments, most),
    map: await readMap(workspace, run, clustering, membership),
    selections: await readSelections(workspace, run.id, clustering.number, annotations, membership, (cluster) =>
      chosen.has(cluster)
    ),
    picture: undefined,
    program,
    reliabilities: await reliabilitiesOf(workspace, run),
    annotations: new Map(annotations.map((annotation) => [annotation.target, annotation])),
    said: saidOf(annotations),
    texts: await StudyTexts.of(workspace, run.id)
  }
}
