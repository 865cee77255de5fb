import type { Evaluator } from '../main/engine/core/evaluator'
import type { OpenLane } from '../main/sampling/lane'
import { openWork } from '../main/sampling/open-work'
import type { SharedRun } from '../main/sampling/tasks'

/** Lanes in this thread, each with its own evaluator. */
export const localLane =
  (openEvaluator: (run: SharedRun) => Promise<Evaluator>): OpenLane =>
  async (run, kind) => {
    const work = await openWork(run, kind, openEvaluator)
    let last: Promise<unknown> = Promise.resolve()
    return {
      stacks: work.stacks,
      run: (task) => {
        const result = last.then(() => work.run(task))
        last = result.catch(() => {})
        return result
      },
      share: (key, prefix) => work.share(key, prefix),
      release: (key) => void last.then(() => work.release(key)),
      close: async () => {
        await last
        await work.dispose().catch(() => {})
      }
    }
  }
