import { once } from 'node:events'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { decode, encode } from '../../preload/wire'
import { pageSocket } from '../served-page'
import { describeInBrowser, keepFailure, launchBrowser, makePlace, openServed, pageErrors } from './harness'
import type { Opened, Place } from './harness'

describeInBrowser('hostile messages to the server', () => {
  let browser: Browser
  let place: Place
  let opened: Opened

  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    place = makePlace()
    opened = await openServed(browser, place)
    await opened.page
      .getByRole('button', { name: /^Open example/ })
      .first()
      .waitFor()
  })
  afterEach(async (context) => {
    await keepFailure(context, opened)
    // The window has heard nothing of it, and the server still answers.
    await opened.page.keyboard.press('Control+,')
    await opened.page.getByRole('heading', { name: 'Settings', exact: true }).waitFor()
    await opened.page.getByRole('radio', { name: 'Dark' }).check()
    await opened.page.locator('html[data-theme="dark"]').waitFor()
    expect(pageErrors.get(opened.page)).toEqual([])
    expect(await opened.close()).toBe(0)
    place.remove()
  })

  /** A connection as the window makes it, but for what is changed; the status where it is refused. */
  const connect = async (changes: Readonly<Record<string, string>> = {}): Promise<WebSocket | number> => {
    const { origin, host } = new URL(opened.page.url())
    const secret = await opened.page.evaluate(() => sessionStorage.getItem('spectroscope.secret'))
    const socket =
      changes['Secret'] === undefined
        ? await pageSocket(origin, secret!, changes)
        : new WebSocket(`ws://${host}/bridge`, ['spectroscope', changes['Secret']], { headers: { origin } })
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(socket))
      socket.once('unexpected-response', (request, { statusCode = 0 }) => {
        request.destroy()
        resolve(statusCode)
      })
      socket.once('error', reject)
    })
  }
  const connected = async (): Promise<WebSocket> => {
    const socket = await connect()
    if (typeof socket === 'number') throw new Error(`refused with status ${socket}`)
    return socket
  }
  /** The answer to one frame. */
  const asked = async (frame: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const socket = await connected()
    try {
      return await new Promise((resolve, reject) => {
        socket.on('message', (data: Buffer) => {
          const answer = decode(data) as { readonly id?: number }
          if (answer.id === frame['id']) resolve(answer)
        })
        socket.once('close', (code) => reject(new Error(`closed with ${code}`)))
        socket.send(encode(frame))
      })
    } finally {
      socket.terminate()
    }
  }

  it('come from a page elsewhere, or without the secret, and are not let in', async () => {
    expect(await connect({ Origin: 'http://example.com' })).toBe(403)
    expect(await connect({ Origin: 'null' })).toBe(403)
    for (const guess of ['guessed', `${'0'.repeat(32)}.${'0'.repeat(64)}`]) {
      expect(await connect({ Secret: guess })).toBe(403)
    }
    expect(await opened.page.context().cookies()).toEqual([])
    expect(await connect({ Host: 'example.com', Origin: 'http://example.com' })).toBe(403)
  })

  it('are no frames, and end their own connection alone', async () => {
    const map = (key: string): Buffer =>
      Buffer.concat([Buffer.from([0x81, 0xa0 + key.length]), Buffer.from(key), Buffer.from([0x01])])
    const garbage: (Buffer | string)[] = [
      'text',
      '{"id":1,"call":"app.state","parameters":{}}',
      Buffer.alloc(0),
      Buffer.from([0xc1]),
      Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0xc7, 0xff, 0x01]),
      Buffer.alloc(4096, 0x91),
      Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 197) % 256)),
      map('__proto__'),
      Buffer.from(encode([1, 2, 3])),
      Buffer.from(encode({ id: 'x', call: 'app.state', parameters: {} })),
      Buffer.from(encode({ id: 1e308, call: 'app.state', parameters: {} })),
      Buffer.from(encode({ id: 0.5, call: 'app.state', parameters: {} })),
      Buffer.from(encode({ id: NaN, call: 'app.state', parameters: {} }))
    ]
    for (const frame of garbage) {
      const socket = await connected()
      const closed = once(socket, 'close')
      socket.send(frame)
      expect((await closed)[0], String(frame).slice(0, 40)).toBe(1003)
    }
  })

  it('are calls that there are none of, or that ask for what cannot be, and are refused in a sentence', async () => {
    const frames: readonly (readonly [call: unknown, parameters: unknown])[] = [
      ['no.such.call', {}],
      ['__proto__', {}],
      ['constructor', {}],
      ['toString', {}],
      [null, {}],
      [{ deep: [] }, {}],
      ['app.state', 'text'],
      ['app.state', { constructor: 1 }],
      ['runs.get', { run: '../../etc/passwd' }],
      ['runs.get', { run: '’; DROP TABLE runs; --' }],
      ['files.list', { folder: 'a\0b' }],
      ['clusters.tokens', { run: 'a', clustering: 1, cluster: 0, stratum: 'central', offset: -1, limit: 1e9 }],
      ['settings.change', { changes: { theme: 'purple' } }],
      [
        'exports.write',
        {
          run: 'a',
          clustering: 1,
          format: 'annotated',
          clusters: Array.from({ length: 100_000 }, (_, i) => i),
          path: 'relative'
        }
      ]
    ]
    for (const [call, parameters] of frames) {
      const answer = await asked({ id: Number.MAX_SAFE_INTEGER, call, parameters })
      expect(answer, JSON.stringify([call, parameters]).slice(0, 100)).toMatchObject({
        answer: { ok: false, error: { message: expect.stringMatching(/^[A-Z"/.].+[.!]$/s) as unknown } }
      })
    }
    expect(await asked({ id: 7, call: 'app.state', parameters: {} })).toMatchObject({ id: 7, answer: { ok: true } })
  })
})
