import { decode, encode } from '../../preload/wire'
import { serveFromPage } from '../../main/engine/wgsl/page'

/** Computes for whoever listens at the address, with the adapter that the browser was started with. */
const open = async () => {
  const adapter = await navigator.gpu?.requestAdapter()
  if (!adapter) throw new Error('the browser has no adapter')
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
  const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } })
  return { name: [adapter.info.vendor, adapter.info.architecture, adapter.info.description].filter((words) => words !== '').join(' '), device }
}

export const connect = (address: string): void => {
  const socket = new WebSocket(address)
  socket.binaryType = 'arraybuffer'
  serveFromPage(
    {
      send: (message) => socket.send(encode(message)),
      onMessage: (listener) => socket.addEventListener('message', ({ data }) => listener(decode(new Uint8Array(data as ArrayBuffer))))
    },
    open
  )
}
