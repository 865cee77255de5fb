import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'

/**
 * Authentication of a page of `serve`. A link from the terminal is exchanged for the page's secret, once. The secret
 * stays in the page: for each connection, both sides prove that they know it. So neither another program on the port
 * nor a page of a forged origin learns anything.
 */
export const entryPaths = { exchange: '/enter', challenge: '/challenge', socket: '/bridge' } as const

/** Prefix of a link's token in the URL fragment, which browsers do not send. */
export const linkPrefix = '#token='

/** Request header with the token of a link. */
export const linkHeader = 'Spectroscope-Link'

/** The first of two subprotocols offered by a page; the second is `answerTo(...)`. */
export const socketProtocol = 'spectroscope'

/** Nonce of a handshake: 128 random bits in hexadecimal. Each side contributes one. */
export const noncePattern = /^[0-9a-f]{32}$/

export interface Challenge {
  /** Nonce of the server. */
  readonly nonce: string
  /** Proof that the server knows the secret. */
  readonly proof: string
}

export const proofOf = (secret: string, role: 'server' | 'page', pageNonce: string, serverNonce: string): string =>
  bytesToHex(hmac(sha256, utf8ToBytes(secret), utf8ToBytes(`${role} ${pageNonce} ${serverNonce}`)))

/** Subprotocol by which a page proves that it knows the secret. */
export const answerTo = (secret: string, pageNonce: string, { nonce }: Challenge): string =>
  `${nonce}.${proofOf(secret, 'page', pageNonce, nonce)}`
