import { messageOf } from '../preload/contract'
import { decode, encode, idOf } from '../preload/wire'
import type { Bridge, CallAnswer } from '../preload/contract'

interface Answer {
  readonly id: number
  readonly answer: CallAnswer
}
interface Notice {
  readonly notice: string
  readonly data: unknown
}

const lost: CallAnswer = {
  ok: false,
  error: { kind: 'network', message: 'The connection to the program was lost before it answered; it is tried again by itself, or start `spectroscope serve` anew.' }
}

const unreadable: CallAnswer = {
  ok: false,
  error: { kind: 'internal', message: 'The answer of the program cannot be read; load this page again.' }
}

/** `CloseEvent.code` for a message that is neither an answer nor a notice. */
const unreadableCode = 4000

const longestPause = 5000

/** The connection of a browser to `spectroscope serve`: calls and notices over one WebSocket, which is opened again when it is lost. */
export const connectBridge = (address = new URL('./bridge', window.location.href.replace(/^http/, 'ws')).href): Bridge => {
  const notices = new Set<(name: string, data: unknown) => void>()
  const connections = new Set<(state: 'open' | 'lost') => void>()
  const pending = new Map<number, (answer: CallAnswer) => void>()
  let waiting: Uint8Array<ArrayBuffer>[] = []
  let lastId = 0
  let pause = 250
  let socket = open()

  const settle = (id: number, answer: CallAnswer): void => {
    pending.get(id)?.(answer)
    pending.delete(id)
  }

  const read = (bytes: Uint8Array, from: WebSocket): void => {
    let frame: Answer | Notice
    try {
      frame = decode(bytes) as Answer | Notice
    } catch {
      const id = idOf(bytes)
      if (id === undefined) from.close(unreadableCode)
      else settle(id, unreadable)
      return
    }
    if ('notice' in frame) for (const listener of notices) listener(frame.notice, frame.data)
    else settle(frame.id, frame.answer)
  }

  function open(): WebSocket {
    const opened = new WebSocket(address)
    opened.binaryType = 'arraybuffer'
    opened.addEventListener('open', () => {
      pause = 250
      for (const frame of waiting) opened.send(frame)
      waiting = []
      for (const listener of connections) listener('open')
    })
    opened.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => read(new Uint8Array(data), opened))
    opened.addEventListener('close', () => {
      for (const id of pending.keys()) settle(id, lost)
      waiting = []
      for (const listener of connections) listener('lost')
      window.setTimeout(() => (socket = open()), pause)
      pause = Math.min(2 * pause, longestPause)
    })
    return opened
  }

  const send = (frame: unknown): void => {
    const bytes = encode(frame)
    if (socket.readyState === WebSocket.OPEN) socket.send(bytes)
    else waiting.push(bytes)
  }

  return {
    shell: 'browser',
    call: (method, parameters) =>
      new Promise((resolve) => {
        const id = ++lastId
        pending.set(id, resolve)
        try {
          send({ id, call: method, parameters })
        } catch (error) {
          const message = `The call ${method} cannot be sent: ${messageOf(error)}`
          settle(id, { ok: false, error: { kind: 'usage', message } })
        }
      }),
    onNotice: (listener) => {
      notices.add(listener)
      return () => notices.delete(listener)
    },
    pathOf: () => null,
    answerClosing: (answer) => send({ closing: answer }),
    onConnection: (listener) => {
      connections.add(listener)
      return () => connections.delete(listener)
    }
  }
}
