import type { ClusteringRecord } from '../../preload/records'
import { neighboursKey } from '../../preload/clustering-configuration'
import { SpectroscopeError } from '../../preload/errors'
import { describeStored } from '../pipeline/describe'
import { layOut } from '../pipeline/lay-out'
import type { CallHandlers, WorkbenchContext } from './context'
import type { Jobs } from './jobs'

/** Copies an array out of shared memory, which cannot be sent to a window. */
const own = <T extends Int32Array | Float32Array>(values: T): T =>
  values.buffer instanceof ArrayBuffer ? values : (values.slice() as T)

export const exploreCalls = (
  context: WorkbenchContext,
  jobs: Jobs
): Pick<CallHandlers, 'clusters' | 'tokens' | 'graph'> => {
  const clusteringOf = async (run: string, clustering: number): Promise<ClusteringRecord> => {
    const { clusterings } = await context.workspace().getRun(run)
    const found = clusterings.find(({ number }) => number === clustering)
    if (found === undefined)
      throw new SpectroscopeError(
        'input',
        `Run ${run} has no clustering ${clustering}; it has ` +
          `${clusterings.map(({ number }) => number).join(', ') || 'none'}.`
      )
    return found
  }

  /** Throws a `workspace` error if results cannot be stored because the workspace is read-only. */
  const refuseToKeep = (what: string): void => {
    const { folder, readOnly } = context.workspace()
    if (!readOnly) return
    const remedy = 'trust the folder, or open a copy in a writable place'
    throw new SpectroscopeError('workspace', `${folder}: ${what}, and the workspace is read-only; ${remedy}.`)
  }

  /** Describes a clustering if needed. Concurrent calls share one job. */
  const described = async (run: string, { number, name }: ClusteringRecord): Promise<void> => {
    const workspace = context.workspace()
    if (await workspace.isDescribed(run, number)) return
    refuseToKeep('the clusters are not described yet')
    const about = {
      kind: 'description',
      title: `Describing clusters of “${name}”`,
      run,
      key: `description ${run} ${number}`
    } as const
    await jobs.start(about, async ({ signal, progress }) =>
      describeStored(workspace, await workspace.getRun(run), number, { signal, onProgress: progress })
    ).done
  }

  return {
    clusters: {
      overview: async ({ run, clustering }) => {
        const record = await clusteringOf(run, clustering)
        await described(run, record)
        const workspace = context.workspace()
        const [entry, overview, annotations, undo] = [
          await workspace.getRun(run),
          await workspace.getOverview(run, clustering),
          await workspace.getAnnotations(run, clustering),
          await workspace.getUndoState()
        ]
        return { run: entry, clustering: record, ...overview, annotations, undo }
      },
      details: ({ run, clustering, cluster }) => context.workspace().getClusterDetails(run, clustering, cluster),
      search: ({ run, clustering, text, regularExpression }) =>
        context.workspace().searchClusters(run, clustering, text, regularExpression),
      tokens: ({ run, clustering, cluster, ...query }) =>
        context.workspace().getGallery(run, clustering, cluster, query),
      members: ({ run, clustering, cluster }) => context.workspace().getClusterMembers(run, cluster, { clustering })
    },

    tokens: {
      contexts: ({ run, tokens, before, after }) => context.workspace().getTokens(run, tokens, { before, after }),
      details: ({ run, clustering, token, before, after }) =>
        context.workspace().getTokenDetails(run, clustering, token, { before, after }),
      summary: ({ run, clustering, tokens }) => context.workspace().getSelectionDetails(run, clustering, tokens),
      find: ({ run, text, limit }) => context.workspace().findTokens(run, text, limit),
      membership: async ({ run, clustering, level }) =>
        own(await context.workspace().getMembership(run, { clustering, level })),
      strengths: async ({ run, clustering }) => own(await context.workspace().getStrengths(run, { clustering })),
      subsets: async ({ run }) => own(await context.workspace().getSubsetIndices(run)),
      column: async ({ run, component }) => own(await context.workspace().getColumn(run, component)),
      edges: async ({ run, clustering, tokens, most }) => {
        const { configuration } = await clusteringOf(run, clustering)
        const { neighbours, symmetrize } = configuration
        return context.workspace().getEdges(run, neighboursKey(configuration), neighbours, tokens, most, symmetrize)
      }
    },

    graph: {
      tokens: async ({ run, clustering, again }) => {
        const {
          configuration: { whiten }
        } = await clusteringOf(run, clustering)
        const workspace = context.workspace()
        const kept = again ? undefined : await workspace.getLayout(run, whiten)
        if (kept !== undefined)
          return { state: 'ready', method: kept.method, tokens: null, positions: own(kept.positions) }
        refuseToKeep('the token layout is not computed yet')
        const record = await workspace.getRun(run)
        const about = {
          kind: 'layout',
          title: `Computing token layout of “${record.name}”`,
          run,
          key: `layout ${run} ${whiten}`
        } as const
        const { job, done } = jobs.start(about, ({ signal, progress }) =>
          layOut(workspace, record, { whiten, signal, onProgress: progress })
        )
        done.catch(() => {})
        return { state: 'working', job }
      },
      clusters: ({ run, clustering }) => context.workspace().getClusterLayout(run, clustering)
    }
  }
}
