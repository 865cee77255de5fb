import { SpectroscopeError, toPlain } from '../../../preload/errors'
import { executorHandlers } from '../apart/handlers'
import type { Kind } from '../webgpu/kind'
import type { Device } from './device'
import { WgslExecutor } from './executor'

/** A page's end of a channel to whom it computes for. */
export interface PagePort {
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  /** Ends the channel, with the reason. */
  close(words: string): void
}

/** What a page says of its adapter (GPUAdapterInfo), and its device. */
export interface PageDevice {
  readonly name: string
  readonly device: Device
}

/** Opens a device, on an adapter of software where that is asked for and there is one; undefined where there is no adapter. */
export type OpenDevice = (kind: Kind) => Promise<PageDevice | undefined>

interface Request {
  readonly type: string
  readonly id: number
  readonly method: string
  readonly parameters: unknown
}

/** Answers calls as a process that computes does, until its device is lost: the page is told what to compute, and knows nothing of models or runs. */
export const serveFromPage = (port: PagePort, open: OpenDevice): void => {
  const handlers = executorHandlers<Kind>(async (kind) => {
    const opened = await open(kind)
    if (opened === undefined)
      throw new SpectroscopeError(
        'engine',
        `The hidden window for WebGPU has ${kind === 'software' ? 'no software adapter' : 'no GPU'}; install or update the GPU's driver, or choose another engine.`
      )
    const { name, device } = opened
    void device.lost.then(({ message }) => port.close(`its GPU was lost: ${message}`))
    return new WgslExecutor(device, { name: 'webgpu-page', device: name, precision: 'float32', version: 'WGSL 1' })
  })
  const answer = async ({ id, method, parameters }: Request): Promise<void> => {
    try {
      if (!Object.hasOwn(handlers, method)) throw new Error(`no call named ${method}`)
      const handler = handlers[method as keyof typeof handlers] as (parameters: unknown) => unknown
      port.send({ type: 'result', id, result: await handler(parameters) })
    } catch (error) {
      port.send({ type: 'error', id, error: toPlain(error) })
    }
  }
  port.onMessage((message) => {
    const request = message as Request
    if (request.type === 'call') void answer(request)
  })
}
