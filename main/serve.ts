import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import { z } from 'zod'
import type { SettingsFile, WorkbenchEnvironment } from './api/context'
import { entriesOf, keepEntries } from './api/settings'
import { openWorkbench } from './api/workbench'
import { projectRoot } from './base/entries'
import type { AppState } from '../preload/contract'
import { messageOf } from '../preload/errors'
import { Access, isLoopback } from './serve/access'
import { mostFrameBytes } from './serve/bridge'
import { Bridges } from './serve/bridges'
import { usualLimits } from './serve/limits'
import type { ServeLimits } from './serve/limits'
import { addressOf, listen, refuse } from './serve/listening'
import { sendDownload, sendPage, sendText, sendWelcome } from './serve/pages'
import { settingsFiles } from './serve/settings-files'

export interface ServeOptions extends Partial<Pick<WorkbenchEnvironment, 'settings' | 'views'>> {
  /** The workspace; that of the settings, or the default, where none is given. */
  readonly folder?: string
  /** Trusts the workspace for good, whoever made it. */
  readonly trust?: boolean
  /** Address to listen on; others than loopback let other machines in. */
  readonly host?: string
  /** 0 for a free one; that of the last time, if it is free, where none is given. */
  readonly port?: number
  /** Folder of the built window. */
  readonly pages?: string
  readonly limits?: Partial<ServeLimits>
}

export interface Serving {
  /** With the token that lets a browser in. */
  readonly address: string
  /** The same with a token for one use, soon: for a command line that others can see. */
  readonly openingAddress: () => string
  readonly port: number
  readonly workspace: string | null
  readonly problem: string | null
  readonly notes: readonly string[]
  /** Stops runs with a checkpoint and closes everything. */
  readonly close: () => Promise<void>
}

const portsSchema = z.record(z.string(), z.int().min(1).max(65_535)).catch({})

/**
 * Ports by workspace, in the file of views: what a window could not send waits in its browser for the same address.
 */
class PortMemory {
  constructor(private readonly views: SettingsFile) {}

  get #ports(): Readonly<Record<string, number>> {
    return portsSchema.parse(entriesOf(this.views)['ports'])
  }

  get(workspace: string): number | undefined {
    return this.#ports[workspace]
  }

  keep(workspace: string, port: number): void {
    if (this.#ports[workspace] === port) return
    try {
      keepEntries(this.views, 'The file of views', { ports: { ...this.#ports, [workspace]: port } })
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n`)
    }
  }
}

interface Bound {
  readonly port: number
  /** What to say where it is another port than the last time. */
  readonly notes: readonly string[]
}

/** Listens on the port that was asked for, or that of the last time, or a free one. */
const bind = async (
  server: Server, host: string, asked: number | undefined, before: number | undefined
): Promise<Bound> => {
  if (asked !== undefined || before === undefined) {
    const port = await listen(server, host, asked ?? 0)
    return { port, notes: before === undefined || before === port ? [] : [elsewhere(before)] }
  }
  try {
    return { port: await listen(server, host, before), notes: [] }
  } catch {
    return { port: await listen(server, host, 0), notes: [elsewhere(before)] }
  }
}

const elsewhere = (before: number): string =>
  [
    `This workspace was served at port ${before} the last time. If a window of that address still has labels to send,`,
    'save them there as a file and open the file in this window.'
  ].join(' ')

const notLetIn = 'This page needs the address that `spectroscope serve` printed, with its token; open that one.'

/** Serves the window and its calls to browsers that bring the token. */
export const startServer = async ({
  folder, trust = false, host = '127.0.0.1', port, pages = join(projectRoot, 'out', 'renderer'), limits = {}, ...files
}: ServeOptions = {}): Promise<Serving> => {
  const downloads = new Map<string, string>()
  const access = new Access(host, randomBytes(6).toString('hex'))
  const kept = files.settings === undefined || files.views === undefined ? settingsFiles() : { settings: files.settings, views: files.views }
  const within = { ...usualLimits, ...limits }
  const bridges = new Bridges(within)
  const sockets = new WebSocketServer({ noServer: true, maxPayload: mostFrameBytes, perMessageDeflate: false })

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!access.hostAllowed(request)) return sendText(response, 403, 'This name is not one of this machine; open the address that `spectroscope serve` printed.')
    if (request.method !== 'GET' && request.method !== 'HEAD') return sendText(response, 405, 'Only GET is answered here.', { Allow: 'GET, HEAD' })
    const url = addressOf(request)
    if (url === undefined) return sendText(response, 400, 'The address cannot be read.')
    const token = url.searchParams.get('token')
    if (url.pathname === '/' && token !== null && request.method === 'GET' && access.tokenAllowed(token)) return sendWelcome(response, access.cookie)
    if (!access.hasCookie(request)) return sendText(response, 403, notLetIn)
    const download = /^\/files\/([\w-]+)(\/|$)/.exec(url.pathname)
    if (download === null) return sendPage(request, response, pages, (request.url ?? '/').split(/[?#]/, 1)[0])
    const file = downloads.get(download[1])
    return file === undefined ? sendText(response, 404, 'There is no such file; export it again.') : sendDownload(request, response, file)
  }

  const server = createServer({ maxHeaderSize: 32 * 2 ** 10, requestTimeout: 30_000, headersTimeout: 30_000 }, (request, response) => {
    respond(request, response).catch(() => response.destroy())
  })
  server.maxConnections = within.connections

  let notes: readonly string[] = []
  const workbench = await openWorkbench({
    shell: 'browser', ...kept, trust,
    notes: () => notes,
    ...(folder === undefined ? {} : { workspace: folder }),
    link: (path) => {
      const id = randomBytes(16).toString('hex')
      downloads.set(id, path)
      return `/files/${id}/${encodeURIComponent(path.split(/[\\/]/).at(-1) ?? 'file')}`
    }
  })
  server.on('upgrade', (request, socket, head) => {
    if (addressOf(request)?.pathname !== '/bridge') return refuse(socket, '404 Not Found')
    if (!access.hostAllowed(request) || !access.originAllowed(request) || !access.hasCookie(request)) return refuse(socket, '403 Forbidden')
    if (bridges.areFull) return refuse(socket, '503 Service Unavailable')
    sockets.handleUpgrade(request, socket, head, (opened) => bridges.connect(opened, request.socket, workbench))
  })

  const state = await workbench.call('app.state', {})
  const { workspace, problem } = (
    state.ok ? state.result : { workspace: null, problem: null }
  ) as Pick<AppState, 'workspace' | 'problem'>
  const ports = new PortMemory(kept.views)
  const before = workspace === null ? undefined : ports.get(workspace)
  const bound = await bind(server, host, port, before).catch(async (error: unknown) => {
    await workbench.close({ runs: 'checkpoint' })
    throw error
  })
  notes = bound.notes
  if (workspace !== null) ports.keep(workspace, bound.port)
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  const addressWith = (token: string): string => `http://${shown}:${bound.port}/?token=${token}`
  let closing: Promise<void> | undefined
  return {
    address: addressWith(access.token),
    openingAddress: () => addressWith(access.ticket()),
    port: bound.port,
    notes,
    workspace,
    problem,
    close: () => {
      closing ??= (async () => {
        server.close()
        try {
          await workbench.close({ runs: 'checkpoint' })
        } finally {
          bridges.close()
          sockets.close()
          server.closeAllConnections()
        }
      })()
      return closing
    }
  }
}

export { isLoopback }
