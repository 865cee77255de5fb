/** The page's side of the replacement for electron: the modules that a sandboxed preload script can require. */
import { decode, encode } from '../../../preload/wire'

type Listener = (event: unknown, ...args: unknown[]) => void
type FromMain =
  | { readonly id: number; readonly result?: unknown; readonly error?: string }
  | { readonly channel: string; readonly args: readonly unknown[] }

export const hostPage = (window_: number, port: number): { readonly require: (name: string) => unknown } => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  socket.binaryType = 'arraybuffer'
  const listeners = new Map<string, Set<Listener>>()
  const pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  const waiting: Uint8Array<ArrayBuffer>[] = [encode({ window: window_ })]
  let lastId = 0
  const send = (message: unknown): void => {
    // Messages to the shell are cloned. Do so here too, so that uncloneable ones fail in the same way.
    const bytes = encode(structuredClone(message))
    if (socket.readyState === WebSocket.OPEN) socket.send(bytes)
    else waiting.push(bytes)
  }
  socket.addEventListener('open', () => waiting.splice(0).forEach((bytes) => socket.send(bytes)))
  socket.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => {
    const message = decode(new Uint8Array(data)) as FromMain
    if ('channel' in message)
      return listeners.get(message.channel)?.forEach((listener) => listener({}, ...message.args))
    const call = pending.get(message.id)
    pending.delete(message.id)
    if (message.error === undefined) call?.resolve(message.result)
    else call?.reject(new Error(message.error))
  })
  const electron = {
    contextBridge: {
      exposeInMainWorld: (name: string, value: unknown) =>
        Object.defineProperty(window, name, { value, enumerable: true })
    },
    ipcRenderer: {
      invoke: (channel: string, ...args: unknown[]) =>
        new Promise((resolve, reject) => {
          const id = ++lastId
          pending.set(id, { resolve, reject })
          send({ id, invoke: channel, args })
        }),
      send: (channel: string, ...args: unknown[]) => send({ send: channel, args }),
      on: (channel: string, listener: Listener) =>
        listeners.set(channel, (listeners.get(channel) ?? new Set()).add(listener)),
      off: (channel: string, listener: Listener) => listeners.get(channel)?.delete(listener)
    },
    webUtils: { getPathForFile: (file: File) => (file as File & { readonly hostPath?: string }).hostPath ?? '' }
  }
  return {
    require: (name) => {
      if (name !== 'electron') throw new Error(`a sandboxed preload script cannot require ${name}`)
      return electron
    }
  }
}
