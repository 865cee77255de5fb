import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { _electron as electron, chromium } from 'playwright-core'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'
import type { TestContext } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { findChromium } from '../../tools/ensure.mjs'
import { buildHost } from '../host/build'
import type { HostRequest } from '../host/electron'

export const executablePath = findChromium()

/** Describes tests of the window; skipped, and saying so, where there is no Chromium. */
export const describeInBrowser = (name: string, body: () => void): void => {
  if (executablePath === undefined) describe.skip(`${name} (there is no Chromium here)`, body)
  else describe(name, body)
}

const browserArguments = ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-swiftshader']
export const launchBrowser = (...args: string[]): Promise<Browser> =>
  chromium.launch({ executablePath: executablePath!, args: [...browserArguments, ...args] })

/**
 * A folder for one test: a workspace, settings and what is exported; settings have what an earlier place measured of
 * this machine.
 */
export interface Place {
  readonly folder: string
  readonly workspace: string
  readonly environment: NodeJS.ProcessEnv
  /** The shell's entry where that is another than the one that was built here. */
  readonly shell?: string
  /** Whether a window opens the workspace as one of this person's, whoever made it; where not given, it does. */
  readonly isTrusted?: boolean
  remove(): void
}

/**
 * What the program measured of this machine and kept with its settings: once for all tests of a file, as it takes
 * longer than many of them.
 */
let machine: unknown

export const makePlace = (): Place => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-e2e-'))
  const settings = join(folder, 'settings')
  const file = join(settings, 'settings.json')
  mkdirSync(settings)
  if (machine !== undefined) writeFileSync(file, JSON.stringify({ machine }))
  return {
    folder,
    workspace: join(folder, 'workspace'),
    environment: {
      // Software Vulkan takes many seconds to compile what it finds in a home's cache.
      MESA_SHADER_CACHE_DIR: join(homedir(), '.cache'),
      ...process.env,
      SPECTROSCOPE_SETTINGS: settings,
      SPECTROSCOPE_HOST_DATA: settings,
      HOME: folder,
      XDG_CONFIG_HOME: join(folder, 'config'),
      NODE_OPTIONS: '',
      SPECTROSCOPE_NODE: process.execPath
    },
    remove: () => {
      if (existsSync(file))
        machine = (JSON.parse(readFileSync(file, 'utf8')) as { readonly machine?: unknown }).machine ?? machine
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    }
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
  // As for the tests themselves, only so that a hang ends.
  page.setDefaultTimeout(300_000)
  pageErrors.set(page, complaints(page))
  return page
}

const start = (
  args: readonly string[],
  environment: NodeJS.ProcessEnv
): {
  readonly child: ChildProcess
  readonly output: () => string
  readonly until: (pattern: RegExp) => Promise<RegExpExecArray>
} => {
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
      child.once('exit', (code) =>
        reject(new Error(`it ended with exit code ${code} before it said ${String(pattern)}:\n${text}`))
      )
      look()
    })
  return { child, output: () => text, until }
}

/** Pids of a process's own children, by the title that each gives itself: "spectroscope store". */
export const childrenOf = ({ pid }: Pick<ChildProcess, 'pid'>, title: 'store' | 'compute' | 'webgpu'): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const parent = /^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]
        return (
          Number(parent) === pid && readFileSync(`/proc/${name}/cmdline`, 'utf8').startsWith(`spectroscope ${title}`)
        )
      } catch {
        return false
      }
    })
    .map(Number)

const ended = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

const size = { width: 1280, height: 800 }

/** Where pictures of the window are kept, made if missing. */
export const pictures = (): string => {
  const folder = join(projectRoot, 'out', 'screenshots')
  mkdirSync(folder, { recursive: true })
  return folder
}

/**
 * Keeps a picture of what the window shows when a test has failed, beside those of the views, and says what the
 * program wrote.
 */
export const keepFailure = async ({ task }: TestContext, opened: Opened | undefined): Promise<void> => {
  if (task.result?.state !== 'fail' || opened === undefined || opened.page.isClosed()) return
  console.error(opened.output())
  await opened.page
    .screenshot({
      timeout: 5000,
      path: join(pictures(), `failed-${task.name.replace(/[^a-z]+/gi, '-').slice(0, 60)}.png`)
    })
    .catch(() => undefined)
}

