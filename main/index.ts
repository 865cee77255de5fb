import { join } from 'node:path'
import {
  app,
  BrowserWindow,
  dialog,
  ipcMain,
  Menu,
  nativeTheme,
  Notification,
  powerSaveBlocker,
  protocol,
  session
} from 'electron'
import type { OpenDialogOptions } from 'electron'
import Store from 'electron-store'
import { z } from 'zod'
import { themes } from '../preload/contract'
import { messageOf } from '../preload/errors'
import { visibleText } from '../preload/visible'
import type { ChoicePurpose, SettingsFile, WorkbenchEnvironment } from './api/context'
import { openWorkbench } from './api/workbench'
import type { Workbench } from './api/workbench'
import { projectRoot } from './base/entries'
import { settingsFolder } from './base/folders'
import { startChildrenWith } from './base/processes'
import { checkUnpacked } from './index/archive'
import { menuTemplate } from './index/menu'
import { nodeOfChildren } from './index/node'
import { isOwnOrigin, isOwnPage, origin, scheme, serveFolder } from './index/protocol'
import { guardedFile } from './serve/settings-files'

const windowSchema = z
  .object({
    x: z.int().optional(),
    y: z.int().optional(),
    width: z.int().min(400),
    height: z.int().min(300),
    maximized: z.boolean()
  })
  .catch({ width: 1440, height: 900, maximized: false })

const themeSchema = z.object({ theme: z.enum(themes).catch('system') }).catch({ theme: 'system' })

protocol.registerSchemesAsPrivileged([
  { scheme, privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } }
])

/**
 * A settings file written by electron-store. `guardedFile` reads it and keeps a copy of invalid JSON, which
 * electron-store would discard, so electron-store's own reading is turned off.
 */
const settingsFile = (name: string): SettingsFile => {
  let store: Store | undefined
  return guardedFile(name, (value) => {
    store ??= new Store({
      name,
      cwd: settingsFolder(),
      clearInvalidConfig: false,
      deserialize: () => ({}),
      configFileMode: 0o600
    })
    store.store = value
  })
}

/** Files and folders on the command line, after the program itself. */
const pathsOf = (argv: readonly string[]): string[] =>
  argv.slice(app.isPackaged ? 1 : 2).filter((argument) => !argument.startsWith('-'))
const workspaceOf = (argv: readonly string[]): string | undefined =>
  argv.find((argument) => argument.startsWith('--workspace='))?.slice('--workspace='.length)

const choices: Readonly<Record<Exclude<ChoicePurpose, 'save'>, OpenDialogOptions['properties']>> = {
  model: ['openDirectory'],
  'corpus-files': ['openFile', 'multiSelections'],
  'corpus-folder': ['openDirectory'],
  folder: ['openDirectory', 'createDirectory'],
  workspace: ['openDirectory', 'createDirectory'],
  import: ['openFile'],
  configuration: ['openFile']
}

class Shell {
  #window: BrowserWindow | undefined
  #workbench: Workbench | undefined
  #opening: Promise<Workbench> | undefined
  /** Set once the user has decided about runs in progress, so that closing is not refused again. */
  #agreed = false
  /** Runs continue without a window. The program ends with the last of them. */
  #windowless = false
  #ending: Promise<void> | undefined
  /** Id of the active power save blocker. */
  #blocker: number | undefined
  readonly #settings = settingsFile('settings')
  readonly #windowFile = settingsFile('window')
  readonly #paths: string[]
  /** Resolves when children may be started. */
  readonly #ready: Promise<void>

  constructor(paths: string[], ready: Promise<void>) {
    this.#paths = paths
    this.#ready = ready
  }

