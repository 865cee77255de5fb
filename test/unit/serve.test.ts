import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { startServer } from '../../main/serve'
import type { Serving } from '../../main/serve'
import { fileOf } from '../../main/serve/pages'
import { decode, encode } from '../../preload/wire'
import { pageSocket, secretFor } from '../served-page'
import { memoryFile } from './workbench-fixture'

let folder = ''
let server: Serving
let secret = ''

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (body += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    sent.on('error', reject)
    sent.end()
  })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
  const pages = join(folder, 'pages')
  mkdirSync(join(pages, 'assets'), { recursive: true })
  writeFileSync(join(pages, 'index.html'), '<!doctype html><p>the window</p>')
  writeFileSync(join(pages, 'assets', 'main-abcdef12.js'), 'export {}')
  writeFileSync(join(pages, '.secret'), 'hidden')
  writeFileSync(join(folder, 'outside.txt'), 'outside')
  symlinkSync(join(folder, 'outside.txt'), join(pages, 'link.txt'))
  server = await startServer({ folder: join(folder, 'workspace'), pages, settings: memoryFile(), views: memoryFile() })
  secret = await secretFor(server.address)
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

describe('pages', () => {
  it('come with a strict policy', async () => {
    const { headers } = await get('/')
    const policy = headers['content-security-policy'] as string
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|\*/)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer'
    })
    expect(await get('/assets/main-abcdef12.js')).toMatchObject({
      status: 200,
      headers: {
        'content-type': expect.stringContaining('javascript'),
        'cache-control': expect.stringContaining('immutable')
      }
    })
  })

  it('are those of their folder and nothing else', async () => {
    for (const path of [
      '/../outside.txt',
      '/%2e%2e/outside.txt',
      '/..%2foutside.txt',
      '/assets/../../outside.txt',
      '/assets/..%5c..%5coutside.txt',
      '/.secret',
      '/link.txt',
      '/%00',
      '/%',
      '//etc/passwd',
      '/assets',
      '/assets/'
    ]) {
      const { status, body } = await get(path)
      expect(status, path).toBe(404)
      expect(body, path).not.toMatch(/outside$|hidden|root:/m)
    }
    expect(fileOf('/pages', '/a/b.js')).toBe(join('/pages', 'a', 'b.js'))
    for (const path of ['/../a', '/a/../b', '/a//b', '/C:/a', '/a\\b', '/.a'])
      expect(fileOf('/pages', path), path).toBeUndefined()
  })

  it('say that the window is not built where it is not', async () => {
    const empty = await startServer({
      folder: join(folder, 'another'),
      pages: join(folder, 'nowhere'),
      settings: memoryFile(),
      views: memoryFile()
    })
    try {
      const page = await fetch(new URL('/', empty.address))
      expect(page.status).toBe(404)
      expect(await page.text()).toContain('npm run build')
    } finally {
      await empty.close()
    }
  })
})

interface Talk {
  readonly socket: WebSocket
  readonly next: () => Promise<Record<string, unknown>>
  readonly closed: Promise<number>
}

const talk = async (headers: Readonly<Record<string, string>> = {}): Promise<Talk> => {
  const socket = await pageSocket(`http://127.0.0.1:${server.port}`, secret, headers)
  const frames: Record<string, unknown>[] = []
  const waiting: ((frame: Record<string, unknown>) => void)[] = []
  socket.on('message', (data: Buffer) => {
    const frame = decode(data) as Record<string, unknown>
    const taker = waiting.shift()
    if (taker === undefined) frames.push(frame)
    else taker(frame)
  })
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve())
    socket.once('error', reject)
  })
  return {
    socket,
    closed,
    next: async () => frames.shift() ?? new Promise((resolve) => waiting.push(resolve))
  }
}