const trusting = ({ isTrusted = true }: Place): string[] => (isTrusted ? ['--trust'] : [])

/** `spectroscope serve`, and its window in a browser: of its own, or one that has been used before. */
export const openServed = async (
  browser: Browser | BrowserContext,
  place: Place,
  ...args: string[]
): Promise<Opened> => {
  const { workspace, environment } = place
  const { child, output, until } = start(
    [
      join(projectRoot, 'out', 'main', 'cli.js'),
      'serve',
      '--no-open',
      '--workspace',
      workspace,
      ...trusting(place),
      ...args
    ],
    environment
  )
  const [address] = await until(/http:\/\/127\.0\.0\.1:\d+\/\S*/)
  const context = 'newContext' in browser ? await browser.newContext({ viewport: size }) : browser
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

/** The shell with its window, and what only the system around it can do. */
export interface OpenedShell extends Opened {
  /** Asks the window to close, as its ✕ does; whether it did. */
  closeWindow(): Promise<boolean>
  /** Clicks an entry of the menu by its command. */
  menu(command: string): Promise<boolean>
  /** What the next dialogs of the system answer: paths each, none for one that is dismissed. */
  answerDialogs(paths: readonly (readonly string[])[]): Promise<void>
  /** Titles of the notifications that were shown. */
  notifications(): Promise<readonly string[]>
  /** Whether the system is kept from sleeping; on Electron itself that is not asked. */
  awake(): Promise<boolean>
}

const shellArguments = (place: Place, args: readonly string[]): string[] => [
  place.shell ?? join(projectRoot, 'out', 'main', 'index.js'),
  `--workspace=${place.workspace}`,
  ...trusting(place),
  ...args
]

/** Built once for each worker of the tests, in a folder of its own, as another one may be using its own meanwhile. */
let host: Promise<string> | undefined
const builtHost = (): Promise<string> =>
  (host ??= buildHost(join(projectRoot, 'out', 'host', process.env['VITEST_POOL_ID'] ?? '1')))

/** The built shell on the stand-in for electron, its window in a Chromium of its own. */
const openOnStandIn = async (place: Place, args: readonly string[]): Promise<OpenedShell> => {
  const standIn = await builtHost()
  const port = await freePort()
  const browser = await launchBrowser(`--remote-debugging-port=${port}`)
  const endpoint = `http://127.0.0.1:${port}`
  const own = await chromium.connectOverCDP(endpoint)
  const context = own.contexts()[0]
  const opening = new Promise<Page>((resolve) => context.once('page', resolve))
  const { child, output } = start(
    ['--import', join(projectRoot, 'test', 'host', 'register.mjs'), ...shellArguments(place, args)],
    {
      ...place.environment,
      SPECTROSCOPE_HOST: standIn,
      SPECTROSCOPE_HOST_CDP: endpoint
    }
  )
  const gone = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`the shell ended with exit code ${String(code)} before it opened a window:\n${output()}`))
  )
  const page = watched(await Promise.race([opening, gone]))
  gone.catch(() => undefined)
  const ask = (request: HostRequest): Promise<unknown> =>
    page.evaluate(
      (asked) => (window as unknown as { host: (request: unknown) => Promise<unknown> }).host(asked),
      request
    )
  return {
    page,
    process: child,
    output,
    closeWindow: async () => (await ask({ do: 'close' }).catch(() => true)) === true,
    menu: async (command) => (await ask({ do: 'menu', id: command })) === true,
    answerDialogs: async (paths) => {
      await ask({ do: 'answer-dialogs', paths })
    },
    notifications: async () => ((await ask({ do: 'notifications' })) as { title: string }[]).map(({ title }) => title),
    awake: async () => (await ask({ do: 'awake' })) === true,
    close: async () => {
      await ask({ do: 'close' }).catch(() => undefined)
      const code = await ended(child)
      await browser.close()
      return code
    }
  }
}

