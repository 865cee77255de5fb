import { readFile } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'

export const scheme = 'app'
export const origin = `${scheme}://spectroscope`

/** The same policy as in renderer/index.html: nothing but the program's own files. */
export const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.map': 'application/json', '.woff2': 'font/woff2', '.png': 'image/png'
}

const refusal = (status: number): Response => new Response(null, { status })

/** Answers requests of the window with files of `folder`, and with nothing outside of it. */
export const serveFolder = (folder: string) => async ({ url, method }: Request): Promise<Response> => {
  const { host, pathname } = new URL(url)
  if (method !== 'GET' || host !== 'spectroscope') return refusal(403)
  const path = normalize(join(folder, decodeURIComponent(pathname === '/' ? '/index.html' : pathname)))
  const type = types[extname(path)]
  if (!path.startsWith(folder + sep) || type === undefined) return refusal(404)
  try {
    return new Response(new Uint8Array(await readFile(path)), {
      headers: { 'content-type': type, 'content-security-policy': contentSecurityPolicy, 'x-content-type-options': 'nosniff', 'cross-origin-opener-policy': 'same-origin' }
    })
  } catch {
    return refusal(404)
  }
}