describe('the connection of a window', () => {
  it('answers calls and tells notices', async () => {
    const { socket, next } = await talk()
    socket.send(encode({ id: 1, call: 'app.state', parameters: {} }))
    expect(await next()).toMatchObject({
      id: 1,
      answer: { ok: true, result: { shell: 'browser', workspace: join(folder, 'workspace') } }
    })
    socket.send(encode({ id: 2, call: 'settings.change', parameters: { changes: { theme: 'dark' } } }))
    const both = [await next(), await next()]
    expect(both).toContainEqual(
      expect.objectContaining({ id: 2, answer: { ok: true, result: expect.objectContaining({ theme: 'dark' }) } })
    )
    expect(both).toContainEqual({ notice: 'settings', data: expect.objectContaining({ theme: 'dark' }) })
    socket.close()
  })

  it('refuses hostile calls and goes on', async () => {
    const { socket, next } = await talk()
    for (const call of ['__proto__', 'runs.nothing', 7, null, { toString: 'x' }, 'x'.repeat(100_000)]) {
      socket.send(encode({ id: 5, call, parameters: { run: 'r' } }))
      expect(await next()).toEqual({
        id: 5,
        answer: { ok: false, error: { kind: 'usage', message: expect.any(String) } }
      })
    }
    socket.send(encode({ id: 6, call: 'runs.list', parameters: {} }))
    expect(await next()).toEqual({ id: 6, answer: { ok: true, result: [] } })
    socket.close()
  })

  it.each([
    ['text', 'hello'],
    ['half a frame', Uint8Array.of(0x82, 0xa1)],
    ['an array', encode([1, 2])],
    ['no id', encode({ call: 'app.state' })],
    ['an id that is no number', encode({ id: '1', call: 'app.state' })],
    ['an array longer than the frame', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)]
  ])('ends with %s, and with it alone', async (_, frame) => {
    const { socket, closed } = await talk()
    socket.send(frame)
    expect(await closed).toBe(1003)
    const other = await talk()
    other.socket.send(encode({ id: 1, call: 'jobs.list', parameters: {} }))
    expect(await other.next()).toMatchObject({ id: 1, answer: { ok: true } })
    other.socket.close()
  })

  it('ends with a frame that is too large, before it is read', async () => {
    const { closed, socket } = await talk()
    // A header of a masked binary frame that announces 2^40 bytes.
    const raw = (socket as unknown as { _socket: { write(bytes: Uint8Array): void } })._socket
    raw.write(Uint8Array.of(0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4))
    expect(await closed).toBe(1009)
  })

  it('is refused where there are as many as may be, until one of them goes', async () => {
    const few = await startServer({
      folder: join(folder, 'few'),
      settings: memoryFile(),
      views: memoryFile(),
      limits: { windows: 1 }
    })
    const own = await secretFor(few.address)
    const open = async (): Promise<WebSocket> => {
      const socket = await pageSocket(`http://127.0.0.1:${few.port}`, own)
      await once(socket, 'open')
      return socket
    }
    const first = await open()
    await expect(open()).rejects.toThrow('503')
    first.terminate()
    await expect
      .poll(() =>
        open().then(
          (socket) => socket.readyState,
          () => -1
        )
      )
      .toBe(WebSocket.OPEN)
    await few.close()
  })

  it('may go in the middle of a call', async () => {
    const { socket, closed } = await talk()
    socket.send(encode({ id: 1, call: 'files.list', parameters: {} }))
    socket.terminate()
    await closed
    expect((await get('/')).status).toBe(200)
  })
})

describe('a request that is no request', () => {
  it('leaves the server in service', async () => {
    await new Promise<void>((resolve) => {
      const socket = connectSocket(server.port, '127.0.0.1', () => socket.write('GARBAGE\r\n\r\n'))
      socket.on('close', () => resolve())
      socket.resume()
    })
    expect((await get('/')).status).toBe(200)
  })
})

describe('where the server listens', () => {
  it('is said in one sentence when it cannot', async () => {
    await expect(
      startServer({ folder: join(folder, 'third'), port: server.port, settings: memoryFile(), views: memoryFile() })
    ).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('--port') })
    await expect(
      startServer({ folder: join(folder, 'third'), host: '203.0.113.7', settings: memoryFile(), views: memoryFile() })
    ).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('--host') })
  })

  it('is the port of the last time for a workspace, and is said where it cannot be', async () => {
    const views = memoryFile()
    const start = (name: string, port?: number): Promise<Serving> =>
      startServer({
        folder: join(folder, name),
        pages: join(folder, 'pages'),
        settings: memoryFile(),
        views,
        ...(port === undefined ? {} : { port })
      })
    const first = await start('fifth', 0)
    await first.close()
    const [again, other] = [await start('fifth'), await start('sixth')]
    expect([again.port, again.notes]).toEqual([first.port, []])
    expect(other.port).not.toBe(first.port)
    await again.close()
    const thief = createServer().listen(first.port, '127.0.0.1')
    await once(thief, 'listening')
    const elsewhere = await start('fifth')
    try {
      expect(elsewhere.port).not.toBe(first.port)
      const note = new RegExp(`port ${first.port}\\..*unsent labels, save them there as a file`)
      expect(elsewhere.notes).toEqual([expect.stringMatching(note)])
    } finally {
      thief.close()
      await Promise.all([other.close(), elsewhere.close()])
    }
  })

  it('may be another address, whose names are let in too', async () => {
    const open = await startServer({
      folder: join(folder, 'fourth'),
      host: '0.0.0.0',
      pages: join(folder, 'pages'),
      settings: memoryFile(),
      views: memoryFile()
    })
    try {
      expect(await secretFor(open.address)).toMatch(/^[\w-]{43}$/)
      const foreign = await new Promise<number>(
        (resolve) =>
          void request(
            { host: '127.0.0.1', port: open.port, path: '/', headers: { host: 'evil.example' } },
            ({ statusCode }) => resolve(statusCode ?? 0)
          ).end()
      )
      expect(foreign).toBe(403)
    } finally {
      await open.close()
    }
  })
})
