/**
 * Replaces the `electron` module where its runtime is missing. Drives the built shell with a Chromium page, so that
 * the window and the shell's behaviour are the program's own. Types are checked against electron.d.ts.
 */
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, createServer as createSocketServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as Electron from 'electron'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { decode, encode } from '../../preload/wire'

const isPackaged = process.env['SPECTROSCOPE_HOST_ARCHIVE'] !== undefined
// A packed program is not told its own entry.
if (isPackaged) process.argv.splice(1, 1)
const userData = process.env['SPECTROSCOPE_HOST_DATA'] ?? join(tmpdir(), 'spectroscope-host')
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Requests of tests to the replacement, from the page: `window.host(request)`. */
export type HostRequest =
  | { readonly do: 'close' }
  | { readonly do: 'menu'; readonly id: string }
  | { readonly do: 'answer-dialogs'; readonly paths: readonly (readonly string[])[] }
  | { readonly do: 'open-file'; readonly path: string }
  | { readonly do: 'notifications' }
  | { readonly do: 'navigations' }
  /** Whether the system is kept awake. */
  | { readonly do: 'awake' }

// ---- app -------------------------------------------------------------------------------------------------

const windows = new Set<HostWindow>()

class HostApp extends EventEmitter {
  readonly isPackaged = isPackaged
  #quitting = false

