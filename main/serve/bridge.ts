import type { RawData, WebSocket } from 'ws'
import { decode, encode } from '../../preload/wire'
import type { ServerFrame } from '../../preload/wire'
import type { Workbench } from '../api/workbench'

/** An import arrives in one frame (at most 256 MiB of content), with its call around it. */
export const mostFrameBytes = 257 * 2 ** 20
/** Calls of one browser that are being answered; a window never has so many. */
const mostCalls = 2000
/** Bytes that wait for a slow browser before notices of progress are left out. */
const mostWaitingBytes = 64 * 2 ** 20

type Frame = { readonly id: number; readonly call: unknown; readonly parameters: unknown } | { readonly closing: string }

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)

/** Undefined for what is no frame of ours. */
const frameOf = (data: RawData, binary: boolean): Frame | undefined => {
  if (!binary) return undefined
  try {
    const value = decode(Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data)
    if (!isObject(value)) return undefined
    if (typeof value['closing'] === 'string') return { closing: value['closing'] }
    const { id, call, parameters } = value
    return typeof id === 'number' && Number.isSafeInteger(id) ? { id, call, parameters } : undefined
  } catch {
    return undefined
  }
}

/** What the window may lose without being wrong afterwards: the next one says it again. */
const passing = new Set(['run-event', 'trace', 'job'])

/** Connects one browser to the workbench, until either ends. */
export const connect = (socket: WebSocket, workbench: Workbench): void => {
  let calls = 0
  const send = (frame: ServerFrame): void => {
    if (socket.readyState === socket.OPEN) socket.send(encode(frame))
  }
  const off = workbench.onNotice((notice, data) => {
    if (socket.bufferedAmount > mostWaitingBytes && passing.has(notice)) return
    send({ notice, data })
  })
  const answer = async ({ id, call, parameters }: Extract<Frame, { call: unknown }>): Promise<void> => {
    calls++
    try {
      send({ id, answer: await workbench.call(call, parameters) })
    } catch {
      send({ id, answer: { ok: false, error: { kind: 'internal', message: 'The answer cannot be sent: it is too large, or holds what a browser cannot be told.' } } })
    } finally {
      calls--
    }
  }
  socket.on('message', (data, binary) => {
    const frame = frameOf(data, binary)
    if (frame === undefined) socket.close(1003, 'This is no frame of the window.')
    else if ('closing' in frame) {
      if (frame.closing === 'checkpoint') void workbench.checkpoint().catch(() => {})
    } else if (calls >= mostCalls) socket.close(1008, 'Too many calls at once.')
    else void answer(frame)
  })
  socket.on('close', off)
  socket.on('error', off)
}
