import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { CallAnswer } from '../../preload/contract'
import { encode } from '../../preload/wire'
import type { ServerFrame } from '../../preload/wire'
import type { Workbench } from '../api/workbench'
import { bytesOf, readFrame } from './frames'
import type { Frame } from './frames'
import type { ServeLimits } from './limits'

/** An import arrives in a single frame: up to 256 MiB of content plus the call around it. */
export const mostFrameBytes = 257 * 2 ** 20
/** If more bytes wait for a slow browser, progress notices are dropped. */
const mostNoticeBytes = 64 * 2 ** 20
/** Minimum rate of an incoming message. A slower one holds memory for too long. */
const leastBytesPerSecond = 64 * 2 ** 10
/** Time for a browser to receive the reason before its connection closes. */
const partingMilliseconds = 1000

/** Notices that may be dropped safely, because the next one repeats their content. */
const passing = new Set(['run-event', 'trace', 'job'])

const unsendable: CallAnswer = {
  ok: false,
  error: {
    kind: 'internal',
    message: 'The answer cannot be sent: it is too large or cannot be encoded.'
  }
}

const refused = (reason: string): CallAnswer => ({
  ok: false,
  error: { kind: 'usage', message: `The call was refused: ${reason}` }
})

const secondsSince = (time: number): number => (performance.now() - time) / 1000

/** Decisions shared by all connections. */
export interface Others {
  /** Called when the connection may hold more bytes than before. */
  readonly changed: () => void
  /** Whether there is room for one more call. */
  readonly mayBegin: () => boolean
  /** Called when a call has been answered. */
  readonly ended: () => void
}

/**
 * Connection of one browser to the workbench, until either side ends it. It reads no faster than the browser takes
 * its answers: calls wait unread while too many are running or too many bytes wait for the browser.
 */
export class Bridge {
  readonly #socket: WebSocket
  readonly #stream: Socket
  readonly #workbench: Workbench
  readonly #limits: ServeLimits
  readonly #others: Others
  /** Messages that arrived together with the one that filled the connection. */
  readonly #unread: { readonly bytes: Uint8Array; readonly binary: boolean }[] = []
  #calls = 0
  #unreadBytes = 0
  /** Bytes of messages whose calls are running. */
  #callBytes = 0
  /** Bytes of the stream up to the end of the last complete message. */
  #whole: number
  /** Time when the arriving message began. */
  #began: number | undefined
  #heard = performance.now()
  #ended = false

  constructor(socket: WebSocket, stream: Socket, workbench: Workbench, limits: ServeLimits, others: Others) {
    this.#socket = socket
    this.#stream = stream
    this.#workbench = workbench
    this.#limits = limits
    this.#others = others
    this.#whole = stream.bytesRead
    const off = workbench.onNotice((notice, data) => {
      if (socket.bufferedAmount <= mostNoticeBytes || !passing.has(notice)) this.#send({ notice, data })
    })
    socket.on('message', (data, binary) => {
      this.#arrived()
      if (this.#ended) return
      const bytes = bytesOf(data)
      this.#unread.push({ bytes, binary })
      this.#unreadBytes += bytes.length
      this.readOn()
    })
    socket.on('ping', () => this.#arrived())
    socket.on('pong', () => this.#arrived())
    // Runs after the listener of `ws`, which by then has reported any complete message.
    stream.on('data', () => {
      this.#heard = performance.now()
      if (this.#arriving === 0) this.#began = undefined
      else this.#began ??= this.#heard
      others.changed()
    })
    socket.on('close', off)
    socket.on('error', off)
  }

  get #arriving(): number {
    return this.#stream.bytesRead - this.#whole
  }

  #arrived(): void {
    this.#whole = this.#stream.bytesRead
    this.#began = undefined
  }

  /** Bytes that the program holds for this connection; 0 once it is closing. */
  get held(): number {
    return this.#ended ? 0 : this.#arriving + this.#unreadBytes + this.#callBytes + this.#socket.bufferedAmount
  }

  /** Number of running calls. */
  get calls(): number {
    return this.#calls
  }

  get #isFull(): boolean {
    const { calls, waitingBytes } = this.#limits
    if (this.#calls >= calls || !this.#others.mayBegin()) return true
    return this.#callBytes + this.#socket.bufferedAmount > waitingBytes
  }

  #send(frame: ServerFrame): void {
    if (this.#ended || this.#socket.readyState !== this.#socket.OPEN) return
    this.#socket.send(encode(frame), () => this.readOn())
    this.#others.changed()
  }

  /** Starts calls until the connection is full. The socket is read only while it is not. */
  readOn(): void {
    while (!this.#ended && this.#unread.length > 0 && !this.#isFull) {
      const { bytes, binary } = this.#unread.shift()!
      this.#unreadBytes -= bytes.length
      this.#take(bytes.length, binary ? readFrame(bytes, this.#limits.values) : { kind: 'foreign' })
    }
    if (this.#isFull && !this.#ended) {
      this.#socket.pause()
      return
    }
    if (this.#socket.isPaused) this.#began = this.#arriving === 0 ? undefined : performance.now()
    this.#socket.resume()
  }

  #take(bytes: number, frame: Frame): void {
    if (frame.kind === 'call') {
      void this.#answer(bytes, frame)
      return
    }
    if (frame.kind === 'foreign') this.end('This is not a frame of the window.', 1003)
    else if (frame.kind === 'broken') this.#send({ id: frame.id, answer: refused(frame.reason) })
    else if (frame.closing === 'checkpoint') void this.#workbench.checkpoint().catch(() => {})
  }

  async #answer(bytes: number, { id, call, parameters }: Extract<Frame, { kind: 'call' }>): Promise<void> {
    this.#calls++
    this.#callBytes += bytes
    try {
      this.#send({ id, answer: await this.#workbench.call(call, parameters) })
    } catch {
      this.#send({ id, answer: unsendable })
    } finally {
      this.#calls--
      this.#callBytes -= bytes
      this.readOn()
      this.#others.ended()
    }
  }

  /** Closes the connection with a reason of at most 123 bytes. */
  end(reason: string, code = 1008): void {
    if (this.#ended) return
    this.#ended = true
    this.#unread.length = 0
    this.#unreadBytes = 0
    this.#socket.close(code, reason)
    this.#socket.resume()
    setTimeout(() => this.#socket.terminate(), partingMilliseconds).unref()
  }

  /** Closes the connection if a message is stuck or the browser is gone. Otherwise sends it a ping. */
  check(): void {
    if (this.#ended || this.#socket.isPaused) return
    const seconds = this.#limits.messageSeconds + this.#arriving / leastBytesPerSecond
    if (this.#began !== undefined && secondsSince(this.#began) > seconds) {
      this.end('A message did not arrive completely in time.')
      return
    }
    // While data waits to be read, the answer to a ping waits too.
    if (this.#socket.bufferedAmount > 0) this.#heard = performance.now()
    else if (secondsSince(this.#heard) > this.#limits.silenceSeconds) this.#socket.terminate()
    else if (secondsSince(this.#heard) > this.#limits.silenceSeconds / 2) this.#socket.ping()
  }
}
