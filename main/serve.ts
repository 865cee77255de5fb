import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join, resolve } from 'node:path'
import { WebSocketServer } from 'ws'
import type { WorkbenchEnvironment } from './api/context'
import { openWorkbench } from './api/workbench'
import { projectRoot } from './base/entries'
import type { AppState } from '../preload/contract'
import { entryPaths, linkHeader, linkPrefix, socketProtocol } from '../preload/contract-entry'
import { messageOf, SpectroscopeError } from '../preload/errors'
import { briefly } from '../preload/quoting'
import { Access, isLoopback } from './serve/access'
import { Admission } from './serve/admission'
import { mostFrameBytes } from './serve/bridge'
import { Bridges } from './serve/bridges'
import { Downloads } from './serve/downloads'
import { keepKeys, keysFor, passingKeys, releaseKeys } from './serve/kept-keys'
import { usualLimits } from './serve/limits'
import type { ServeLimits } from './serve/limits'
import { addressOf, refuse } from './serve/listening'
import { sendDownload, sendJson, sendPage, sendText } from './serve/pages'
import { bindPort, PortMemory } from './serve/port-memory'
import type { Bound } from './serve/port-memory'
import { settingsFiles } from './serve/settings-files'
import { listenOnSocket } from './serve/unix-socket'

export interface ServeOptions extends Partial<Pick<WorkbenchEnvironment, 'settings' | 'views'>> {
  /** The workspace; by default that of the settings, or the default one. */
  readonly folder?: string
  /** Trust the workspace permanently. */
  readonly trust?: boolean
  /** Folders that the window may access, besides the workspace, the home folder, and those of the settings. */
  readonly folders?: readonly string[]
  /** Address to listen on. Any other than loopback admits other machines. */
  readonly host?: string
  /**
   * Port to listen on; 0 for any free one. By default the last one used, if it is free. With `socket`, the port of
   * the tunnel.
   */
  readonly port?: number
  /** Path of a Unix socket to listen on instead. */
  readonly socket?: string
  /** Folder of the built window. */
  readonly pages?: string
  /** Folder for the keys of workspaces. Without it, pages need a new link after each start. */
  readonly keys?: string
  readonly limits?: Partial<ServeLimits>
}

export interface Serving {
  /** Contains a token that lets one browser in, once. */
  readonly address: string
  /** Another address with a new token. */
  readonly newAddress: () => string
  readonly port: number
  readonly socket: string | null
  readonly workspace: string | null
  readonly problem: string | null
  readonly notes: readonly string[]
  /** Stops runs with a checkpoint and closes everything. */
  readonly close: () => Promise<void>
}

/** Default local port of the printed `ssh -L` command, which forwards to the socket. */
const tunnelPort = 8000

const offered = ({ headers }: IncomingMessage): readonly string[] =>
  (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())

/** Absolute paths of folders. Throws an `input` error if one does not exist. */
const foldersOf = (folders: readonly string[]): Promise<string[]> =>
  Promise.all(
    folders.map(async (folder) => {
      const found = await stat(folder).catch(() => undefined)
      if (found?.isDirectory() === true) return resolve(folder)
      throw new SpectroscopeError('input', `--folder ${briefly(folder)}: there is no such folder; check the path.`)
    })
  )

