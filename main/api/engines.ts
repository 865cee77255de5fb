import type { EngineInstallation, EngineInstalled, RunEvent } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { describeEngine } from '../engine/engines'
import { type InstallationPlan, install, planInstallation, planWords } from '../engine/tfjs/install'
import { installedPackage } from '../engine/tfjs/installation'
import type { HandlersOf } from './context'
import type { Jobs } from './jobs'

export { measureEnginesApart as measureEngines } from '../pipeline/session'

/** What can be installed by a name of its own, and the engine that it brings. */
const installable: Readonly<Record<string, string>> = { tfjs: 'tfjs-gpu' }

const engineOf = (name: string): string => {
  const engine = Object.entries(installable).find(([own, brings]) => name === own || name === brings)?.[1]
  if (engine === undefined) throw new SpectroscopeError('usage', `There is nothing to install by the name "${name}"; choose one of ${Object.keys(installable).join(', ')}.`)
  return engine
}

const planned = async (name: string, signal: AbortSignal): Promise<{ readonly engine: string; readonly plan: InstallationPlan }> => ({
  engine: engineOf(name),
  plan: await planInstallation(installedPackage(), signal)
})

/** What an installation needs and downloads. Throws `usage`, `engine` and `network` errors. */
export const describeInstallation = async (name: string, signal: AbortSignal): Promise<EngineInstallation> => {
  const { engine, plan } = await planned(name, signal)
  return { engine, bytes: plan.bytes, folder: plan.folder, words: planWords(plan) }
}

const megabytes = (bytes: number): number => bytes / 1e6

export interface InstallRequest {
  readonly name: string
  /** Asked once it is known what is to be downloaded; nothing is done unless it answers true. */
  readonly confirm: (installation: EngineInstallation) => Promise<boolean>
  readonly onEvent: (event: RunEvent) => void
  readonly signal: AbortSignal
}

/**
 * Installs what an engine needs, and opens it once. Throws `usage`, `network`, `storage`, `engine` and `interrupted` errors; an `engine`
 * error too where all is installed and the engine does not start, as without a GPU.
 */
export const installEngine = async ({ name, confirm, onEvent, signal }: InstallRequest): Promise<EngineInstalled> => {
  const installation = await describeInstallation(name, signal)
  const { engine } = installation
  if (!(await confirm(installation))) return { engine, installed: false, device: null, version: null }
  onEvent({ type: 'stage', stage: 'download', detail: 'TensorFlow\'s library for GPUs' })
  let downloaded = false
  await install(installedPackage(), {
    signal,
    onProgress: ({ done, total }) => {
      onEvent({ type: 'progress', progress: { stage: 'download', done: megabytes(done), total: Number.isFinite(total) ? megabytes(total) : 0, unit: 'MB', detail: 'libtensorflow' } })
      if (done < total || downloaded) return
      downloaded = true
      onEvent({ type: 'note', message: 'The library is there; its addon is being fetched or compiled.' })
    }
  })
  try {
    const { device, version } = await describeEngine(engine)
    return { engine, installed: true, device, version }
  } catch (error) {
    throw new SpectroscopeError('engine', `All files of ${engine} are installed, but it does not start: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

export const engineCalls = (jobs: Jobs): Omit<HandlersOf<'engines'>, 'engines.measure'> => ({
  'engines.describeInstallation': ({ name }) => describeInstallation(name, AbortSignal.timeout(60_000)),
  /** A person has agreed in the window. */
  'engines.install': ({ name }) => {
    const engine = engineOf(name)
    const { job, done } = jobs.start({ kind: 'download', title: `Installing ${engine}`, run: null, key: `install ${engine}` }, ({ signal, progress }) =>
      installEngine({
        name, signal,
        confirm: () => Promise.resolve(true),
        onEvent: (event) => {
          if (event.type === 'note') progress({ detail: event.message })
          if (event.type !== 'progress') return
          const { done: megabytesDone, total } = event.progress
          progress({ ...(total > 0 ? { fraction: megabytesDone / total } : {}), detail: `${Math.round(megabytesDone)}${total > 0 ? ` of ${Math.round(total)}` : ''} MB` })
        }
      }))
    done.catch(() => {})
    return job
  }
})