  exit(code = 0): void {
    void stop().then(() => process.exit(code))
  }
  getPath(): string {
    return userData
  }
  getVersion(): string {
    return '0.0.0-host'
  }
  getName(): string {
    return 'Spectroscope'
  }
  requestSingleInstanceLock(): boolean {
    return locked
  }
  whenReady(): Promise<void> {
    return Promise.resolve()
  }
  quit(): void {
    if (this.#quitting) return
    this.#quitting = true
    void this.#quit()
  }
  async #quit(): Promise<void> {
    const isPrevented = (event: string): boolean => {
      let prevented = false
      this.emit(event, { preventDefault: () => (prevented = true) })
      return prevented
    }
    if (isPrevented('before-quit')) return void (this.#quitting = false)
    for (const window of windows) if (!(await window.close())) return void (this.#quitting = false)
    if (isPrevented('will-quit')) return void (this.#quitting = false)
    await stop()
    process.exit(0)
  }
}

type AppPart = Pick<
  Electron.App,
  'isPackaged' | 'getVersion' | 'getName' | 'requestSingleInstanceLock' | 'whenReady' | 'quit' | 'exit'
>
export const app = new HostApp() satisfies AppPart

/** One instance per settings folder. A second start passes its arguments to the first and is refused. */
const locked = await new Promise<boolean>((resolve) => {
  const path = join(userData, 'instance.sock')
  const server = createSocketServer((socket) => {
    socket.on('data', (data) =>
      app.emit('second-instance', {}, JSON.parse(data.toString()) as string[], process.cwd(), null)
    )
  })
  server.once('error', () => {
    const socket = connect(path, () => socket.end(JSON.stringify(process.argv), () => resolve(false)))
    socket.once('error', () => resolve(true))
  })
  server.listen(path, () => resolve(true))
  server.unref()
})

// ---- protocol, session -----------------------------------------------------------------------------------

type Handler = (request: Request) => Response | Promise<Response>
let handler: Handler = () => new Response(null, { status: 404 })

export const protocol = {
  registerSchemesAsPrivileged: () => undefined,
  handle: (_scheme: string, given: Handler) => {
    handler = given
  }
} satisfies Pick<Electron.Protocol, 'registerSchemesAsPrivileged'> & {
  handle: (scheme: string, handler: Handler) => void
}

class HostSession {
  /** Whether a page may ask for what is at the URL. */
  allows: (url: string) => boolean = () => true
  readonly webRequest = {
    onBeforeRequest: (
      filter: (
        details: Electron.OnBeforeRequestListenerDetails,
        answer: (response: Electron.CallbackResponse) => void
      ) => void
    ) => {
      this.allows = (url) => {
        let cancelled = false
        filter({ url } as Electron.OnBeforeRequestListenerDetails, ({ cancel }) => (cancelled = cancel === true))
        return !cancelled
      }
    }
  }
  setPermissionRequestHandler(): void {
    // Pages here are permitted what a test's Chromium permits.
  }
  setPermissionCheckHandler(): void {
    // Likewise.
  }
}

export const session = { defaultSession: new HostSession() }

const appOrigin = 'app://spectroscope'
const server = createServer((request, response) => {
  const answer = async (): Promise<void> => {
    const answered = await handler(new Request(`${appOrigin}${request.url ?? '/'}`))
    response.writeHead(answered.status, Object.fromEntries(answered.headers))
    response.end(Buffer.from(await answered.arrayBuffer()))
  }
  answer().catch((error: unknown) => {
    response.writeHead(500)
    response.end(String(error))
  })
})
const sockets = new WebSocketServer({ server, maxPayload: 2 ** 30 })
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const address = server.address()
const port = typeof address === 'object' && address !== null ? address.port : 0
const pageOrigin = `http://127.0.0.1:${port}`

// ---- ipc -------------------------------------------------------------------------------------------------

interface Frame {
  readonly origin: string
  readonly url: string
  readonly parent: null
}
type Invoked = (event: { readonly senderFrame: Frame }, ...args: unknown[]) => unknown
const invoked = new Map<string, Invoked>()

class HostIpcMain extends EventEmitter {
  handle(channel: string, listener: Invoked): void {
    invoked.set(channel, listener)
  }
}
export const ipcMain = new HostIpcMain()

type FromPage =
  | { readonly id: number; readonly invoke: string; readonly args: readonly unknown[] }
  | { readonly send: string; readonly args: readonly unknown[] }
  | { readonly window: number }

const frameOf = (): Frame => ({ origin: appOrigin, url: `${appOrigin}/index.html`, parent: null })

sockets.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => {
    const message = decode(new Uint8Array(data)) as FromPage
    if ('window' in message) return [...windows].find(({ number }) => number === message.window)?.connected(socket)
    if ('send' in message) return void ipcMain.emit(message.send, { senderFrame: frameOf() }, ...message.args)
    const answer = async (): Promise<unknown> =>
      invoked.get(message.invoke)?.({ senderFrame: frameOf() }, ...message.args)
    answer().then(
      (result) => socket.send(encode({ id: message.id, result })),
      (error: unknown) => socket.send(encode({ id: message.id, error: String(error) }))
    )
  })
})

// ---- windows ---------------------------------------------------------------------------------------------

let browser: Browser | undefined
const browserOf = async (): Promise<Browser> => {
  const endpoint = process.env['SPECTROSCOPE_HOST_CDP']
  browser ??=
    endpoint === undefined
      ? await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
      : await chromium.connectOverCDP(endpoint)
  return browser
}
const stop = async (): Promise<void> => {
  if (process.env['SPECTROSCOPE_HOST_CDP'] === undefined) await browser?.close()
}

const navigations: string[] = []
const notifications: { title: string; body: string }[] = []
let answers: (readonly string[])[] = []
let lastWindow = 0

class HostWebContents extends EventEmitter {
  readonly session: HostSession
  readonly #socket: () => WebSocket | undefined
  constructor(session: HostSession, socket: () => WebSocket | undefined) {
    super()
    this.session = session
    this.#socket = socket
  }
  send(channel: string, ...args: unknown[]): void {
    this.#socket()?.send(encode({ channel, args }))
  }
  setWindowOpenHandler(): void {
    // Windows that the page asks for are closed as soon as they open.
  }
}

class HostWindow extends EventEmitter {
  readonly number = ++lastWindow
  readonly webContents: HostWebContents
  #socket: WebSocket | undefined
  #page: Page | undefined
  #bounds: Electron.Rectangle
  readonly #preload: string | undefined

