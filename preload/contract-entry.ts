import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'

/**
 * How a page of `serve` gets in. A link from the terminal is exchanged for the page's secret, once. The secret then
 * stays in the page: for each connection both sides prove that they know it, so that neither a program that took over
 * the port nor a forged origin learns anything.
 */
export const entryPaths = { exchange: '/enter', challenge: '/challenge', socket: '/bridge' } as const

/** What precedes a link's token in the fragment of its address, which no browser sends. */
export const linkPrefix = '#token='

/** Request header for the token of a link. */
export const linkHeader = 'Spectroscope-Link'

/** First of the two subprotocols that a page offers; the second is `answerTo(...)`. */
export const socketProtocol = 'spectroscope'

/** 128 random bits, in hexadecimal: both sides' contributions to a handshake. */
export const noncePattern = /^[0-9a-f]{32}$/

export interface Challenge {
  /** Of the server. */
  readonly nonce: string
  /** The server knows the secret, too. */
  readonly proof: string
}

export const proofOf = (secret: string, role: 'server' | 'page', pageNonce: string, serverNonce: string): string =>
  bytesToHex(hmac(sha256, utf8ToBytes(secret), utf8ToBytes(`${role} ${pageNonce} ${serverNonce}`)))

/** Subprotocol that lets a page's socket in. */
export const answerTo = (secret: string, pageNonce: string, { nonce }: Challenge): string =>
  `${nonce}.${proofOf(secret, 'page', pageNonce, nonce)}`
