import { SpectroscopeError } from '../../preload/errors'
import type { Pool } from '../base/pool'
import type { ClusteringResult, ClusteringTask, Meter } from './tasks'

export type ClusteringPool = Pool<ClusteringTask, ClusteringResult>

export interface Watched {
  /** Called several times a second with the share done, 0 to 1, and the seconds left if they can be estimated. */
  readonly onProgress?: ((fraction: number, secondsLeft: number | undefined) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const progressMilliseconds = 250
/** Below this share, the time left would be a guess. */
const telling = 0.02

const interrupted = (): SpectroscopeError =>
  new SpectroscopeError('interrupted', 'The task was stopped before it finished; start it again.')

/**
 * Runs one task on one worker thread and reports its progress. When `signal` aborts, stops the worker at once and
 * throws an `interrupted` error.
 */
export const performWatched = async (
  task: (meter: Meter) => ClusteringTask,
  { onProgress, signal }: Watched,
  open: () => ClusteringPool
): Promise<ClusteringResult> => {
  if (signal?.aborted) throw interrupted()
  const meter = new Float64Array(new SharedArrayBuffer(8))
  const started = Date.now()
  const report = (): void => {
    const fraction = Math.min(1, meter[0])
    onProgress?.(fraction, fraction > telling ? ((Date.now() - started) / 1000) * (1 / fraction - 1) : undefined)
  }
  const pool = open()
  const stop = (): void => void pool.close()
  signal?.addEventListener('abort', stop, { once: true })
  const timer = setInterval(report, progressMilliseconds)
  try {
    const [result] = await pool.runOn(1, task(meter))
    meter[0] = 1
    report()
    return result
  } catch (error) {
    if (signal?.aborted) throw interrupted()
    throw error
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', stop)
    await pool.close()
  }
}