  constructor({
    width = 800,
    height = 600,
    x = 0,
    y = 0,
    webPreferences = {}
  }: Electron.BrowserWindowConstructorOptions = {}) {
    super()
    if (
      webPreferences.sandbox !== true ||
      webPreferences.contextIsolation !== true ||
      webPreferences.nodeIntegration !== false
    )
      throw new Error('The window is not sandboxed and isolated.')
    this.webContents = new HostWebContents(session.defaultSession, () => this.#socket)
    this.#bounds = { x, y, width, height }
    this.#preload = webPreferences.preload === undefined ? undefined : readFileSync(webPreferences.preload, 'utf8')
    windows.add(this)
    app.emit('web-contents-created', {}, this.webContents)
  }

  connected(socket: WebSocket): void {
    this.#socket = socket
    this.webContents.emit('did-finish-load')
  }

  async loadURL(url: string): Promise<void> {
    const opened = await browserOf()
    const context = opened.contexts()[0] ?? (await opened.newContext())
    const page = await context.newPage()
    this.#page = page
    if (!windows.has(this)) return this.#end()
    await page.setViewportSize({ width: this.#bounds.width, height: this.#bounds.height })
    if (this.#preload !== undefined) await page.exposeFunction('host', (request: HostRequest) => this.#answer(request))
    await page.route('**/*', (route) => {
      const request = route.request()
      const asked = request.url().replace(pageOrigin, appOrigin)
      if (request.isNavigationRequest() && !asked.startsWith(appOrigin) && asked !== url && !this.#mayNavigate(asked))
        return route.abort('aborted')
      return this.webContents.session.allows(asked) ? route.continue() : route.abort()
    })
    page.on('crash', () =>
      this.webContents.emit('render-process-gone', {}, {
        reason: 'crashed',
        exitCode: 1
      } satisfies Electron.RenderProcessGoneDetails)
    )
    page.on('popup', (popup) => void popup.close())
    page.on('framenavigated', (frame) => {
      if (frame.url().startsWith(pageOrigin) || frame.url() === 'about:blank' || frame.url() === url) return
      navigations.push(frame.url())
    })
    const script = readFileSync(here('./page.js'), 'utf8')
    if (this.#preload !== undefined)
      await page.addInitScript({
        content:
          `if (location.origin === ${JSON.stringify(pageOrigin)}) (() => {\n${script}\nconst { require } = ` +
          `hostPageModule.hostPage(${this.number}, ${port});\nconst module = { exports: {} }; const exports = ` +
          `module.exports;\n${this.#preload}\n})()`
      })
    page.on('close', () => this.#gone())
    await page.goto(url.replace(appOrigin, pageOrigin))
    this.emit('ready-to-show')
  }

  #mayNavigate(url: string): boolean {
    let prevented = false
    this.webContents.emit('will-navigate', { url, preventDefault: () => (prevented = true) })
    return !prevented
  }

  async #answer(request: HostRequest): Promise<unknown> {
    switch (request.do) {
      case 'close':
        return this.close()
      case 'menu':
        return clickMenu(request.id)
      case 'answer-dialogs':
        return void (answers = [...request.paths])
      case 'open-file':
        return void app.emit('open-file', { preventDefault: () => undefined }, request.path)
      case 'notifications':
        return notifications
      case 'navigations':
        return navigations
      case 'awake':
        return blockers.size > 0
    }
  }

  /** Whether it was closed. */
  async close(): Promise<boolean> {
    let prevented = false
    this.emit('close', { preventDefault: () => (prevented = true) })
    if (prevented) return false
    this.#gone()
    await this.#end()
    return true
  }

  #gone(): void {
    if (!windows.delete(this)) return
    this.emit('closed')
    if (windows.size === 0) app.emit('window-all-closed')
  }

  destroy(): void {
    this.#gone()
    void this.#end()
  }

  async #end(): Promise<void> {
    await this.#page?.close().catch(() => undefined)
  }

  hide(): void {
    // Nobody looks at a page of the stand-in.
  }
  show(): void {
    void this.#page?.bringToFront().catch(() => undefined)
  }
  focus(): void {
    this.show()
  }
  restore(): void {
    this.show()
  }
  maximize(): void {
    this.emit('maximize')
  }
  isMaximized(): boolean {
    return false
  }
  isMinimized(): boolean {
    return false
  }
  isFocused(): boolean {
    return false
  }
  isDestroyed(): boolean {
    return !windows.has(this)
  }
  getNormalBounds(): Electron.Rectangle {
    const size = this.#page?.viewportSize()
    return { ...this.#bounds, ...(size ?? {}) }
  }
}
type WindowPart = Pick<
  Electron.BrowserWindow,
  | 'loadURL'
  | 'destroy'
  | 'hide'
  | 'show'
  | 'focus'
  | 'restore'
  | 'maximize'
  | 'isMaximized'
  | 'isMinimized'
  | 'isFocused'
  | 'isDestroyed'
  | 'getNormalBounds'
>
export const BrowserWindow: new (options?: Electron.BrowserWindowConstructorOptions) => HostWindow & WindowPart =
  HostWindow

// ---- menu, dialogs, notifications, theme, sleep --------------------------------------------------------------------

let menu: readonly Electron.MenuItemConstructorOptions[] = []
const clickMenu = (id: string): boolean => {
  const item = menu.flatMap(({ submenu }) => (Array.isArray(submenu) ? submenu : [])).find((entry) => entry.id === id)
  item?.click?.(undefined as never, undefined, undefined as never)
  return item !== undefined
}
export const Menu = {
  buildFromTemplate: (template: readonly Electron.MenuItemConstructorOptions[]) => template,
  setApplicationMenu: (given: readonly Electron.MenuItemConstructorOptions[]) => {
    menu = given
  }
}

const chosen = async (): Promise<Electron.OpenDialogReturnValue> => {
  const filePaths = [...(answers.shift() ?? [])]
  return { canceled: filePaths.length === 0, filePaths }
}
export const dialog = {
  showOpenDialog: chosen,
  showSaveDialog: async (): Promise<Electron.SaveDialogReturnValue> => {
    const { canceled, filePaths } = await chosen()
    return { canceled, filePath: filePaths[0] ?? '' }
  },
  showErrorBox: (title: string, content: string) => void process.stderr.write(`${title}: ${content}\n`)
} satisfies { [K in 'showOpenDialog' | 'showSaveDialog']: () => ReturnType<Electron.Dialog[K]> } & Pick<
  Electron.Dialog,
  'showErrorBox'
>

export class Notification {
  readonly #text: { title: string; body: string }
  constructor({ title = '', body = '' }: Electron.NotificationConstructorOptions) {
    this.#text = { title, body }
  }
  static isSupported(): boolean {
    return true
  }
  show(): void {
    notifications.push(this.#text)
  }
}

export const nativeTheme: Pick<Electron.NativeTheme, 'themeSource'> & { readonly shouldUseDarkColors: boolean } = {
  themeSource: 'system',
  shouldUseDarkColors: false
}
export const shell: Pick<Electron.Shell, 'openPath'> = { openPath: async () => '' }

const blockers = new Set<number>()
let lastBlocker = 0
export const powerSaveBlocker: Pick<Electron.PowerSaveBlocker, 'start' | 'stop'> = {
  start: () => {
    blockers.add(++lastBlocker)
    return lastBlocker
  },
  stop: (id) => blockers.delete(id)
}

export default {
  app,
  BrowserWindow,
  dialog,
  ipcMain,
  Menu,
  nativeTheme,
  Notification,
  powerSaveBlocker,
  protocol,
  session,
  shell
}
