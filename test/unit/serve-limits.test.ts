import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Workbench } from '../../main/api/workbench'
import { Bridges } from '../../main/serve/bridges'
import { listen } from '../../main/serve/listening'
import { usualLimits } from '../../main/serve/limits'
import type { ServeLimits } from '../../main/serve/limits'
import type { CallAnswer } from '../../preload/contract'
import { decode, encode } from '../../preload/wire'

type Answering = (call: unknown, parameters: unknown) => Promise<unknown>

const workbenchOf = (answering: Answering): Workbench => ({
  call: async (call, parameters): Promise<CallAnswer> => ({ ok: true, result: await answering(call, parameters) }),
  onNotice: () => () => {},
  busyRuns: () => [],
  checkpoint: () => Promise.resolve(),
  close: () => Promise.resolve()
})

interface Client {
  readonly socket: WebSocket
  readonly stream: Socket
  /** The answer of a call. */
  readonly ask: (id: number, parameters?: unknown) => Promise<CallAnswer>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
}

let server: Server
let bridges: Bridges
let port = 0
const clients: WebSocket[] = []

const serve = async (answering: Answering, limits: Partial<ServeLimits> = {}): Promise<void> => {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  bridges = new Bridges({ ...usualLimits, ...limits })
  server = createServer()
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (opened) => {
      bridges.connect(opened, request.socket, workbenchOf(answering))
    })
  })
  port = await listen(server, '127.0.0.1', 0)
}

