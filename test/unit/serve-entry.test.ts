import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { startServer } from '../../main/serve'
import type { Serving } from '../../main/serve'
import { Admission, makeLink } from '../../main/serve/admission'
import { linkTo } from '../../main/serve/kept-keys'
import { proofOf } from '../../preload/contract-entry'
import { exchange, pageSocket, protocolsFor, secretFor, tokenOf } from '../served-page'
import { memoryFile } from './workbench-fixture'

const folder = mkdtempSync(join(tmpdir(), 'spectroscope-entry-'))
const pages = join(folder, 'pages')
let server: Serving
let origin = ''

const start = (name: string, keys?: string): Promise<Serving> =>
  startServer({
    folder: join(folder, name),
    pages,
    settings: memoryFile(),
    views: memoryFile(),
    ...(keys === undefined ? {} : { keys })
  })

/** "open", or the status that refused it. */
const outcome = async (socket: WebSocket): Promise<string> => {
  try {
    await once(socket, 'open')
    return 'open'
  } catch (error) {
    return /\d{3}$/.exec((error as Error).message)?.[0] ?? String(error)
  } finally {
    socket.on('error', () => {}).terminate()
  }
}

beforeAll(async () => {
  mkdirSync(pages)
  writeFileSync(join(pages, 'index.html'), '<!doctype html><p>the window</p>')
  server = await start('workspace')
  origin = `http://127.0.0.1:${server.port}`
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a link', () => {
  it('lets one page in, once, and is in no request that a browser makes of it', async () => {
    const { hash, search } = new URL(server.address)
    expect([hash, search]).toEqual([`#token=${tokenOf(server.address)}`, ''])
    expect(await exchange(server.address)).toMatch(/^[\w-]{43}$/)
    expect(await exchange(server.address)).toBe(403)
    expect(await exchange(server.newAddress())).toMatch(/^[\w-]{43}$/)
  })

  it('is taken from pages of this server alone', async () => {
    const address = server.newAddress()
    for (const headers of [
      { origin: 'http://127.0.0.1:1' },
      { origin: 'http://localhost:1' },
      { origin: 'null' },
      { origin: 'http://evil.example' }
    ])
      expect(await exchange(address, headers), JSON.stringify(headers)).toBe(403)
    expect(await exchange(address)).toMatch(/^[\w-]{43}$/)
  })

  it('is none with any character changed, cut, or of another process', async () => {
    const token = tokenOf(server.newAddress())
    const flip = (at: number): string => `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
    const foreign = makeLink({ secret: 'x'.repeat(43), session: 'y' })
    const others = ['', 'A'.repeat(72), token.slice(0, -1), `${token}A`, foreign]
    for (const guess of [...others, ...[0, 7, 30, 60].map(flip)]) {
      expect(await exchange(`${origin}/#token=${guess}`), guess).toBe(403)
    }
    expect(await exchange(`${origin}/#token=${token}`)).toMatch(/^[\w-]{43}$/)
  })

  it('is void after twelve hours, and with the next process', () => {
    let now = 1e12
    const keys = { secret: 's'.repeat(43), session: 'first' }
    const admission = new Admission(keys, () => now)
    const [early, late] = [admission.link(), admission.link()]
    now += 12 * 3_600_000
    expect(admission.exchange(early)).toBeDefined()
    now += 1
    expect(admission.exchange(late)).toBeUndefined()
    expect(new Admission({ ...keys, session: 'second' }, () => 1e12).exchange(late)).toBeUndefined()
  })
})

