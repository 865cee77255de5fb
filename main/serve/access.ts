import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { networkInterfaces, hostname } from 'node:os'

/** What nobody guesses: 256 random bits. */
export const secret = (): string => randomBytes(32).toString('base64url')

const same = (given: string, wanted: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]', '::1'])

export const isLoopback = (host: string): boolean => loopback.has(host.toLowerCase())

/** Names of this machine that a browser elsewhere may use, where it was opened to others. */
const namesOfMachine = (host: string): Set<string> => {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []).map(({ address, family }) => (family === 'IPv6' ? `[${address.split('%')[0]}]` : address))
  const name = hostname().toLowerCase()
  return new Set([...loopback, host.toLowerCase(), name, name.split('.')[0], ...addresses])
}

const secondsOfTicket = 120

/**
 * Who may talk to the server. A browser brings a token in the URL that it opens, and gets a cookie for it; the Host must be a name of
 * this machine (so that no foreign name can be made to point here), and a connection must come from a page of this server. Ports are
 * not compared with the server's own, as an ssh tunnel may change them.
 */
export class Access {
  readonly token = secret()
  readonly #session = secret()
  readonly #names: ReadonlySet<string>
  readonly #tickets = new Map<string, number>()
  readonly #cookie: string

  constructor(host: string, name: string) {
    this.#names = isLoopback(host) ? loopback : namesOfMachine(host)
    this.#cookie = `spectroscope-${name}`
  }

  /** A token for one use within two minutes, for a URL that other users of the machine may see in the list of processes. */
  ticket(): string {
    const ticket = secret()
    this.#tickets.set(ticket, performance.now() + 1000 * secondsOfTicket)
    return ticket
  }

  hostAllowed({ headers: { host } }: IncomingMessage): boolean {
    if (host === undefined) return false
    const name = /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(:\d{1,5})?$/i.exec(host)?.[1]
    return name !== undefined && this.#names.has(name.toLowerCase())
  }

  originAllowed({ headers: { host, origin } }: IncomingMessage): boolean {
    return origin !== undefined && host !== undefined && origin.toLowerCase() === `http://${host.toLowerCase()}`
  }

  tokenAllowed(given: string): boolean {
    if (same(given, this.token)) return true
    const until = this.#tickets.get(given)
    this.#tickets.delete(given)
    return until !== undefined && performance.now() < until
  }

  get cookie(): string {
    return `${this.#cookie}=${this.#session}; HttpOnly; SameSite=Strict; Path=/`
  }

  hasCookie({ headers: { cookie = '' } }: IncomingMessage): boolean {
    return cookie.split(';').some((pair) => {
      const at = pair.indexOf('=')
      return at > 0 && pair.slice(0, at).trim() === this.#cookie && same(pair.slice(at + 1).trim(), this.#session)
    })
  }
}