/** Serves the window's files to anyone, and its calls and downloads only to browsers that entered through a link. */
export const startServer = async ({
  folder,
  trust = false,
  folders = [],
  host = '127.0.0.1',
  port,
  socket,
  pages = join(projectRoot, 'out', 'renderer'),
  keys: keysFolder,
  limits = {},
  ...files
}: ServeOptions = {}): Promise<Serving> => {
  const downloads = new Downloads()
  const access = new Access(socket === undefined ? host : 'localhost')
  const kept =
    files.settings === undefined || files.views === undefined
      ? settingsFiles()
      : { settings: files.settings, views: files.views }
  const within = { ...usualLimits, ...limits }
  const bridges = new Bridges(within)
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: mostFrameBytes,
    perMessageDeflate: false,
    handleProtocols: () => socketProtocol
  })

  let notes: readonly string[] = []
  const workbench = await openWorkbench({
    shell: 'browser',
    ...kept,
    trust,
    folders: await foldersOf(folders),
    notes: () => notes,
    ...(folder === undefined ? {} : { workspace: folder }),
    link: (path, files) => downloads.link(path, files)
  })
  const state = await workbench.call('app.state', {})
  const { workspace, problem } = (state.ok ? state.result : { workspace: null, problem: null }) as Pick<
    AppState,
    'workspace' | 'problem'
  >
  const keys = workspace === null || keysFolder === undefined ? passingKeys() : keysFor(keysFolder, workspace)
  const admission = new Admission(keys)

  const exchange = (request: IncomingMessage, response: ServerResponse): void => {
    const { [linkHeader.toLowerCase()]: token } = request.headers
    if (!access.originAllowed(request)) return sendText(response, 403, 'Only a page of this server may ask for that.')
    const secret = typeof token === 'string' ? admission.exchange(token) : undefined
    if (secret === undefined) return sendText(response, 403, 'This link was already used or has expired.')
    sendJson(response, { secret })
  }

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!access.hostAllowed(request)) {
      const remedy = 'open the address that `spectroscope serve` printed'
      return sendText(response, 403, `This host name is not served; ${remedy}.`)
    }
    const url = addressOf(request)
    if (url === undefined) return sendText(response, 400, 'The address cannot be read.')
    if (url.pathname === entryPaths.exchange && request.method === 'POST') return exchange(request, response)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return sendText(response, 405, 'Only GET is answered here.', { Allow: 'GET, HEAD' })
    }
    if (url.pathname === entryPaths.challenge) {
      const challenge = admission.challenge(url.searchParams.get('nonce') ?? '')
      return challenge === undefined ? sendText(response, 400, 'The nonce is missing.') : sendJson(response, challenge)
    }
    const download = /^\/files\/([\w-]+)(\/|$)/.exec(url.pathname)
    if (download === null) return sendPage(request, response, pages, (request.url ?? '/').split(/[?#]/, 1)[0])
    const found = request.method === 'GET' ? downloads.take(download[1]) : undefined
    if (found === undefined)
      return sendText(response, 404, 'This file is no longer available; start the download again.')
    return sendDownload(response, found)
  }

  const server = createServer(
    { maxHeaderSize: 32 * 2 ** 10, requestTimeout: 30_000, headersTimeout: 30_000 },
    (request, response) => {
      respond(request, response).catch(() => response.destroy())
    }
  )
  server.maxConnections = within.connections
  server.on('upgrade', (request, stream, head) => {
    if (addressOf(request)?.pathname !== entryPaths.socket) return refuse(stream, '404 Not Found')
    const [protocol, answer = ''] = offered(request)
    const isOwn = access.hostAllowed(request) && access.originAllowed(request) && protocol === socketProtocol
    if (!isOwn || !admission.admits(answer)) return refuse(stream, '403 Forbidden')
    if (bridges.areFull) return refuse(stream, '503 Service Unavailable')
    sockets.handleUpgrade(request, stream, head, (opened) => bridges.connect(opened, request.socket, workbench))
  })

  const ports = new PortMemory(kept.views)
  const before = workspace === null ? undefined : ports.get(workspace)
  const bound = await (async (): Promise<Bound & { readonly path: string | null }> => {
    if (socket === undefined) return { ...(await bindPort(server, host, port, before)), path: null }
    return { path: await listenOnSocket(server, socket), port: port ?? before ?? tunnelPort, notes: [] }
  })().catch(async (error: unknown) => {
    await workbench.close({ runs: 'checkpoint' })
    throw error
  })
  const isAnywhere = host === '0.0.0.0' || host === '::'
  const shown = bound.path !== null || isAnywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host
  const page = `http://${shown}:${bound.port}/`
  const keeps = workspace !== null && keysFolder !== undefined
  const keep = (work: () => void): readonly string[] => {
    try {
      work()
      return []
    } catch (error) {
      return [messageOf(error)]
    }
  }
  if (workspace !== null) ports.keep(workspace, bound.port)
  notes = [...bound.notes, ...(keeps ? keep(() => keepKeys(keysFolder, workspace, keys, page)) : [])]
  let closing: Promise<void> | undefined
  return {
    address: `${page}${linkPrefix}${admission.link()}`,
    newAddress: () => `${page}${linkPrefix}${admission.link()}`,
    port: bound.port,
    socket: bound.path,
    notes,
    workspace,
    problem,
    close: () => {
      closing ??= (async () => {
        server.close()
        if (keeps) keep(() => releaseKeys(keysFolder, workspace, keys))
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
