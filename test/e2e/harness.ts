import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { describe } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { findChromium } from '../../tools/ensure.mjs'
import { buildHost } from '../host/build'

export const executablePath = findChromium()

/** Describes tests of the window; skipped, and saying so, where there is no Chromium. */
export const describeInBrowser = (name: string, body: () => void): void => {
  if (executablePath === undefined) describe.skip(`${name} (there is no Chromium here)`, body)
  else describe(name, body)
}

const browserArguments = ['--no-sandbox', '--disable-dev-shm-usage', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader']
export const launchBrowser = (...args: string[]): Promise<Browser> => chromium.launch({ executablePath: executablePath!, args: [...browserArguments, ...args] })

/** A folder for one test: a workspace, settings and what is exported. */
export interface Place {
  readonly folder: string
  readonly workspace: string
  readonly environment: NodeJS.ProcessEnv
  remove(): void
}

export const makePlace = (): Place => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-e2e-'))
  const settings = join(folder, 'settings')
  mkdirSync(settings)
  return {
    folder,
    workspace: join(folder, 'workspace'),
    environment: { ...process.env, SPECTROSCOPE_SETTINGS: settings, SPECTROSCOPE_HOST_DATA: settings, HOME: folder, XDG_CONFIG_HOME: join(folder, 'config'), NODE_OPTIONS: '' },
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** The program with a window in front of a test. */
export interface Opened {
  readonly page: Page
  readonly process: ChildProcess
  /** What the program wrote so far, to both outputs. */
  output(): string
  /** Ends it as a person would; resolves with its exit code once it has. */
  close(): Promise<number | null>
}

const complaints = (page: Page): string[] => {
  const found: string[] = []
  page.on('pageerror', (error) => found.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') found.push(message.text())
  })
  return found
}

/** Errors that the page threw or logged, by page. */
export const pageErrors = new WeakMap<Page, string[]>()
const watched = (page: Page): Page => {
  pageErrors.set(page, complaints(page))
  return page
}

const start = (args: readonly string[], environment: NodeJS.ProcessEnv): { readonly child: ChildProcess; readonly output: () => string; readonly until: (pattern: RegExp) => Promise<RegExpExecArray> } => {
  const child = spawn(process.execPath, args, { env: environment, cwd: projectRoot, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
      for (const look of waiting) look()
    })
  }
  const until = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(text)
        if (found === null) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      child.once('exit', (code) => reject(new Error(`it ended with exit code ${code} before it said ${String(pattern)}:\n${text}`)))
      look()
    })
  return { child, output: () => text, until }
}

const ended = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

const size = { width: 1280, height: 800 }

/** `spectroscope serve`, and its window in a browser. */
export const openServed = async (browser: Browser, { workspace, environment }: Place): Promise<Opened> => {
  const { child, output, until } = start([join(projectRoot, 'out', 'main', 'cli.js'), 'serve', '--no-open', '--workspace', workspace], environment)
  const [address] = await until(/http:\/\/127\.0\.0\.1:\d+\/\S*/)
  const context = await browser.newContext({ viewport: size })
  const page = watched(await context.newPage())
  await page.goto(address)
  return {
    page,
    process: child,
    output,
    close: async () => {
      await context.close()
      child.kill('SIGINT')
      return ended(child)
    }
  }
}

let host: Promise<string> | undefined
const hostFolder = join(projectRoot, 'out', 'host')

/** The built shell on the stand-in for electron, and its window in a browser of its own. */
export const openShell = async ({ workspace, environment }: Place, options: { readonly args?: readonly string[] } = {}): Promise<Opened & { readonly browser: Browser }> => {
  host ??= buildHost(hostFolder)
  const electron = await host
  const port = await freePort()
  const browser = await launchBrowser(`--remote-debugging-port=${port}`)
  const endpoint = `http://127.0.0.1:${port}`
  const { child, output } = start(
    ['--import', join(projectRoot, 'test', 'host', 'register.mjs'), join(projectRoot, 'out', 'main', 'index.js'), `--workspace=${workspace}`, ...(options.args ?? [])],
    { ...environment, SPECTROSCOPE_HOST: electron, SPECTROSCOPE_HOST_CDP: endpoint }
  )
  const own = await chromium.connectOverCDP(endpoint)
  const context = own.contexts()[0]
  const page = watched(context.pages().find((candidate) => candidate.url().startsWith('http://127.0.0.1')) ?? (await shellPage(context, child, output)))
  return {
    page,
    browser,
    process: child,
    output,
    close: async () => {
      await page.evaluate(() => (window as unknown as { host: (request: unknown) => Promise<unknown> }).host({ do: 'close' })).catch(() => undefined)
      const code = await ended(child)
      await browser.close()
      return code
    }
  }
}

const shellPage = (context: ReturnType<Browser['contexts']>[number], child: ChildProcess, output: () => string): Promise<Page> =>
  new Promise((resolve, reject) => {
    context.on('page', resolve)
    child.once('exit', (code) => reject(new Error(`the shell ended with exit code ${code} before it opened a window:\n${output()}`)))
  })

/** A port of this machine that was free just now. */
const freePort = async (): Promise<number> => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
