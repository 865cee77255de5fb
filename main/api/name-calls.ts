import { namingKeySchema } from '../../preload/calls-naming'
import { SpectroscopeError } from '../../preload/errors'
import type { ModelAccess } from '../naming/client'
import type { HandlersOf, WorkbenchContext } from './context'
import type { Jobs } from './jobs'
import { dismissName, keptNames, previewNaming, suggestNamesByModel, unnamedClusters } from './naming'
import { entriesOf, keepEntries } from './settings'

/** Entry of the settings file. It is no setting, so that no window is ever told it. */
const keyEntry = 'namingKey'

export const nameCalls = (context: WorkbenchContext, jobs: Jobs): HandlersOf<'names'> => {
  const { settings: file } = context.environment
  const key = (): string => namingKeySchema.safeParse(entriesOf(file)[keyEntry]).data ?? ''

  /**
   * The server of the settings. Throws a `configuration` error where names by a model are off, or it is not named.
   */
  const access = (): ModelAccess => {
    const { enabled, address, model } = context.settings().naming
    if (enabled && address !== '' && model !== '') return { address, model, key: key() }
    const what = enabled ? 'The model server has no address or model' : 'Names by a model are off'
    throw new SpectroscopeError('configuration', `${what}; change that in Settings.`)
  }

  return {
    list: async (place) => ({ ...place, names: await keptNames(context.workspace(), place).read() }),

    preview: ({ cluster, ...place }) => previewNaming(context.workspace(), place, cluster, access()),

    suggest: async ({ cluster, ...place }) => {
      const workspace = context.workspace()
      const server = access()
      const busy = jobs.list().some(({ kind, state }) => kind === 'names' && state === 'working')
      if (busy) throw new SpectroscopeError('usage', 'Names are being suggested already; wait, or cancel that first.')
      const { run, clustering } = place
      const clusters = cluster === undefined ? await unnamedClusters(workspace, place) : [cluster]
      const about = {
        kind: 'names',
        title: `Suggesting names by ${server.model}`,
        run,
        key: `names ${run} ${clustering}`
      } as const
      const { job, done } = jobs.start(about, async ({ signal, progress }) => {
        const words = (count: number, failed: number): string =>
          `${count} of ${clusters.length}${failed === 0 ? '' : `, ${failed} failed`}`
        progress({ fraction: 0, detail: words(0, 0) })
        const { failed, failure } = await suggestNamesByModel(workspace, place, {
          clusters,
          access: server,
          signal,
          onNames: (names) => context.emit('suggested-names', { ...place, names }),
          onProgress: (told) =>
            progress({ fraction: told.done / clusters.length, detail: words(told.done, told.failed) })
        })
        if (failure !== null) {
          const message = `${failed} of ${clusters.length} clusters got no name; the last reason: ${failure}`
          context.emit('problem', { kind: 'network', message })
        }
      })
      done.catch(() => {})
      return job
    },

    dismiss: async ({ cluster, ...place }) => {
      const names = await dismissName(context.workspace(), place, cluster)
      context.emit('suggested-names', { ...place, names })
      return null
    },

    hasKey: () => key() !== '',
    setKey: ({ key: given }) => {
      keepEntries(file, 'The settings file', { [keyEntry]: given })
      return null
    }
  }
}
