import { open, realpath, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename, extname, join, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isFolder, openIdentified } from '../base/files'
import { folderStream } from './archive'
import { nameOf } from './downloads'
import type { Download } from './downloads'

export const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.map': 'application/json',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8'
}

const common: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=(), usb=(), payment=()'
}

/** Content security policy of the window: only the program's own files, and connections to `connect`. */
export const windowPolicy = (connect = "'self'"): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    `connect-src ${connect}`,
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join('; ')

/** The host from the Host header, without characters that no allowed host has and a policy must not contain. */
const safeHost = ({ headers: { host = '' } }: IncomingMessage): string =>
  /^[\w.:[\]-]+$/.test(host) ? host : 'localhost'

export const sendText = (
  response: ServerResponse,
  status: number,
  sentence: string,
  headers: Readonly<Record<string, string>> = {}
): void => {
  response.writeHead(status, {
    ...common,
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Cache-Control': 'no-store',
    'Content-Type': 'text/plain; charset=utf-8',
    ...headers
  })
  response.end(`${sentence}\n`)
}

/** Sends a JSON response of the entry API, which browsers must not cache. */
export const sendJson = (response: ServerResponse, value: unknown): void => {
  response.writeHead(200, { ...common, 'Cache-Control': 'no-store', 'Content-Type': 'application/json' })
  response.end(JSON.stringify(value))
}

/** Maps a URL path to a file path below `folder`; undefined if it leads outside or is hidden. */
export const fileOf = (folder: string, pathname: string): string | undefined => {
  let decoded: string
  try {
    decoded = decodeURIComponent(pathname)
  } catch {
    return undefined
  }
  const parts = (decoded === '/' ? '/index.html' : decoded).split('/').slice(1)
  if (parts.some((part) => part === '' || part.startsWith('.') || /[\\\u0000:]/.test(part))) return undefined
  return join(folder, ...parts)
}

/** A browser that disconnects midway is not an error. */
const piped = (content: Readable, response: ServerResponse): Promise<void> =>
  pipeline(content, response).catch(() => void response.destroy())

/** Sends a file and closes it. */
const streamed = async (request: IncomingMessage, response: ServerResponse, file: FileHandle): Promise<void> => {
  if (request.method === 'HEAD') {
    response.end()
    return file.close()
  }
  await piped(file.createReadStream(), response)
}

/** Sends a file of the built window. */
export const sendPage = async (
  request: IncomingMessage,
  response: ServerResponse,
  folder: string,
  pathname: string
): Promise<void> => {
  const file = fileOf(folder, pathname)
  try {
    if (file === undefined) throw new Error('not below the folder')
    const [real, root] = [await realpath(file), await realpath(folder)]
    if (!real.startsWith(root + sep)) throw new Error('a link out of the folder')
    const found = await stat(real)
    if (!found.isFile()) throw new Error('no file')
    const lasting = /-[\w-]{8,}\.\w+$/.test(basename(real)) && pathname.startsWith('/assets/')
    response.writeHead(200, {
      ...common,
      'Content-Security-Policy': windowPolicy(`'self' ws://${safeHost(request)}`),
      'Content-Type': contentTypes[extname(real)] ?? 'application/octet-stream',
      'Content-Length': found.size,
      'Cache-Control': lasting ? 'private, max-age=31536000, immutable' : 'no-store'
    })
    await streamed(request, response, await open(real))
  } catch {
    sendText(
      response,
      404,
      pathname === '/'
        ? 'The window is not built; run `npm run build` and reload this page.'
        : 'This page does not exist.'
    )
  }
}

/** Opens what a download sends; undefined if any of it is no longer what was exported. */
const contentOf = async ({ path, files }: Download): Promise<Readable | undefined> =>
  isFolder(files) ? folderStream(path, files) : (await openIdentified(path, files))?.createReadStream()

/**
 * Sends an exported file as a download, or a folder as one ZIP file. It is never shown as a page of this server,
 * since such a page could call the server. Sends only the files that were written, even if their paths now hold
 * others.
 */
export const sendDownload = async (response: ServerResponse, download: Download): Promise<void> => {
  const content = await contentOf(download)
  if (content === undefined) {
    return sendText(response, 404, 'The export was changed, moved or removed after it was written; export it again.')
  }
  const name = encodeURIComponent(nameOf(download)).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`
  )
  response.writeHead(200, {
    ...common,
    'Content-Security-Policy': "sandbox; default-src 'none'",
    ...(isFolder(download.files)
      ? { 'Content-Type': 'application/zip' }
      : { 'Content-Type': 'application/octet-stream', 'Content-Length': String(download.files.bytes) }),
    'Cache-Control': 'no-store',
    'Content-Disposition': `attachment; filename*=UTF-8''${name}`
  })
  await piped(content, response)
}
