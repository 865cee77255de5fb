import type { Duplex } from 'node:stream'
import { toPlain } from '../../preload/errors'
import type { PlainError } from '../../preload/errors'
import { decode, encode, idOf } from '../../preload/wire'

/** One end of a channel between two processes, whose V8 need not be one. */
export interface Channel {
  /** Calls `failed` where the message did not get through. Throws where a message cannot be encoded. */
  send(message: object, failed?: () => void): void
  onMessage(listener: (message: unknown) => void): void
  /** Called once, when either side has closed the channel or is gone. */
  onEnd(listener: () => void): void
  close(): void
}

/** Stands for a message that cannot be read, where its bytes still tell its id. */
interface Unreadable {
  readonly id: number
  readonly type: 'error'
  readonly error: PlainError
}

const lengthBytes = 4

/** Undefined where not even an id can be read. */
const read = (frame: Uint8Array): unknown => {
  try {
    return decode(frame)
  } catch (error) {
    const id = idOf(frame)
    return id === undefined ? undefined : ({ id, type: 'error', error: toPlain(error) } satisfies Unreadable)
  }
}

/**
 * Messages over a stream of bytes: of each frame (preload/wire.ts) its length in four bytes, little endian, then the
 * frame. A stream whose frames cannot be read is closed.
 */
export const channelOver = (stream: Duplex): Channel => {
  const head = Buffer.alloc(lengthBytes)
  let filled = 0
  let frame: Uint8Array<ArrayBuffer> | undefined
  let listener: (message: unknown) => void = () => {}

  /** Takes what `chunk` has, from `at` on, of the length or the frame that is arriving; where that ended. */
  const take = (chunk: Buffer, at: number): number => {
    const target = frame ?? head
    const taken = chunk.copy(target, filled, at)
    filled += taken
    if (filled < target.length) return at + taken
    filled = 0
    if (frame === undefined) frame = new Uint8Array(head.readUInt32LE())
    else {
      const message = read(frame)
      frame = undefined
      if (message === undefined) stream.destroy()
      else listener(message)
    }
    return at + taken
  }

  stream.on('error', () => {})
  return {
    send: (message, failed = () => {}) => {
      const bytes = encode(message)
      const length = Buffer.alloc(lengthBytes)
      length.writeUInt32LE(bytes.length)
      if (!stream.writable) return failed()
      stream.cork()
      stream.write(length)
      stream.write(bytes, (error) => {
        if (error != null) failed()
      })
      stream.uncork()
    },
    onMessage: (given) => {
      listener = given
      stream.on('data', (chunk: Buffer) => {
        for (let at = 0; at < chunk.length && !stream.destroyed;) at = take(chunk, at)
      })
    },
    onEnd: (given) => {
      stream.once('close', given)
    },
    close: () => stream.end()
  }
}