/** The built shell on Electron itself, whose program SPECTROSCOPE_ELECTRON names. */
const openOnElectron = async (executable: string, place: Place, args: readonly string[]): Promise<OpenedShell> => {
  const app = await electron.launch({
    executablePath: executable,
    args: [...(process.platform === 'linux' ? ['--no-sandbox'] : []), ...shellArguments(place, args)],
    env: place.environment as Record<string, string>
  })
  const page = watched(await app.firstWindow())
  let text = ''
  for (const stream of [app.process().stdout, app.process().stderr])
    stream?.on('data', (part: Buffer) => (text += part.toString()))
  await app.evaluate(({ Notification }) => {
    const shown: string[] = ((globalThis as { shownTitles?: string[] }).shownTitles = [])
    Notification.prototype.show = function (this: { title: string }) {
      shown.push(this.title)
    }
  })
  return {
    page,
    process: app.process(),
    output: () => text,
    closeWindow: () =>
      app.evaluate(({ BrowserWindow }) => {
        const window = BrowserWindow.getAllWindows().find((each) => each.isVisible())!
        window.close()
        return window.isDestroyed()
      }),
    menu: (command) =>
      app.evaluate(({ Menu }, id) => {
        const item = Menu.getApplicationMenu()?.getMenuItemById(id)
        item?.click()
        return item !== null && item !== undefined
      }, command),
    answerDialogs: (paths) =>
      app.evaluate(({ dialog }, answers) => {
        const left = [...answers]
        const next = (): string[] => [...(left.shift() ?? [])]
        dialog.showOpenDialog = async () => {
          const filePaths = next()
          return { canceled: filePaths.length === 0, filePaths }
        }
        dialog.showSaveDialog = async () => {
          const [filePath = ''] = next()
          return { canceled: filePath === '', filePath }
        }
      }, paths),
    notifications: () => app.evaluate(() => (globalThis as { shownTitles?: string[] }).shownTitles ?? []),
    awake: () => Promise.reject(new Error('Electron tells nobody who keeps the system awake')),
    close: async () => {
      await app
        .evaluate(({ BrowserWindow }) =>
          BrowserWindow.getAllWindows()
            .find((window) => window.isVisible())
            ?.close()
        )
        .catch(() => undefined)
      return ended(app.process())
    }
  }
}

/** Starts the shell's program on the stand-in once more beside the one that is there; its exit code. */
export const startAgain = async (place: Place, ...args: string[]): Promise<number | null> => {
  const { child } = start(
    ['--import', join(projectRoot, 'test', 'host', 'register.mjs'), ...shellArguments(place, args)],
    { ...place.environment, SPECTROSCOPE_HOST: await builtHost() }
  )
  return ended(child)
}

/**
 * The built shell and its window: on Electron where SPECTROSCOPE_ELECTRON names its program, else on the stand-in for
 * it.
 */
export const openShell = (place: Place, ...args: string[]): Promise<OpenedShell> => {
  const executable = process.env['SPECTROSCOPE_ELECTRON'] ?? ''
  return executable === '' ? openOnStandIn(place, args) : openOnElectron(executable, place, args)
}

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

/** What the tests of one file share: a browser, a place for each test, and the window that is open in it. */
export interface Desk {
  readonly browser: Browser
  readonly place: Place
  opened: Opened | undefined
}

/** Rows of the list of clusters that are laid out: of a tree where the clustering is one, of a list otherwise. */
export const clusterRows = (page: Page): Locator =>
  page.locator(':is([role=tree], [role=listbox])[aria-label=Clusters] :is([role=treeitem], [role=option])')

/**
 * Gives each test of the describe that calls it a place of its own, as `prepare` leaves it, and `end`s the window
 * that a test leaves open; keeps a picture of one that failed.
 */
export const deskForEach = ({
  prepare = (place) => place,
  end
}: {
  readonly prepare?: (place: Place) => Place | Promise<Place>
  readonly end: (opened: Opened) => Promise<unknown>
}): Desk => {
  let [browser, place]: [Browser?, Place?] = []
  const there = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('no test has begun')
    return value
  }
  const desk: Desk = {
    get browser() {
      return there(browser)
    },
    get place() {
      return there(place)
    },
    opened: undefined
  }
  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterAll(() => browser?.close())
  beforeEach(async () => {
    place = await prepare(makePlace())
  })
  afterEach(async (context) => {
    await keepFailure(context, desk.opened)
    if (desk.opened?.process.exitCode === null && desk.opened.process.signalCode === null) await end(desk.opened)
    desk.opened = undefined
    place?.remove()
  })
  return desk
}
