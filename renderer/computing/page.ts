import { decode, encode } from '../../preload/wire'
import { type OpenDevice, serveFromPage } from '../../main/engine/wgsl/page'

/** The page of the hidden window: it computes for whoever is at the other end of the channel beside it, and ends with that. */
const socket = new WebSocket(new URL('channel', location.href))
socket.binaryType = 'arraybuffer'
socket.addEventListener('close', () => window.close())

const open: OpenDevice = async (kind) => {
  const adapter = await navigator.gpu?.requestAdapter({
    powerPreference: 'high-performance',
    forceFallbackAdapter: kind === 'software'
  })
  if (!adapter) return undefined
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info
  const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } })
  return {
    name: [vendor, architecture, description, isFallbackAdapter ? 'fallback adapter' : '']
      .filter((words) => words !== '')
      .join(' '),
    device
  }
}

/** Of a reason for closing no more than this fits. */
const mostReasonBytes = 123

serveFromPage(
  {
    send: (message) => socket.send(encode(message)),
    onMessage: (listener) =>
      socket.addEventListener('message', ({ data }) => listener(decode(new Uint8Array(data as ArrayBuffer)))),
    close: (words) => socket.close(4000, words.replace(/[^ -~]/g, '?').slice(0, mostReasonBytes))
  },
  open
)
