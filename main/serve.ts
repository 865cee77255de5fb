import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import type { WorkbenchEnvironment } from './api/context'
import { openWorkbench } from './api/workbench'
import { projectRoot } from './base/entries'
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
  /** Address to listen on; others than loopback let other machines in. */
  readonly host?: string
  /** 0 for a free one. */
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
  /** Stops runs with a checkpoint and closes everything. */
  readonly close: () => Promise<void>
}

const notLetIn = 'This page needs the address that `spectroscope serve` printed, with its token; open that one.'

/** Serves the window and its calls to browsers that bring the token. */
export const startServer = async ({
  folder, host = '127.0.0.1', port = 0, pages = join(projectRoot, 'out', 'renderer'), limits = {}, ...files
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

  const bound = await listen(server, host, port)
  const workbench = await openWorkbench({
    shell: 'browser', ...kept,
    ...(folder === undefined ? {} : { workspace: folder }),
    link: (path) => {
      const id = randomBytes(16).toString('hex')
      downloads.set(id, path)
      return `/files/${id}/${encodeURIComponent(path.split(/[\\/]/).at(-1) ?? 'file')}`
    }
  }).catch((error: unknown) => {
    server.close()
    throw error
  })
  server.on('upgrade', (request, socket, head) => {
    if (addressOf(request)?.pathname !== '/bridge') return refuse(socket, '404 Not Found')
    if (!access.hostAllowed(request) || !access.originAllowed(request) || !access.hasCookie(request)) return refuse(socket, '403 Forbidden')
    if (bridges.areFull) return refuse(socket, '503 Service Unavailable')
    sockets.handleUpgrade(request, socket, head, (opened) => bridges.connect(opened, request.socket, workbench))
  })

  const state = await workbench.call('app.state', {})
  const { workspace, problem } = (state.ok ? state.result : { workspace: null, problem: null }) as { workspace: string | null; problem: string | null }
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  const addressWith = (token: string): string => `http://${shown}:${bound}/?token=${token}`
  let closing: Promise<void> | undefined
  return {
    address: addressWith(access.token),
    openingAddress: () => addressWith(access.ticket()),
    port: bound,
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