describe('a page', () => {
  let secret = ''
  beforeEach(async () => (secret = await secretFor(server.newAddress())))

  it('is let in by its secret, for which there is no cookie', async () => {
    const response = await fetch(`${origin}/`)
    expect(response.headers.get('set-cookie')).toBeNull()
    expect(await outcome(await pageSocket(origin, secret))).toBe('open')
  })

  it('of another port or program is not let in, with whatever origin and cookies', async () => {
    const bridge = `ws://127.0.0.1:${server.port}/bridge`
    const cookies = { cookie: `spectroscope=${secret}; spectroscope.secret=${secret}`, origin }
    expect(await outcome(new WebSocket(bridge, { headers: cookies }))).toBe('403')
    for (const guess of ['x', secret, `${'0'.repeat(32)}.${'0'.repeat(64)}`]) {
      expect(await outcome(new WebSocket(bridge, ['spectroscope', guess], { headers: cookies })), guess).toBe('403')
    }
    for (const headers of [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: origin.replace('http', 'https') },
      { origin: 'http://127.0.0.1:1' },
      { host: 'evil.example', origin: 'http://evil.example' }
    ])
      expect(await outcome(await pageSocket(origin, secret, headers)), JSON.stringify(headers)).toBe('403')
    const without = new WebSocket(bridge, await protocolsFor(origin, secret))
    expect(await outcome(without)).toBe('403')
    const other = bridge.replace('bridge', 'other')
    const elsewhere = new WebSocket(other, await protocolsFor(origin, secret), { headers: { origin } })
    expect(await outcome(elsewhere)).toBe('404')
  })

  it('answers each challenge once, so that what was overheard is worth nothing', async () => {
    const bridge = `ws://127.0.0.1:${server.port}/bridge`
    const protocols = await protocolsFor(origin, secret)
    expect(await outcome(new WebSocket(bridge, protocols, { headers: { origin } }))).toBe('open')
    expect(await outcome(new WebSocket(bridge, protocols, { headers: { origin } }))).toBe('403')
  })

  it('tells its secret to no program that took over the port', async () => {
    const heard: string[] = []
    const thief = createServer(({ url, headers }, response) => {
      heard.push(`${url} ${JSON.stringify(headers)}`)
      response.end(JSON.stringify({ nonce: 'a'.repeat(32), proof: proofOf('guessed', 'server', 'a', 'a') }))
    }).listen(0, '127.0.0.1')
    await once(thief, 'listening')
    const at = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`
    await expect(protocolsFor(at, secret)).rejects.toThrow('another secret')
    expect(heard).toHaveLength(1)
    expect(heard[0]).not.toContain(secret)
    thief.close()
  })

  it('is unknown where a challenge asks for nothing that is a nonce', async () => {
    for (const nonce of ['', 'a', 'A'.repeat(32), 'a'.repeat(33)]) {
      expect((await fetch(`${origin}/challenge?nonce=${nonce}`)).status).toBe(400)
    }
  })
})

describe('the keys of a workspace', () => {
  const keys = join(folder, 'keys')
  const fileIn = (at: string): string => join(at, readdirSync(at)[0])

  it('outlive the process, with the settings and for this user alone, so that pages find it again', async () => {
    const first = await start('again', keys)
    const [secret, old] = [await secretFor(first.address), first.newAddress()]
    await first.close()
    expect([statSync(fileIn(keys)).mode & 0o777, statSync(keys).mode & 0o777]).toEqual([0o600, 0o700])
    for (const name of readdirSync(join(folder, 'again'), { recursive: true, withFileTypes: true })) {
      if (name.isFile()) expect(readFileSync(join(name.parentPath, name.name)).includes(secret), name.name).toBe(false)
    }
    const second = await start('again', keys)
    expect(await outcome(await pageSocket(`http://127.0.0.1:${second.port}`, secret))).toBe('open')
    expect(await exchange(old.replace(/:\d+/, `:${second.port}`))).toBe(403)
    await second.close()
  })

  it('give a new link beside the server that runs, and none where none does', async () => {
    const workspace = join(folder, 'linked')
    expect(() => linkTo(workspace, join(folder, 'nowhere'))).toThrow('You have no `spectroscope serve` running')
    const running = await start('linked', keys)
    const link = linkTo(workspace, keys)
    expect(link.workspace).toBe(workspace)
    expect(await exchange(link.address)).toMatch(/^[\w-]{43}$/)
    expect(await exchange(link.address)).toBe(403)
    expect(await exchange(linkTo(undefined, keys).address)).toMatch(/^[\w-]{43}$/)
    await running.close()
    expect(() => linkTo(workspace, keys)).toThrow('running for')
  })

  it.runIf(process.platform !== 'win32')('are made anew where others could have read or put them there', async () => {
    const own = join(folder, 'own-keys')
    const first = await start('loose', own)
    const secret = await secretFor(first.address)
    await first.close()
    const file = fileIn(own)
    chmodSync(file, 0o644)
    const second = await start('loose', own)
    await expect(pageSocket(`http://127.0.0.1:${second.port}`, secret)).rejects.toThrow('another secret')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    await second.close()
    const planted = readFileSync(file)
    writeFileSync(join(folder, 'planted'), planted, { mode: 0o600 })
    rmSync(file)
    symlinkSync(join(folder, 'planted'), file)
    const third = await start('loose', own)
    await third.close()
    expect(readFileSync(join(folder, 'planted'))).toEqual(planted)
    expect(existsSync(file) && readFileSync(file).equals(planted)).toBe(false)
  })
})
