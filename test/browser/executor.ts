import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { build } from 'vite'
import { type WebSocket, WebSocketServer } from 'ws'
import { SpectroscopeError } from '../../preload/errors'
import { decode, encode } from '../../preload/wire'
import { projectRoot } from '../../main/base/entries'
import type { ChildExit } from '../../main/base/processes'
import { ProcessExecutor } from '../../main/engine/apart/client'
import { findChromium } from '../../tools/ensure.mjs'

const bundle = async (): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-page-'))
  try {
    const entry = join(projectRoot, 'test', 'browser', 'page.ts')
    await build({ configFile: false, logLevel: 'error', publicDir: false, build: { lib: { entry, formats: ['iife'], name: 'page', fileName: () => 'page.js' }, outDir: folder, target: 'chrome120', minify: false } })
    return readFileSync(join(folder, 'page.js'), 'utf8')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export interface PageExecutor {
  readonly executor: ProcessExecutor
  close(): Promise<void>
}

/** An executor whose work a page of Chromium does by WebGPU on SwiftShader, as Electron's would on a GPU. Rejects where there is no Chromium, or it has no adapter. */
export const openPageExecutor = async (): Promise<PageExecutor> => {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('there is no Chromium here')
  const script = await bundle()
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html').end(isScript ? script : '<!doctype html><title>Computing</title><script src="page.js"></script>')
  })
  const sockets = new WebSocketServer({ server })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'] })
  const close = async (): Promise<void> => {
    await browser.close()
    sockets.close()
    server.close()
  }
  try {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${port}/`)
    const connected = once(sockets, 'connection') as Promise<[WebSocket]>
    await page.evaluate(`page.connect('ws://127.0.0.1:${port}/')`)
    const [socket] = await connected
    const lost = (words: string): SpectroscopeError => new SpectroscopeError('engine', `The page ended (${words}); run the test again.`)
    const executor = await ProcessExecutor.over(
      {
        pid: undefined,
        send: (message, failed) => socket.send(encode(message), (error) => {
          if (error) failed()
        }),
        onMessage: (listener) => void socket.on('message', (data: Buffer) => listener(decode(data))),
        onExit: (listener) => void socket.once('close', () => listener({ code: null, signal: null, words: 'its connection was closed' } satisfies ChildExit)),
        kill: () => socket.terminate(),
        disconnect: () => socket.close()
      },
      { library: 'WebGPU of Chromium', options: null, lostAtStart: lost }
    )
    return { executor, close }
  } catch (error) {
    await close()
    throw error
  }
}
