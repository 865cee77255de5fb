import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { networkInterfaces, hostname } from 'node:os'

/** An unguessable secret: 256 random bits, base64url. */
export const secret = (): string => randomBytes(32).toString('base64url')

/** Compares in constant time, wherever the strings differ. */
export const same = (given: string, wanted: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]', '::1'])

export const isLoopback = (host: string): boolean => loopback.has(host.toLowerCase())

/** Names of this machine that other machines' browsers may use, if the server is open to them. */
const namesOfMachine = (host: string): Set<string> => {
  const addresses = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .map(({ address, family }) => (family === 'IPv6' ? `[${address.split('%')[0]}]` : address))
  const name = hostname().toLowerCase()
  return new Set([...loopback, host.toLowerCase(), name, name.split('.')[0], ...addresses])
}

/**
 * Decides which requests come from this machine's own pages. The Host must be a name of this machine, so that a
 * foreign name cannot be pointed here, and the Origin must equal that host. Ports are not compared with the server's
 * own, because an ssh tunnel may change them. Another program can forge both headers, so neither is proof of
 * identity: see admission.ts.
 */
export class Access {
  readonly #names: ReadonlySet<string>

  constructor(host: string) {
    this.#names = isLoopback(host) ? loopback : namesOfMachine(host)
  }

  hostAllowed({ headers: { host } }: IncomingMessage): boolean {
    if (host === undefined) return false
    const name = /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(:\d{1,5})?$/i.exec(host)?.[1]
    return name !== undefined && this.#names.has(name.toLowerCase())
  }

  originAllowed({ headers: { host, origin } }: IncomingMessage): boolean {
    return origin !== undefined && host !== undefined && origin.toLowerCase() === `http://${host.toLowerCase()}`
  }
}
