import { messageOf } from '../preload/contract'
import { answerTo, entryPaths, proofOf, socketProtocol } from '../preload/contract-entry'
import type { Challenge } from '../preload/contract-entry'
import { decode, encode, idOf } from '../preload/wire'
import type { Bridge, CallAnswer, Connection } from '../preload/contract'

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
  error: {
    kind: 'network',
    message:
      'The connection to the program was lost before it answered. The window reconnects on its own; if it ' +
      'does not, restart `spectroscope serve`.'
  }
}

const unreadable: CallAnswer = {
  ok: false,
  error: { kind: 'internal', message: 'The answer of the program cannot be read. Reload this page.' }
}

/** `CloseEvent.code` for a message that is neither an answer nor a notice. */
const unreadableCode = 4000

const longestPause = 5000

/** Address of a path of the server, for a page of this one. */
export const entryAddress = (path: string): URL => new URL(`.${path}`, window.location.href.split('#', 1)[0])

const newNonce = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

/** Opens a socket to a server that knows the secret; undefined where it does not. Rejects where none answers. */
const openSocket = async (secret: string): Promise<WebSocket | undefined> => {
  const pageNonce = newNonce()
  const address = entryAddress(entryPaths.challenge)
  address.searchParams.set('nonce', pageNonce)
  const response = await fetch(address)
  if (!response.ok) throw new Error(`The server answered ${response.status}.`)
  const challenge = (await response.json()) as Challenge
  if (challenge.proof !== proofOf(secret, 'server', pageNonce, challenge.nonce)) return undefined
  const at = entryAddress(entryPaths.socket).href.replace(/^http/, 'ws')
  return new WebSocket(at, [socketProtocol, answerTo(secret, pageNonce, challenge)])
}

/**
 * The connection of a browser to `spectroscope serve`: calls and notices over one WebSocket, which is opened again
 * when it is lost. The page's secret never leaves the page.
 */
export const connectBridge = (secret: string): Bridge => {
  const notices = new Set<(name: string, data: unknown) => void>()
  const connections = new Set<(state: Connection) => void>()
  const pending = new Map<number, (answer: CallAnswer) => void>()
  let waiting: Uint8Array<ArrayBuffer>[] = []
  let lastId = 0
  let pause = 250
  let socket: WebSocket | undefined
  void open()

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

  /** Nothing that was asked will be answered any more; tries anew after a pause. */
  const lose = (state: 'lost' | 'foreign'): void => {
    socket = undefined
    for (const id of pending.keys()) settle(id, lost)
    waiting = []
    for (const listener of connections) listener(state)
    window.setTimeout(() => void open(), pause)
    pause = Math.min(2 * pause, longestPause)
  }

  async function open(): Promise<void> {
    let opened: WebSocket | undefined
    try {
      opened = await openSocket(secret)
    } catch {
      return lose('lost')
    }
    if (opened === undefined) return lose('foreign')
    follow(opened)
  }

  const follow = (opened: WebSocket): void => {
    socket = opened
    opened.binaryType = 'arraybuffer'
    opened.addEventListener('open', () => {
      pause = 250
      for (const frame of waiting) opened.send(frame)
      waiting = []
      for (const listener of connections) listener('open')
    })
    opened.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => read(new Uint8Array(data), opened))
    opened.addEventListener('close', () => lose('lost'))
  }

  const send = (frame: unknown): void => {
    const bytes = encode(frame)
    if (socket?.readyState === WebSocket.OPEN) socket.send(bytes)
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
