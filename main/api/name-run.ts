import { namingKeySchema } from '../../preload/calls-naming'
import type { NamingPreview, SuggestedName } from '../../preload/contract-naming'
import { SpectroscopeError } from '../../preload/errors'
import { clusteringOf } from '../exchange/selection'
import { completionsUrl } from '../naming/client'
import type { ModelAccess } from '../naming/client'
import { keptNames, previewNaming, suggestNamesByModel, unnamedClusters } from './naming'
import { withWorkspace } from './workspaces'

export interface NameQuery {
  readonly clustering?: number
  readonly cluster?: number
}

export interface NameRequest extends NameQuery {
  readonly signal: AbortSignal
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void
}

/** The answer of `name`. */
export interface NamedRun {
  readonly run: string
  readonly clustering: number
  /** Those that were suggested now. */
  readonly names: readonly SuggestedName[]
  readonly failed: number
  readonly failure: string | null
}

/** Throws a `configuration` error for an address or a key that cannot be, before anything is opened. */
const checkAccess = ({ address, key }: ModelAccess): void => {
  completionsUrl(address)
  if (namingKeySchema.safeParse(key).success) return
  const what = 'SPECTROSCOPE_NAMING_KEY has spaces, or characters that no key has'
  throw new SpectroscopeError('configuration', `${what}; set it to the key alone.`)
}

/** What would be sent for a cluster of a run. */
export const previewRunNames = (
  folder: string,
  text: string,
  access: ModelAccess,
  { clustering: number, cluster = 0 }: NameQuery
): Promise<NamingPreview> => {
  checkAccess(access)
  return withWorkspace(folder, 'read', async (workspace) => {
    const run = await workspace.findRun(text)
    return previewNaming(workspace, { run: run.id, clustering: clusteringOf(run, number).number }, cluster, access)
  })
}

/** Has a model suggest names for one cluster of a run, or for all that have neither a label nor a suggestion. */
export const nameRun = (
  folder: string,
  text: string,
  access: ModelAccess,
  { clustering: number, cluster, signal, onProgress }: NameRequest
): Promise<NamedRun> => {
  checkAccess(access)
  return withWorkspace(folder, 'write', async (workspace) => {
    const run = await workspace.findRun(text)
    const place = { run: run.id, clustering: clusteringOf(run, number).number }
    const clusters = cluster === undefined ? await unnamedClusters(workspace, place) : [cluster]
    const { failed, failure } = await suggestNamesByModel(workspace, place, {
      clusters,
      access,
      signal,
      onNames: () => {},
      onProgress: ({ done }) => onProgress({ done, total: clusters.length })
    })
    const asked = new Set(clusters)
    const all = await keptNames(workspace, place).read()
    return { ...place, names: all.filter((name) => asked.has(name.cluster)), failed, failure }
  })
}
