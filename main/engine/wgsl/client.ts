import { once } from 'node:events'
import { WebSocket } from 'ws'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { decode, encode } from '../../../preload/wire'
import type { ChildHandle } from '../../base/processes'
import { ProcessExecutor } from '../apart/client'
import { isSoftware } from '../webgpu/adapter'
import { deviceOfKind } from '../webgpu/client'
import type { Kind } from '../webgpu/kind'

/** Where processes of the desktop program find the address at which a hidden window is opened for each that connects. */
export const computingVariable = 'SPECTROSCOPE_COMPUTING'

/** Numbers of one message: a program's inputs, or what it gives back. */
export const mostMessageBytes = 2 ** 31 - 1

const names: Readonly<Record<Kind, string>> = { hardware: 'webgpu-window', software: 'webgpu-window-software' }

/** The page at the other end, which ends with the connection. */
const pageBehind = (socket: WebSocket): ChildHandle => ({
  pid: undefined,
  send: (message, failed) =>
    socket.send(encode(message), (error) => {
      if (error) failed()
    }),
  onMessage: (listener) => void socket.on('message', (data: Buffer) => listener(decode(data))),
  onExit: (listener) =>
    void socket.once('close', (_, reason) =>
      listener({
        code: null,
        signal: null,
        words: reason.length === 0 ? 'its connection was closed' : reason.toString()
      })
    ),
  kill: () => socket.terminate(),
  disconnect: () => socket.close()
})

/**
 * WebGPU in a hidden window of the desktop program. Throws an `engine` error in another program, and where the window has no adapter of the
 * kind. `address` is for tests that open such pages themselves.
 */
export const openWebGpuWindow = async (
  kind: Kind,
  address = process.env[computingVariable] ?? ''
): Promise<ProcessExecutor> => {
  if (address === '')
    throw new SpectroscopeError(
      'engine',
      `${names[kind]} computes in a hidden window, which the desktop program alone has; start the run there, or choose webgpu${kind === 'software' ? '-software' : ''}.`
    )
  const lostAtStart = (words: string): SpectroscopeError =>
    new SpectroscopeError(
      'engine',
      `The hidden window for WebGPU did not open (${words}); start the program anew, or choose another engine.`
    )
  const socket = new WebSocket(address, { perMessageDeflate: false, maxPayload: mostMessageBytes })
  socket.on('error', () => {})
  try {
    await once(socket, 'open')
  } catch (error) {
    throw lostAtStart(messageOf(error))
  }
  return ProcessExecutor.over(
    pageBehind(socket),
    { library: 'WebGPU', place: 'window', options: kind, lostAtStart },
    (description) => ({
      ...description,
      name: names[kind],
      device: deviceOfKind(
        kind,
        description.device === '' ? undefined : { name: description.device, software: isSoftware(description.device) },
        names.hardware
      )
    })
  )
}
