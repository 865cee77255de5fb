import { serveParent } from '../../base/processes'
import type { Executor } from '../core'
import { executorHandlers } from './handlers'
import type { ExecutorCalls } from './messages'

/** Makes this process compute for a `ProcessExecutor`. `open` creates the executor, once. */
export const serveExecutor = <Options>(open: (options: Options) => Executor | Promise<Executor>): void => {
  serveParent<ExecutorCalls<Options>>(executorHandlers(open))
}