const connect = async (): Promise<Client> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  clients.push(socket)
  const asked = new Map<number, (answer: CallAnswer) => void>()
  socket.on('message', (data: Buffer) => {
    const { id, answer } = decode(data) as { id: number; answer: CallAnswer }
    asked.get(id)?.(answer)
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return {
    socket,
    stream: (socket as unknown as { _socket: Socket })._socket,
    closed,
    ask: (id, parameters = {}) => {
      const answered = new Promise<CallAnswer>((resolve) => asked.set(id, resolve))
      socket.send(encode({ id, call: 'any', parameters }))
      return answered
    }
  }
}

/** The head of a masked binary frame of so many bytes, and its first ones. */
const beginning = (length: number, sent: number): Uint8Array => {
  const bytes = Buffer.alloc(14 + sent)
  bytes.set([0x82, 0xff])
  bytes.writeBigUInt64BE(BigInt(length), 2)
  return bytes
}

afterEach(() => {
  for (const client of clients.splice(0)) client.terminate()
  bridges.close()
  server.close()
  server.closeAllConnections()
})

interface SlowWork {
  /** Most calls that were worked on at once. */
  readonly most: () => number
  /** Lets one call after another end, until all are answered. */
  readonly until: (areAnswered: () => boolean) => Promise<void>
}

/** Serves calls that end when they are let. */
const serveSlowly = async (limits: Parameters<typeof serve>[1]): Promise<SlowWork> => {
  let [working, most] = [0, 0]
  const waiting: (() => void)[] = []
  await serve(async () => {
    most = Math.max(most, ++working)
    await new Promise<void>((resolve) => waiting.push(resolve))
    working--
    return null
  }, limits)
  return {
    most: () => most,
    until: async (areAnswered) => {
      while (!areAnswered()) {
        await expect.poll(() => waiting.length > 0 || areAnswered()).toBe(true)
        waiting.shift()?.()
      }
    }
  }
}

describe('a window that does not read its answers', () => {
  it('is not read itself until it does, and others go on', async () => {
    const [calls, bytes] = [400, 2 ** 18]
    let [begun, most] = [0, 0]
    let received = 0
    await serve(
      () => {
        begun++
        most = Math.max(most, begun - received)
        return Promise.resolve(new Uint8Array(bytes))
      },
      { waitingBytes: 4 * bytes, calls: 8 }
    )
    const silent = await connect()
    silent.socket.pause()
    const answers = Array.from({ length: calls }, (_, id) => silent.ask(id).then(() => received++))
    await new Promise<void>((resolve) => silent.socket.ping('', true, () => resolve()))
    const other = await connect()
    for (let id = 0; id < 20; id++) {
      expect(await other.ask(id)).toMatchObject({ ok: true })
      received++
    }
    expect(begun).toBeLessThan(calls / 2)
    silent.socket.resume()
    await Promise.all(answers)
    // The calls at once, those whose answers wait, and what the system itself keeps for a connection (up to 10 MB).
    expect(most).toBeLessThan(8 + 4 + 50)
    expect(begun).toBe(calls + 20)
  })

  it('has the program keep no more than agreed for it, however much it asks', async () => {
    const [calls, bytes, waitingBytes, atOnce] = [400, 2 ** 20, 2 ** 22, 4]
    let [most, begun] = [0, 0]
    await serve(
      () => {
        begun++
        most = Math.max(most, bridges.held)
        return Promise.resolve(new Uint8Array(bytes))
      },
      { waitingBytes, calls: atOnce }
    )
    const silent = await connect()
    silent.socket.pause()
    const sent = new Uint8Array(2 ** 14)
    for (let id = 0; id < calls; id++) void silent.ask(id, sent)
    const other = await connect()
    // While another window is answered, whatever can be read of the silent one has been.
    for (let id = 0; id < 50; id++) {
      expect(await other.ask(id)).toMatchObject({ ok: true })
      most = Math.max(most, bridges.held)
    }
    const answers = waitingBytes + atOnce * (bytes + 64)
    const [ofOther, unread] = [2 * bytes, 2 ** 18]
    expect(most).toBeLessThan(answers + ofOther + unread)
    expect(begun).toBeLessThan(calls / 2)
  })

  it('may have no more calls at once than is agreed, and the rest wait their turn', async () => {
    const work = await serveSlowly({ calls: 5 })
    const client = await connect()
    const answers = Array.from({ length: 40 }, (_, id) => client.ask(id))
    let answered = 0
    for (const answer of answers) void answer.then(() => answered++)
    await work.until(() => answered === 40)
    expect(work.most()).toBe(5)
  })
})

describe('windows together', () => {
  it('may have no more calls at once than is agreed, and none is left waiting', async () => {
    const work = await serveSlowly({ calls: 5, allCalls: 7 })
    const windows = [await connect(), await connect(), await connect()]
    let answered = 0
    for (const window of windows) for (let id = 0; id < 10; id++) void window.ask(id).then(() => answered++)
    await work.until(() => answered === 30)
    expect(work.most()).toBe(7)
  })
})

describe('a message', () => {
  it('that does not arrive whole in time ends its connection, and no other', async () => {
    await serve(() => Promise.resolve(1), { messageSeconds: 0.3 })
    const [slow, other] = [await connect(), await connect()]
    slow.stream.write(beginning(1000, 10))
    expect(await slow.closed).toEqual({ code: 1008, reason: 'A message did not arrive completely in time.' })
    expect(await other.ask(1)).toEqual({ ok: true, result: 1 })
  })

  it('is ended where all together take too much memory: that of the window which holds the most', async () => {
    await serve(() => Promise.resolve(1), { heldBytes: 3 * 2 ** 20 })
    const [greedy, other] = [await connect(), await connect()]
    greedy.stream.write(beginning(2 ** 26, 4 * 2 ** 20))
    expect(await greedy.closed).toEqual({ code: 1008, reason: 'It used too much memory of the program.' })
    expect(await other.ask(1, new Uint8Array(2 ** 20))).toEqual({ ok: true, result: 1 })
  })

  it.each([
    ['a key __proto__', [0xa9, ...Buffer.from('__proto__'), 0x80]],
    ['a list that claims more than the message holds', [0xa1, 0x61, 0xdd, 0x7f, 0xff, 0xff, 0xff]],
    ['lists in lists', [0xa1, 0x61, ...new Array<number>(20_000).fill(0x91), 0xc0]]
  ])('with %s is an error of its call, after which the connection goes on', async (_, parameters) => {
    await serve(() => Promise.resolve(1))
    const client = await connect()
    const broken = new Promise((resolve) => client.socket.once('message', (data: Buffer) => resolve(decode(data))))
    const name = Buffer.from('parameters')
    client.socket.send(Uint8Array.from([0x82, 0xa2, 0x69, 0x64, 7, 0xaa, ...name, 0x81, ...parameters]))
    const error = { kind: 'usage', message: expect.stringContaining('refused') }
    expect(await broken).toEqual({ id: 7, answer: { ok: false, error } })
    expect(await client.ask(8)).toEqual({ ok: true, result: 1 })
  })
})

describe('windows', () => {
  it('that give no sign of life are taken for gone', async () => {
    await serve(() => Promise.resolve(1), { silenceSeconds: 0.3 })
    const [gone, alive] = [await connect(), await connect()]
    gone.stream.pause()
    for (let id = 0; bridges.size > 1; id++) expect(await alive.ask(id)).toMatchObject({ ok: true })
    expect(alive.socket.readyState).toBe(WebSocket.OPEN)
  })
})
