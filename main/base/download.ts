import { open, rm, stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from './faults'

/** A temporary fault: no connection, a broken transfer, a busy server. */
export class Passing extends Error {}

export const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0
  )

export const cannotBeWritten = (path: string, error: unknown): SpectroscopeError =>
  new SpectroscopeError(
    'storage',
    `${path}: cannot be written (${faultCode(error)}); free some space or choose another folder.`,
    { cause: error }
  )

export interface Request {
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal | undefined
  /** Makes the error for a response that retrying would not change. */
  readonly refused: (status: number) => SpectroscopeError
}

const mostRedirects = 10

/** Target of a redirect; undefined for any other response. Throws a `network` error if the target is not https. */
const redirectOf = async (response: Response, url: string): Promise<string | undefined> => {
  const location = response.headers.get('location')
  if (response.status < 300 || response.status >= 400 || location === null) return undefined
  await response.body?.cancel()
  const next = URL.canParse(location, url) ? new URL(location, url) : undefined
  const secure = url.startsWith('https:')
  if (next !== undefined && (next.protocol === 'https:' || (next.protocol === 'http:' && !secure))) return next.href
  const to = next === undefined ? 'to no address' : `away from https, to ${next.protocol}//${next.host}`
  throw new SpectroscopeError('network', `${new URL(url).host} redirects ${to}; nothing was downloaded from there.`)
}

const fetchFollowing = async (url: string, init: RequestInit): Promise<Response> => {
  let from = url
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await fetch(from, { ...init, redirect: 'manual' }).catch((error: unknown) => {
      throw new Passing(faultCode(error), { cause: error })
    })
    const next = await redirectOf(response, from)
    if (next === undefined) return response
    from = next
  }
  throw new SpectroscopeError(
    'network',
    `${new URL(url).host} redirects more than ${mostRedirects} times; try again later.`
  )
}

/**
 * Sends a request. Returns a successful response, or one of status 416. Follows redirects, but never from https to
 * http. Throws `Passing` if there is no response or the server is busy, and the error from `refused` for other
 * statuses.
 */
export const request = async (url: string, { headers = {}, signal, refused }: Request): Promise<Response> => {
  const response = await fetchFollowing(url, { headers, ...(signal === undefined ? {} : { signal }) })
  if (response.ok || response.status === 416) return response
  await response.body?.cancel()
  if (response.status === 429 || response.status >= 500) throw new Passing(`HTTP ${response.status}`)
  throw refused(response.status)
}

export interface Retries {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds before the first retry, doubled before each further one. */
  readonly delay: number
  /** Five by default. */
  readonly attempts?: number
  /** Makes the error to throw once `signal` is aborted. */
  readonly interrupted: (cause: unknown) => SpectroscopeError
  /** Makes the error to throw after the last attempt. */
  readonly exhausted: (fault: Passing) => SpectroscopeError | Promise<SpectroscopeError>
}

const usualAttempts = 5

/** Retries after a delay when a fault may be temporary. */
export const retrying = async <T>(
  action: () => Promise<T>,
  { signal, delay, attempts = usualAttempts, interrupted, exhausted }: Retries
): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action()
    } catch (error) {
      if (signal?.aborted) throw interrupted(error)
      if (!(error instanceof Passing)) throw error
      if (attempt === attempts) throw await exhausted(error)
      await wait(delay * 2 ** (attempt - 1), undefined, signal === undefined ? {} : { signal }).catch(
        (reason: unknown) => {
          throw interrupted(reason)
        }
      )
    }
  }
}

export interface Transfer {
  /** Requests the file with these headers. Returns a response of status 416 as it is; throws for any other fault. */
  readonly ask: (headers: Record<string, string>) => Promise<Response>
  /** Name of the file in messages. */
  readonly name: string
  /** Size of the whole file, if known. */
  readonly size?: number | undefined
  /** Called with the number of bytes received so far. */
  readonly onBytes: (size: number) => void
}

/** Text of a response of at most `most` bytes; undefined if it is longer. */
export const textUpTo = async (response: Response, most: number): Promise<string | undefined> => {
  const blocks: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (let block = await reader?.read(); block?.done === false; block = await reader?.read()) {
    size += (block.value as Uint8Array).length
    if (size > most) {
      await reader?.cancel()
      return undefined
    }
    blocks.push(block.value as Uint8Array)
  }
  return Buffer.concat(blocks).toString('utf8')
}

/**
 * Appends the missing bytes of a file to `part` and syncs them to disk. A transfer stops at the announced size; if
 * the server sends even one byte more, the part is deleted. Throws `Passing` if the connection broke, and `storage`
 * and `network` errors.
 */
export const transferTo = async (part: string, { ask, name, size: whole, onBytes }: Transfer): Promise<void> => {
  const have = await sizeOf(part)
  if (have > 0 && have === whole) return
  const response = await ask(
    have > 0 ? { Range: `bytes=${have}-`, 'Accept-Encoding': 'identity' } : { 'Accept-Encoding': 'identity' }
  )
  if (response.status === 416) {
    await rm(part)
    throw new Passing('the partial file was longer than the file')
  }
  const resumed = response.status === 206
  const file = await open(part, resumed ? 'a' : 'w').catch((error: unknown) => {
    throw cannotBeWritten(part, error)
  })
  let size = resumed ? have : 0
  try {
    const reader = response.body?.getReader()
    for (;;) {
      const block = await reader?.read().catch((error: unknown) => {
        throw new Passing(faultCode(error), { cause: error })
      })
      if (block === undefined || block.done) break
      size += (block.value as Uint8Array).length
      if (whole !== undefined && size > whole) {
        await reader?.cancel()
        await rm(part)
        throw new SpectroscopeError(
          'network',
          `${name} is longer than the ${whole} bytes that were announced, so it was not kept; try again later.`
        )
      }
      await file.writeFile(block.value as Uint8Array).catch((error: unknown) => {
        throw cannotBeWritten(part, error)
      })
      onBytes(size)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  if (whole !== undefined && size < whole)
    throw new Passing(`the transfer of ${name} ended after ${size} of ${whole} bytes`)
}
