import { Duplex, duplexPair } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { channelOver } from '../../main/base/channel'
import type { Channel } from '../../main/base/channel'
import { childEnvironment, nodeProgram, spawnChild, startChildrenWith } from '../../main/base/processes'
import { nodeOfChildren } from '../../main/index/node'
import { encode } from '../../preload/wire'

/** What arrives at the other end of what is written, in parts of so many bytes. */
const arriving = async (bytes: Uint8Array, part: number): Promise<{ messages: unknown[]; isClosed: boolean }> => {
  const [near, far] = duplexPair()
  const messages: unknown[] = []
  const channel = channelOver(far)
  channel.onMessage((message) => messages.push(message))
  for (let at = 0; at < bytes.length; at += part) near.write(bytes.subarray(at, at + part))
  await new Promise(setImmediate)
  return { messages, isClosed: far.destroyed }
}

const framed = (...frames: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(
    frames.flatMap((frame) => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(frame.length)
      return [length, frame]
    })
  )

describe('a channel between processes', () => {
  const messages = [
    { id: 1, type: 'call', method: 'm', parameters: { values: Float32Array.of(1.5, -0, NaN), of: null } },
    { type: 'notice', name: 'n', data: 'é'.repeat(300) },
    { id: 2, type: 'result', result: Array.from({ length: 100 }, (_, at) => ({ at, name: String(at) })) }
  ]

  it.each([1, 2, 3, 7, 64, 100_000])('gives messages whole that arrive in parts of %i bytes', async (part) => {
    const arrived = await arriving(framed(...messages.map((message) => encode(message))), part)
    expect(arrived).toEqual({ messages, isClosed: false })
  })

  it('gives an error in the place of a message of which only the id can be read, and goes on', async () => {
    const broken = encode({ id: 7, type: 'result', result: 'text' }).slice(0, -2)
    const arrived = await arriving(framed(broken, encode(messages[0])), 5)
    expect(arrived).toMatchObject({
      messages: [
        { id: 7, type: 'error', error: { kind: 'internal', message: expect.stringContaining('cut off') } },
        messages[0]
      ],
      isClosed: false
    })
  })

  it('is closed by what is no frame', async () => {
    expect(await arriving(framed(Uint8Array.of(0xc1), encode(messages[0])), 3)).toEqual({
      messages: [],
      isClosed: true
    })
  })

  it('tells both sides of its end, and of a message that does not get through', async () => {
    const [near, far] = duplexPair()
    const channels = [near, far].map(channelOver)
    channels.forEach((channel) => channel.onMessage(() => {}))
    const ended = Promise.all(channels.map((channel) => new Promise<void>((resolve) => channel.onEnd(resolve))))
    far.once('end', () => far.end())
    channels[0].close()
    await ended
    await new Promise<void>((resolve) => channels[0].send({ type: 'notice' }, resolve))
  })

  it('refuses what no frame can carry, before anything is sent', () => {
    const stream = new Duplex({ read: () => {}, write: () => expect.fail('something was sent') })
    const channel: Channel = channelOver(stream)
    for (const value of [new Map([[1, 2]]), new Set([1]), Uint16Array.of(1), new ArrayBuffer(2), 1n])
      expect(() => channel.send({ value })).toThrow()
  })
})

describe('a child', () => {
  const own = nodeProgram()
  afterEach(() => {
    startChildrenWith(own)
    vi.unstubAllEnvs()
  })

  it('that cannot be started is lost in words, and ends nothing else', async () => {
    startChildrenWith('/nowhere/node')
    const child = spawnChild<{ any: { parameters: null; result: null } }>('entry.js', {
      lost: (words) => new Error(words)
    })
    await expect(child.call('any', null)).rejects.toThrow('spawn /nowhere/node ENOENT')
    expect(await child.exited).toMatchObject({ words: 'spawn /nowhere/node ENOENT' })
    await expect(child.call('any', null)).rejects.toThrow('ENOENT')
    expect(await child.kill()).toMatchObject({ code: null })
  })

  it('gets nothing of the environment that brings code or arguments into Node, and all else', () => {
    for (const name of ['NODE_OPTIONS', 'Node_Path', 'OPENSSL_CONF']) vi.stubEnv(name, '--require=/tmp/other.js')
    vi.stubEnv('SPECTROSCOPE_DEBUG', '1')
    const environment = childEnvironment({ OWN: 'x' })
    expect(Object.keys(environment).filter((name) => /^(node_(options|path)|openssl_conf)$/i.test(name))).toEqual([])
    expect(environment).toMatchObject({ SPECTROSCOPE_DEBUG: '1', OWN: 'x', PATH: process.env['PATH'] })
  })

  it("runs in the package's own Node, whatever the environment names, or in the one that started the program", () => {
    const environment = { SPECTROSCOPE_NODE: '/other/node' }
    expect(nodeOfChildren(false, environment)).toBe('/other/node')
    expect(nodeOfChildren(true, environment)).toMatch(/[\\/]node[\\/]node(\.exe)?$/)
    expect(() => nodeOfChildren(false, {})).toThrow(
      'There is no Node to compute with; start the program with npm start, or name a Node in SPECTROSCOPE_NODE.'
    )
  })
})
