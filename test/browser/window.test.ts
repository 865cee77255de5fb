import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import type { Page } from 'playwright-core'
import { type ClientOptions, WebSocket } from 'ws'
import { messageOf } from '../../preload/errors'
import { GraphBuilder } from '../../main/engine/graph'
import { computingVariable, openWebGpuWindow } from '../../main/engine/wgsl/client'
import {
  deviation,
  isBuilt,
  run,
  runOf,
  sampler,
  scratch,
  start,
  susceptibilitiesOf,
  until,
  writeStudy
} from '../crash/command'
import { tinyRows } from '../tiny-model'
import { openComputingBrowser } from './executor'

const opened = await openComputingBrowser().then(
  (computing) => ({ computing, missing: undefined }),
  (error: unknown) => ({ computing: undefined, missing: messageOf(error).split('\n')[0] })
)
const isHere = opened.computing !== undefined && isBuilt
const { address, browser, pages } = opened.computing ?? { address: '', browser: undefined, pages: new Set() }

afterAll(() => opened.computing?.close())

const open = (): ReturnType<typeof openWebGpuWindow> => openWebGpuWindow('software', address)

const twice = () => {
  const builder = new GraphBuilder()
  builder.output('twice', builder.scale(builder.input('x', [3]), 2))
  return builder.build()
}
const x = Float32Array.of(1, 2, 3)

/** What comes of a WebSocket: "open", or why not. */
const answerTo = async (url: string, options: ClientOptions = {}): Promise<string> => {
  const socket = new WebSocket(url, options)
  try {
    await once(socket, 'open')
    return 'open'
  } catch (error) {
    return messageOf(error)
  } finally {
    socket.on('error', () => {}).terminate()
  }
}

