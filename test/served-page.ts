import { randomBytes } from 'node:crypto'
import { WebSocket } from 'ws'
import { answerTo, entryPaths, linkHeader, linkPrefix, proofOf, socketProtocol } from '../preload/contract-entry'
import type { Challenge } from '../preload/contract-entry'

/** The token of an address printed by `serve`. */
export const tokenOf = (address: string): string => new URL(address).hash.slice(linkPrefix.length)

/** Exchanges a link for the page's secret, as the page's own script does. Returns the status if it is refused. */
export const exchange = async (
  address: string,
  headers: Readonly<Record<string, string>> = {}
): Promise<string | number> => {
  const { origin } = new URL(address)
  const response = await fetch(`${origin}${entryPaths.exchange}`, {
    method: 'POST',
    headers: { [linkHeader]: tokenOf(address), origin, ...headers }
  })
  return response.ok ? ((await response.json()) as { secret: string }).secret : response.status
}

export const secretFor = async (address: string): Promise<string> => {
  const secret = await exchange(address)
  if (typeof secret === 'number') throw new Error(`the link was refused with status ${secret}`)
  return secret
}

/** Subprotocols that a page with the secret offers to the server at `origin`. */
export const protocolsFor = async (origin: string, secret: string): Promise<string[]> => {
  const nonce = randomBytes(16).toString('hex')
  const challenge = (await (await fetch(`${origin}${entryPaths.challenge}?nonce=${nonce}`)).json()) as Challenge
  const wanted = proofOf(secret, 'server', nonce, challenge.nonce)
  if (challenge.proof !== wanted) throw new Error('the server has another secret')
  return [socketProtocol, answerTo(secret, nonce, challenge)]
}

/** A page's socket while it is opening. */
export const pageSocket = async (
  origin: string,
  secret: string,
  headers: Readonly<Record<string, string>> = {}
): Promise<WebSocket> => {
  const protocols = await protocolsFor(origin, secret)
  const address = `${origin.replace(/^http/, 'ws')}${entryPaths.socket}`
  return new WebSocket(address, protocols, { headers: { origin, ...headers } })
}
