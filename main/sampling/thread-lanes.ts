import { Worker } from 'worker_threads'
import { type PlainError, messageOf, fromPlain, SpectroscopeError } from '../../preload/errors'
import { entryPath } from '../base/entries'
import type { Prefix } from '../engine/core'
import { type OpenLane, LaneLost } from './lane'
import type { SharedRun, LaneKind, Task, TaskResult } from './tasks'

/** Data that a worker starts with. */
export interface LaneData {
  readonly run: SharedRun
  readonly kind: LaneKind
}

export type ToLane =
  | { readonly type: 'task'; readonly id: number; readonly task: Task }
  | { readonly type: 'share'; readonly key: number; readonly prefix: Prefix }
  | { readonly type: 'release'; readonly key: number }
  | { readonly type: 'close' }

export type FromLane =
  | { readonly type: 'ready'; readonly stacks: boolean }
  | { readonly type: 'failed'; readonly error: PlainError }
  | { readonly type: 'result'; readonly id: number; readonly result: TaskResult }
  | { readonly type: 'error'; readonly id: number; readonly error: PlainError }

/** Opens lanes as worker threads that run the built `sampling/worker.ts` or another entry that calls `serveLane`. */
export const threadLanes =
  (entry = entryPath('sampling-worker')): OpenLane =>
  async (run, kind) => {
    const data: LaneData = { run, kind }
    const worker = new Worker(entry, { workerData: data })
    const pending = new Map<
      number,
      { readonly resolve: (result: TaskResult) => void; readonly reject: (error: Error) => void }
    >()
    let lastId = 0
    let lost: LaneLost | undefined
    let cause = 'it ended by itself'
    const send = (message: ToLane): void => worker.postMessage(message)
    const exited = new Promise<void>((resolve) => {
      worker.once('error', (error) => {
        cause = messageOf(error)
      })
      worker.once('exit', () => {
        lost = new LaneLost(cause)
        for (const { reject } of pending.values()) reject(lost)
        pending.clear()
        resolve()
      })
    })
    const ready = new Promise<boolean>((resolve, reject) => {
      worker.on('message', (message: FromLane) => {
        if (message.type === 'ready') return resolve(message.stacks)
        if (message.type === 'failed') return reject(fromPlain(message.error))
        const task = pending.get(message.id)
        pending.delete(message.id)
        if (message.type === 'result') task?.resolve(message.result)
        else task?.reject(fromPlain(message.error))
      })
      void exited.then(() => reject(new SpectroscopeError('engine', `A sampling worker could not start: ${cause}.`)))
    })
    const stacks = await ready
    return {
      stacks,
      run: (task) =>
        new Promise((resolve, reject) => {
          if (lost !== undefined) return reject(lost)
          pending.set(++lastId, { resolve, reject })
          send({ type: 'task', id: lastId, task })
        }),
      share: (key, prefix) => send({ type: 'share', key, prefix }),
      release: (key) => send({ type: 'release', key }),
      close: () => {
        send({ type: 'close' })
        return exited
      }
    }
  }
