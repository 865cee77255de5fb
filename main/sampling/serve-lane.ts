import { parentPort, workerData } from 'node:worker_threads'
import { toPlain } from '../../preload/errors'
import type { Evaluator } from '../engine/core'
import type { LaneWork } from './lane-work'
import type { FromLane, LaneData, ToLane } from './thread-lanes'
import { openWork } from './open-work'
import type { SharedRun } from './tasks'

/**
 * Turns this worker thread into a lane of the run in `workerData`: does the pool's tasks until told to close. Opens
 * an evaluator if its kind needs one.
 */
export const serveLane = async (openEvaluator: (run: SharedRun) => Promise<Evaluator>): Promise<void> => {
  const { run, kind } = workerData as LaneData
  const port = parentPort!
  const send = (message: FromLane): void => port.postMessage(message)

  const answer = async (work: LaneWork, message: ToLane): Promise<void> => {
    if (message.type === 'share') return work.share(message.key, message.prefix)
    if (message.type === 'release') return work.release(message.key)
    if (message.type === 'close') {
      // Nothing can be freed on a device that is gone.
      await work.dispose().catch(() => {})
      port.close()
      return
    }
    try {
      send({ type: 'result', id: message.id, result: await work.run(message.task) })
    } catch (error) {
      send({ type: 'error', id: message.id, error: toPlain(error) })
    }
  }

  try {
    const work = await openWork(run, kind, openEvaluator)
    let last: Promise<void> = Promise.resolve()
    port.on('message', (message: ToLane) => {
      last = last.then(() => answer(work, message))
    })
    send({ type: 'ready', stacks: work.stacks })
  } catch (error) {
    send({ type: 'failed', error: toPlain(error) })
  }
}