  get #environment(): WorkbenchEnvironment {
    const workspace = workspaceOf(process.argv)
    return {
      shell: 'electron',
      settings: this.#settings,
      views: settingsFile('views'),
      ...(workspace === undefined ? {} : { workspace }),
      trust: process.argv.includes('--trust'),
      choose: (purpose, title, suggested) => this.#choose(purpose, title, suggested),
      notify: (title, body) => {
        if (Notification.isSupported() && this.#window?.isFocused() !== true) {
          new Notification({ title: visibleText(title), body: visibleText(body) }).show()
        }
      }
    }
  }

  async #choose(purpose: ChoicePurpose, title: string, suggested: string | undefined): Promise<readonly string[]> {
    const common = { title: visibleText(title), ...(suggested === undefined ? {} : { defaultPath: suggested }) }
    const window = this.#window
    if (purpose === 'save') {
      const { canceled, filePath } = await (window === undefined
        ? dialog.showSaveDialog(common)
        : dialog.showSaveDialog(window, common))
      return canceled ? [] : [filePath]
    }
    const options: OpenDialogOptions = { ...common, properties: [...(choices[purpose] ?? [])] }
    const { canceled, filePaths } = await (window === undefined
      ? dialog.showOpenDialog(options)
      : dialog.showOpenDialog(window, options))
    return canceled ? [] : filePaths
  }

  #send(name: string, data: unknown): void {
    if (this.#window !== undefined && !this.#window.isDestroyed()) this.#window.webContents.send('notice', name, data)
  }

  async #workbenchOf(): Promise<Workbench> {
    this.#opening ??= this.#ready
      .then(() => openWorkbench(this.#environment))
      .then((workbench) => {
        this.#workbench = workbench
        workbench.onNotice((name, data) => {
          this.#keepAwake(workbench.busyRuns().length > 0)
          this.#send(name, data)
          if (name === 'settings') this.#followTheme(data)
          if (this.#windowless && workbench.busyRuns().length === 0) app.quit()
        })
        return workbench
      })
    return this.#opening
  }

  /** Keeps the system awake while runs are in progress. The screen may turn off. */
  #keepAwake(busy: boolean): void {
    if (busy) this.#blocker ??= powerSaveBlocker.start('prevent-app-suspension')
    else if (this.#blocker !== undefined) {
      powerSaveBlocker.stop(this.#blocker)
      this.#blocker = undefined
    }
  }

  #followTheme(settings: unknown): void {
    nativeTheme.themeSource = themeSchema.parse(settings).theme
  }

  open(): void {
    this.#followTheme(this.#settings.get())
    const { maximized, x, y, width, height } = windowSchema.parse(this.#windowFile.get())
    const window = new BrowserWindow({
      width,
      height,
      ...(x === undefined || y === undefined ? {} : { x, y }),
      minWidth: 900,
      minHeight: 600,
      show: false,
      title: 'Spectroscope',
      backgroundColor: nativeTheme.shouldUseDarkColors ? '#17191c' : '#f6f6f4',
      webPreferences: {
        preload: join(projectRoot, 'out', 'preload', 'index.cjs'),
        contextIsolation: true,
        sandbox: true,
        nodeIntegration: false,
        webviewTag: false,
        navigateOnDragDrop: false,
        spellcheck: false,
        disableBlinkFeatures: 'WebGPU'
      }
    })
    this.#window = window
    this.#agreed = false
    this.#windowless = false
    if (maximized) window.maximize()
    window.once('ready-to-show', () => window.show())
    window.webContents.once('did-finish-load', () => {
      if (this.#paths.length > 0) this.#send('opened', { paths: this.#paths.splice(0) })
    })
    window.on('close', (event) => {
      if (this.asks()) return event.preventDefault()
      if (this.#ending === undefined) this.#keepBounds(window)
    })
    window.on('closed', () => {
      this.#window = undefined
      if (!this.#windowless && process.platform !== 'darwin') app.quit()
    })
    void window.loadURL(`${origin}/index.html`)
  }

  #keepBounds(window: BrowserWindow): void {
    this.#windowFile.set({ ...window.getNormalBounds(), maximized: window.isMaximized() })
  }

  show(paths: readonly string[]): void {
    if (this.#window === undefined) {
      this.#paths.push(...paths)
      this.open()
      return
    }
    if (this.#window.isMinimized()) this.#window.restore()
    this.#window.focus()
    if (paths.length > 0) this.#send('opened', { paths })
  }

  /** Asks the user about runs in progress, unless already asked. Returns whether it asks. */
  asks(): boolean {
    const runs = this.#workbench?.busyRuns() ?? []
    if (runs.length === 0 || this.#agreed || this.#window === undefined) return false
    this.#send('closing', { runs })
    return true
  }

  answerClosing(answer: unknown): void {
    if (answer !== 'keep-running' && answer !== 'checkpoint') return
    this.#agreed = true
    this.#windowless = answer === 'keep-running' && (this.#workbench?.busyRuns().length ?? 0) > 0
    this.#window?.close()
  }

  /** Quits with a checkpoint, without asking. */
  leave(): void {
    this.#agreed = true
    this.#windowless = false
    app.quit()
  }

  call(method: unknown, parameters: unknown): Promise<unknown> {
    return this.#workbenchOf().then((workbench) => workbench.call(method, parameters))
  }

  ask(command: string): void {
    if (this.#window === undefined) this.open()
    else this.#send('command', { command })
  }

  /** Ends all work, saving checkpoints of runs. */
  end(): Promise<void> {
    if (this.#window !== undefined && this.#ending === undefined) {
      this.#keepBounds(this.#window)
      this.#window.hide()
    }
    this.#ending ??= Promise.resolve(this.#opening).then((workbench) => workbench?.close({ runs: 'checkpoint' }))
    return this.#ending
  }
}

/** Makes children run in Node, after checking the files that a package has for them. */
const prepareChildren = async (): Promise<void> => {
  startChildrenWith(nodeOfChildren(app.isPackaged))
  if (app.isPackaged) await checkUnpacked(projectRoot)
}

const start = async (): Promise<void> => {
  const ready = prepareChildren()
  ready.catch((error: unknown) => {
    dialog.showErrorBox('Spectroscope cannot start', visibleText(messageOf(error)))
    app.exit(1)
  })
  const shell = new Shell(pathsOf(process.argv), ready)
  // Without these handlers, a library of electron-store ends the program on these signals.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => shell.leave())
  app.on('second-instance', (_, argv) => shell.show(pathsOf(argv)))
  app.on('open-file', (event, path) => {
    event.preventDefault()
    shell.show([path])
  })
  app.on('web-contents-created', (_, contents) => {
    contents.on('will-navigate', (event) => event.preventDefault())
    contents.on('will-attach-webview', (event) => event.preventDefault())
    contents.setWindowOpenHandler(() => ({ action: 'deny' }))
  })
  // The window's close handler decides whether the program ends.
  app.on('window-all-closed', () => {})
  let ended = false
  app.on('before-quit', (event) => {
    if (ended) return
    event.preventDefault()
    if (shell.asks()) return
    void shell.end().finally(() => {
      ended = true
      app.quit()
    })
  })

  await app.whenReady()
  protocol.handle(scheme, serveFolder(join(projectRoot, 'out', 'renderer')))
  // The only permission granted is to copy text.
  session.defaultSession.setPermissionRequestHandler((_, permission, answer) =>
    answer(permission === 'clipboard-sanitized-write')
  )
  session.defaultSession.setPermissionCheckHandler(
    (_, permission, asking) => permission === 'clipboard-sanitized-write' && isOwnOrigin(asking)
  )
  session.defaultSession.webRequest.onBeforeRequest(({ url }, answer) =>
    answer({ cancel: !/^(app|data|blob|devtools):/.test(url) })
  )
  ipcMain.handle('call', ({ senderFrame }, method: unknown, parameters: unknown) => {
    if (!isOwnPage(senderFrame))
      return { ok: false, error: { kind: 'usage', message: "Only the program's own window may call; reopen it." } }
    return shell.call(method, parameters)
  })
  ipcMain.on('closing', ({ senderFrame }, answer: unknown) => {
    if (isOwnPage(senderFrame)) shell.answerClosing(answer)
  })
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate((command) => shell.ask(command), process.platform)))
  app.on('activate', () => shell.show([]))
  shell.open()
}

if (app.requestSingleInstanceLock()) void start()
else app.quit()
