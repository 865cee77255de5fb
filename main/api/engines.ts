import type { EngineInstallation, EngineInstalled, RunEvent } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { PlannedInstallation } from '../engine/devices/installing'
import { planCudaInstallation, removeCuda } from '../engine/devices/cuda'
import { planTfjs, removeTfjs } from '../engine/devices/tfjs'
import { measureEngineApart } from '../pipeline/session'
import type { HandlersOf } from './context'
import type { Jobs } from './jobs'

export { measureEnginesApart as measureEngines } from '../pipeline/session'

interface Installable {
  /** The engine that it installs. */
  readonly engine: string
  /** Name of the download: in sentences, and in progress reports. */
  readonly what: string
  readonly detail: string
  readonly plan: (signal: AbortSignal) => Promise<PlannedInstallation>
  readonly remove: () => Promise<void>
}

/** Installable components by name. */
const installable: Readonly<Record<string, Installable>> = {
  cuda: {
    engine: 'onnx-cuda',
    what: "onnxruntime's provider for CUDA",
    detail: 'provider',
    plan: planCudaInstallation,
    remove: removeCuda
  },
  tfjs: {
    engine: 'tfjs-gpu',
    what: 'TensorFlow',
    detail: 'TensorFlow',
    plan: planTfjs,
    remove: removeTfjs
  }
}

const installableOf = (name: string): Installable => {
  const found = Object.entries(installable).find(([own, { engine }]) => name === own || name === engine)?.[1]
  if (found === undefined)
    throw new SpectroscopeError(
      'usage',
      `"${name}" cannot be installed; choose one of ${Object.keys(installable).join(', ')}.`
    )
  return found
}

const shown = ({ engine }: Installable, { bytes, folder, words }: PlannedInstallation): EngineInstallation => ({
  engine,
  bytes,
  folder,
  words
})

/** Describes what an installation needs and downloads. Throws `usage`, `engine` and `network` errors. */
export const describeInstallation = async (name: string, signal: AbortSignal): Promise<EngineInstallation> => {
  const found = installableOf(name)
  return shown(found, await found.plan(signal))
}

const megabytes = (bytes: number): number => bytes / 1e6

export interface InstallRequest {
  readonly name: string
  /** Called once the download is known. Nothing is installed unless it resolves to true. */
  readonly confirm: (installation: EngineInstallation) => Promise<boolean>
  readonly onEvent: (event: RunEvent) => void
  readonly signal: AbortSignal
}

/**
 * Installs what an engine needs, unless it is there, and measures the engine once in a separate process. Throws
 * `usage`, `network`, `storage` and `interrupted` errors, and an `engine` error if the engine does not start
 * afterwards, for example without a GPU.
 */
export const installEngine = async ({ name, confirm, onEvent, signal }: InstallRequest): Promise<EngineInstalled> => {
  const found = installableOf(name)
  const { engine, what, detail } = found
  const plan = await found.plan(signal)
  if (plan.whole) onEvent({ type: 'note', message: `${what} is already installed in ${plan.folder}.` })
  else if (!(await confirm(shown(found, plan))))
    return { engine, installed: false, device: null, version: null, tokensPerSecond: null }
  else {
    onEvent({ type: 'stage', stage: 'download', detail: what })
    await plan.install({
      signal,
      onProgress: ({ done, total }) =>
        onEvent({
          type: 'progress',
          progress: {
            stage: 'download',
            done: megabytes(done),
            total: Number.isFinite(total) ? megabytes(total) : 0,
            unit: 'MB',
            detail
          }
        }),
      onNote: (message) => onEvent({ type: 'note', message })
    })
  }
  const { available, remedy, device, version, tokensPerSecond } = await measureEngineApart(engine)
  if (!available)
    throw new SpectroscopeError(
      'engine',
      `${engine} is installed but does not start: ${remedy ?? 'no reason was given'}`
    )
  return { engine, installed: true, device, version, tokensPerSecond }
}

/** Removes an installation. Throws `usage` and `engine` errors. */
export const removeEngine = async (name: string): Promise<{ readonly engine: string }> => {
  const { engine, remove } = installableOf(name)
  await remove()
  return { engine }
}

export const engineCalls = (jobs: Jobs): Omit<HandlersOf<'engines'>, 'measure'> => ({
  describeInstallation: ({ name }) => describeInstallation(name, AbortSignal.timeout(60_000)),
  /** The user has already agreed in the window. */
  install: ({ name }) => {
    const { engine } = installableOf(name)
    const { job, done } = jobs.start(
      { kind: 'download', title: `Installing ${engine}`, run: null, key: `install ${engine}` },
      ({ signal, progress }) =>
        installEngine({
          name,
          signal,
          confirm: () => Promise.resolve(true),
          onEvent: (event) => {
            if (event.type === 'note') progress({ detail: event.message })
            if (event.type !== 'progress') return
            const { done: megabytesDone, total } = event.progress
            progress({
              ...(total > 0 ? { fraction: megabytesDone / total } : {}),
              detail: `${Math.round(megabytesDone)}${total > 0 ? ` of ${Math.round(total)}` : ''} MB`
            })
          }
        })
    )
    done.catch(() => {})
    return job
  }
})
