import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startServer } from '../../main/serve'
import type { Serving } from '../../main/serve'
import { othersAmong } from '../../main/serve/other-users'
import { exchange, pageSocket, secretFor } from '../served-page'
import { memoryFile } from './workbench-fixture'

const folder = mkdtempSync(join(tmpdir(), 'spectroscope-socket-'))
const path = join(folder, 'own.sock')

const start = (socket: string): Promise<Serving> =>
  startServer({
    folder: join(folder, 'workspace'),
    pages: join(folder, 'pages'),
    socket,
    settings: memoryFile(),
    views: memoryFile()
  })

beforeAll(() => {
  mkdirSync(join(folder, 'pages'))
  writeFileSync(join(folder, 'pages', 'index.html'), '<!doctype html><p>the window</p>')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(process.platform === 'win32')('a server at a Unix socket', () => {
  let tunnel: Server | undefined
  let server: Serving | undefined
  afterEach(async () => {
    tunnel?.close()
    await server?.close()
    server = undefined
  })

  /** What `ssh -L` does: passes connections of a port on to the socket. Gives the port. */
  const forward = async (): Promise<number> => {
    tunnel = createServer((from) => {
      const to = connect(path)
      from.pipe(to).pipe(from)
      from.on('error', () => to.destroy())
      to.on('error', () => from.destroy())
    }).listen(0, '127.0.0.1')
    await once(tunnel, 'listening')
    return (tunnel.address() as AddressInfo).port
  }

  it('lets a browser in through a tunnel, by whatever port it has there, and no page elsewhere', async () => {
    server = await start(path)
    const port = await forward()
    expect(server.address).toMatch(/^http:\/\/localhost:8000\/#token=/)
    const origin = `http://localhost:${port}`
    const through = (address: string): string => address.replace('http://localhost:8000', origin)
    expect(await (await fetch(`${origin}/`)).text()).toContain('the window')
    expect(await exchange(through(server.newAddress()), { origin: 'http://localhost:8001' })).toBe(403)
    const secret = await secretFor(through(server.address))
    const socket = await pageSocket(origin, secret)
    await once(socket, 'open')
    socket.terminate()
    for (const headers of [
      { origin: 'http://localhost:8000' },
      { origin: 'http://localhost' },
      { host: 'evil.example', origin: 'http://evil.example' }
    ]) {
      const refused = await pageSocket(origin, secret, headers)
      await expect(once(refused, 'open'), JSON.stringify(headers)).rejects.toThrow('403')
    }
  })

  it('is for its user alone, whatever the mask of the process, which stays as it was', async () => {
    const mask = process.umask(0)
    try {
      server = await start(path)
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(process.umask(0)).toBe(0)
    } finally {
      process.umask(mask)
    }
  })

  it('is refused where others could put another in its place, or where there is something else', async () => {
    const open = join(folder, 'open')
    mkdirSync(open)
    chmodSync(open, 0o777)
    const refused = (at: string, words: string): Promise<void> =>
      expect(start(at)).rejects.toMatchObject({ kind: 'usage', message: expect.stringContaining(words) as string })
    await refused(join(open, 'a.sock'), 'others can write')
    await refused(join(folder, 'missing', 'a.sock'), 'does not exist')
    await refused(join(folder, 'x'.repeat(200)), 'too long')
    writeFileSync(join(folder, 'a-file'), 'kept')
    await refused(join(folder, 'a-file'), 'another file exists there')
    symlinkSync(join(folder, 'elsewhere.sock'), join(folder, 'a-link'))
    await refused(join(folder, 'a-link'), 'another file exists there')
    server = await start(path)
    await refused(path, 'another program listens')
  })

  it('takes the place of one that a program left behind', async () => {
    const { spawn } = await import('node:child_process')
    const at = JSON.stringify(path)
    const listens = `require('node:net').createServer().listen(${at}, () => console.log('listening'))`
    const left = spawn(process.execPath, ['-e', listens], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(left.stdout, 'data')
    left.kill('SIGKILL')
    await once(left, 'exit')
    expect(statSync(path).isSocket()).toBe(true)
    server = await start(path)
    const port = await forward()
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200)
  })
})

it('counts people who have processes here, and no system, own or mapped user', () => {
  expect(othersAmong('    0\n    1\n 1000\n 1000\n 1001\n 1002\n 1002\n65534\n', 1000)).toBe(2)
  expect(othersAmong('    0\n  100\n 1000\n', 1000)).toBe(0)
  expect(othersAmong('', 1000)).toBe(0)
})