describe.skipIf(!isHere)(
  `a page that computes${opened.missing === undefined ? '' : ` (skipped: ${opened.missing})`}`,
  () => {
    it('is had by an address that nobody guesses, and by no page of a browser', async () => {
      const { host, pathname } = new URL(address)
      const refusals: [string, ClientOptions?][] = [
        [address, { origin: `http://${host}` }],
        [address, { origin: 'https://example.com' }],
        [address, { headers: { host: 'example.com' } }],
        [`ws://${host}/${'A'.repeat(pathname.length - 1)}`],
        [`ws://${host}/`],
        [`${address}/channel`, { origin: `http://${host}` }],
        [`${address}/channel`]
      ]
      for (const [url, options] of refusals)
        expect(await answerTo(url, options), url).toBe('Unexpected server response: 403')
      for (const path of ['/', '/computing.html', `${pathname}/computing.html`, `/${'A'.repeat(43)}/computing.html`])
        expect((await fetch(`http://${host}${path}`)).status, path).toBe(403)
      expect(pages.size).toBe(0)
      await expect(openWebGpuWindow('software', `ws://${host}/wrong`)).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(/^The hidden window for WebGPU did not open .*; .*\.$/)
      })
      await expect(openWebGpuWindow('hardware', '')).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(
          /^webgpu-window computes in a hidden window, which the desktop program alone has; /
        )
      })
    })

    it('has an address of its own, which nobody can use a second time, and reaches nothing else', async () => {
      const executor = await open()
      const [page] = opened.computing!.pages
      const { host } = new URL(page.url())
      expect((await fetch(page.url())).status).toBe(403)
      expect(
        await answerTo(page.url().replace(/^http(.*)computing\.html$/, 'ws$1channel'), { origin: `http://${host}` })
      ).toBe('Unexpected server response: 403')
      expect(
        await page.evaluate(() =>
          fetch('https://example.com/').then(
            () => 'answered',
            () => 'refused'
          )
        )
      ).toBe('refused')
      const closed = page.waitForEvent('close')
      await executor.dispose()
      await closed
      expect(pages.size).toBe(0)
    })

    it('is closed where whoever asked for it is gone before it is there', async () => {
      const { host, hostname, port, pathname } = new URL(address)
      const socket = connect(Number(port), hostname)
      socket.write(
        [
          `GET ${pathname} HTTP/1.1`,
          `Host: ${host}`,
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
          `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
          '',
          ''
        ].join('\r\n')
      )
      await until(() => pages.size > 0, 'the page to be opened')
      socket.resetAndDestroy()
      await until(() => pages.size === 0, 'the page to be closed')
      await (await open()).dispose()
    })

    it('says on what it computes, and is refused as a GPU where that is software', async () => {
      const executor = await open()
      expect(executor.description).toEqual({
        name: 'webgpu-window-software',
        device: 'google swiftshader fallback adapter, software on the processor',
        precision: 'float32',
        version: 'WGSL 1'
      })
      await executor.dispose()
      await expect(openWebGpuWindow('hardware', address)).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(
          /^WebGPU has no GPU here, but google swiftshader .*, which is software on the processor; /
        )
      })
    })

    it('that is closed, crashes, or loses its GPU is a device that is lost, to what is at work and to what comes after', async () => {
      const killGpuProcess = async (): Promise<void> => {
        const { processInfo } = await (await browser!.newBrowserCDPSession()).send('SystemInfo.getProcessInfo')
        process.kill(processInfo.find(({ type }) => type === 'GPU')!.id, 'SIGKILL')
      }
      const endings: [RegExp, (page: Page) => Promise<unknown>][] = [
        [/its page closed/, (page) => page.close()],
        [/its page closed/, (page) => page.goto('chrome://crash')],
        [/its GPU was lost/, killGpuProcess]
      ]
      for (const [words, end] of endings) {
        const executor = await open()
        const program = await executor.compile(twice())
        expect(await program.run({ x })).toEqual({ twice: Float32Array.of(2, 4, 6) })
        const lost = {
          kind: 'engine',
          message: expect.stringMatching(
            new RegExp(`^The WebGPU window ended \\(${words.source}.*\\), .*; resume the run`)
          )
        }
        const seen = (async () => {
          for (;;) await program.run({ x })
        })()
        const noticed = expect(seen).rejects.toMatchObject(lost)
        // A browser does not say that it has opened what ends it.
        end([...opened.computing!.pages][0]).catch(() => {})
        await noticed
        await expect(program.run({ x })).rejects.toMatchObject(lost)
        await executor.dispose()
      }
      await until(() => pages.size === 0, 'the pages to be closed')
    })
  }
)

describe.skipIf(!isHere)('a run on a page', () => {
  const { path, remove } = scratch()
  const workspace = path('workspace')
  afterAll(remove)
  const there = { [computingVariable]: address }
  // SwiftShader takes a hundred times as long as a processor's own engine.
  const changes = {
    components: ['mlp:1'],
    clustering: false,
    sampler: {
      ...sampler,
      batchSize: 2,
      burnIn: 1,
      draws: 3,
      stepsBetweenDraws: 2,
      chains: 1,
      estimator: 'restricted'
    },
    threads: 2
  }

  const susceptibilities = (name: string): Promise<Float32Array> => susceptibilitiesOf(name, workspace)
  const provenanceOf = async (name: string): Promise<object> => (await runOf(name, workspace)).provenance

  /** Starts the run, and closes its page once a checkpoint is there. */
  const lose = async (study: string, name: string): Promise<void> => {
    const begun = start(['run', study, '--workspace', workspace, '--name', name, '--checkpoint-every', '0.05'], there)
    await until(
      () => readdirSync(path(), { recursive: true }).some((file) => /-1\.checkpoint$/.test(String(file))),
      'a checkpoint of the sampling'
    )
    for (const page of opened.computing!.pages) await page.close()
    expect(await begun.finished).toMatchObject({
      code: 9,
      stderr: expect.stringMatching(/The WebGPU window ended \(its page closed\).*`resume --engine NAME`/s)
    })
    expect(await provenanceOf(name)).toMatchObject({
      engine: { name: 'webgpu-window-software' },
      engineLost: { message: expect.stringContaining('The WebGPU window ended') }
    })
  }

  it('has the numbers of the processor but for float32 noise; it is paused as its page is closed, and goes on on another page or on the processor', async () => {
    writeFileSync(path('rows.json'), JSON.stringify(tinyRows({ sampling: 8, observation: 4, probe: 6, length: 12 })))
    const [onPage, onProcessor] = [
      await writeStudy(path, { ...changes, engine: 'webgpu-window-software' }, 'page.json'),
      await writeStudy(path, { ...changes, engine: 'onnx-cpu' }, 'processor.json')
    ]
    expect(await run(['run', onProcessor, '--workspace', workspace, '--name', 'processor'])).toMatchObject({ code: 0 })
    expect(await run(['run', onPage, '--workspace', workspace, '--name', 'page'], there)).toMatchObject({ code: 0 })
    const [expected, whole] = [await susceptibilities('processor'), await susceptibilities('page')]
    expect(deviation(whole, expected)).toBeGreaterThan(0)
    expect(deviation(whole, expected)).toBeLessThan(1e-4)

    await lose(onPage, 'again')
    expect(await run(['resume', 'again', '--workspace', workspace], there)).toMatchObject({ code: 0 })
    expect(await susceptibilities('again')).toEqual(whole)

    await lose(onPage, 'moved')
    expect(await run(['resume', 'moved', '--workspace', workspace])).toMatchObject({
      code: 9,
      stderr: expect.stringContaining('which the desktop program alone has')
    })
    expect(await run(['resume', 'moved', '--workspace', workspace, '--engine', 'onnx-cpu'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('continues on onnx-cpu (CPU)')
    })
    expect(await provenanceOf('moved')).toMatchObject({
      engine: { name: 'onnx-cpu' },
      enginesBefore: [{ name: 'webgpu-window-software' }]
    })
    expect(deviation(await susceptibilities('moved'), expected)).toBeLessThan(1e-4)
    expect(pages.size).toBe(0)
  })
})
