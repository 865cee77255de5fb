import { Worker, parentPort } from 'node:worker_threads'
import { fromPlain, toPlain, type PlainError } from '../../preload/errors'

/** Workers that each run one task at a time. Shared arrays inside tasks stay shared; everything else is cloned. */
export interface Pool<Task, Result> {
  readonly size: number
  /**
   * Runs `task` on each of the first `count` workers at once. Results are in the order of workers. Rejects with the
   * first error.
   */
  readonly runOn: (count: number, task: Task) => Promise<Result[]>
  /** Terminates the workers at once. Running tasks are lost and their promises reject. */
  readonly close: () => Promise<void>
}

type Answer<Result> = { readonly result: Result } | { readonly error: PlainError }

/** Runs the tasks in the calling thread, as a single worker. */
export const inProcessPool = <Task, Result>(run: (task: Task) => Promise<Result> | Result): Pool<Task, Result> => ({
  size: 1,
  runOn: async (_count, task) => [await run(task)],
  close: () => Promise.resolve()
})

/**
 * Starts `size` worker threads from the built file `entry`, which must call `serveTasks`. A task's own error arrives
 * unchanged (a SpectroscopeError by kind). When a worker dies, all running and later tasks fail.
 */
export const openPool = <Task, Result>(entry: string, size: number): Pool<Task, Result> => {
  const workers = Array.from({ length: size }, () => new Worker(entry))
  const waiting = new Map<Worker, { resolve: (result: Result) => void; reject: (error: Error) => void }>()
  let failure: Error | undefined
  const fail = (error: Error): void => {
    failure ??= error
    for (const { reject } of waiting.values()) reject(failure)
    waiting.clear()
  }
  for (const worker of workers) {
    worker.on('message', (answer: Answer<Result>) => {
      const caller = waiting.get(worker)
      waiting.delete(worker)
      if ('error' in answer) caller?.reject(fromPlain(answer.error))
      else caller?.resolve(answer.result)
    })
    worker.on('error', fail)
    worker.on('exit', (code) => fail(new Error(`A worker thread ended with code ${code}.`)))
  }
  const send = (worker: Worker, task: Task): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      waiting.set(worker, { resolve, reject })
      worker.postMessage(task)
    })
  return {
    size,
    runOn: (count, task) => Promise.all(workers.slice(0, count).map((worker) => send(worker, task))),
    close: async () => {
      fail(new Error('The worker threads were ended.'))
      await Promise.all(workers.map((worker) => worker.terminate()))
    }
  }
}

/** The worker's side of `openPool`: answers each message with the result or error of `execute`. */
export const serveTasks = (execute: (task: never) => unknown): void => {
  const port = parentPort!
  const answer = async (task: unknown): Promise<Answer<unknown>> => {
    try {
      return { result: await execute(task as never) }
    } catch (error) {
      return { error: toPlain(error) }
    }
  }
  port.on('message', (task: unknown) => void answer(task).then((message) => port.postMessage(message)))
}
