import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { contentTypes, fileOf, windowPolicy } from '../serve/pages'

export const scheme = 'app'
export const origin = `${scheme}://spectroscope`

/** Whether an origin reported by Chromium is the window's own, with or without a trailing slash. */
export const isOwnOrigin = (asking: string): boolean => asking === origin || asking === `${origin}/`

/** Whether a message comes from the window's own page rather than a frame within it. */
export const isOwnPage = (frame: { readonly origin: string; readonly parent: object | null } | null): boolean =>
  frame !== null && frame.origin === origin && frame.parent === null

const refusal = (status: number): Response => new Response(null, { status })

/** Makes a handler that answers the window's requests with files of `folder` only. */
export const serveFolder =
  (folder: string) =>
  async ({ url, method }: Request): Promise<Response> => {
    const { host, pathname } = new URL(url)
    if (method !== 'GET' || host !== 'spectroscope') return refusal(403)
    const file = fileOf(folder, pathname)
    const type = file === undefined ? undefined : contentTypes[extname(file)]
    if (file === undefined || type === undefined) return refusal(404)
    try {
      return new Response(new Uint8Array(await readFile(file)), {
        headers: {
          'content-type': type,
          'content-security-policy': windowPolicy(),
          'x-content-type-options': 'nosniff',
          'cross-origin-opener-policy': 'same-origin'
        }
      })
    } catch {
      return refusal(404)
    }
  }
