import { basename, resolve } from 'node:path'
import type { RunEvent } from '../../preload/contract'
import { fetchModel } from '../models/hub'
import type { FetchProgress } from '../models/hub'

export interface FetchRequest {
  /** Name on the hub: "EleutherAI/pythia-14m". */
  readonly name: string
  readonly revision?: string
  /** Target folder; by default one with the model's name in the current folder. */
  readonly folder?: string
  readonly onEvent: (event: RunEvent) => void
  readonly signal: AbortSignal
}

const megabytes = (bytes: number): number => bytes / 1e6

/** Reports progress, with the time left at the average speed so far. */
const reporter = (onEvent: FetchRequest['onEvent']): ((progress: FetchProgress) => void) => {
  let first: { readonly done: number; readonly at: number } | undefined
  return ({ file, done, total }) => {
    first ??= { done, at: performance.now() }
    const seconds = (performance.now() - first.at) / 1000
    const left = (seconds * (total - done)) / (done - first.done)
    onEvent({
      type: 'progress',
      progress: {
        stage: 'download',
        done: megabytes(done),
        total: megabytes(total),
        unit: 'MB',
        detail: file,
        ...(seconds > 1 && Number.isFinite(left) ? { secondsLeft: left } : {})
      }
    })
  }
}

/**
 * Downloads a model's files from the hub, or from HF_ENDPOINT if set. Resumes an interrupted download. Throws the
 * errors of `fetchModel`.
 */
export const fetchFromHub = ({
  name,
  revision,
  folder,
  onEvent,
  signal
}: FetchRequest): Promise<{ readonly folder: string; readonly files: readonly string[] }> => {
  const endpoint = process.env['HF_ENDPOINT'] ?? ''
  onEvent({ type: 'stage', stage: 'download', detail: name })
  return fetchModel(name, {
    folder: resolve(folder ?? basename(name)),
    onProgress: reporter(onEvent),
    signal,
    ...(revision === undefined ? {} : { revision }),
    ...(endpoint === '' ? {} : { endpoint })
  })
}
