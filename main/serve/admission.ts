import { createHmac, randomBytes } from 'node:crypto'
import { noncePattern, proofOf } from '../../preload/contract-entry'
import type { Challenge } from '../../preload/contract-entry'
import { same } from './access'

/** Keys that admit the pages of one workspace. */
export interface Keys {
  /** Survives the process, so that a page can reconnect to its server. */
  readonly secret: string
  /** New for each process, so that links from an earlier one are void. */
  readonly session: string
}

const millisecondsOfLink = 12 * 60 * 60 * 1000
const millisecondsOfChallenge = 60_000
const mostChallenges = 1024
const [untilBytes, nonceBytes, macBytes] = [6, 16, 32]

const derived = (key: string, purpose: string): Buffer => createHmac('sha256', key).update(purpose).digest()

const macOf = ({ secret, session }: Keys, payload: Uint8Array): Buffer =>
  createHmac('sha256', derived(secret, `links of ${session}`))
    .update(payload)
    .digest()

/**
 * Makes a token that is valid once, within twelve hours. Anyone with the keys can make one, even outside the running
 * server.
 */
export const makeLink = (keys: Keys, now = Date.now()): string => {
  const until = Buffer.alloc(untilBytes)
  until.writeUIntBE(now + millisecondsOfLink, 0, untilBytes)
  const payload = Buffer.concat([until, randomBytes(nonceBytes)])
  return Buffer.concat([payload, macOf(keys, payload)]).toString('base64url')
}

/** Decides who is admitted: see preload/contract-entry.ts. */
export class Admission {
  readonly #keys: Keys
  readonly #pageSecret: string
  /** Used links, each with the time when it would have expired. */
  readonly #used = new Map<string, number>()
  readonly #challenges = new Map<string, { readonly pageNonce: string; readonly until: number }>()
  readonly #now: () => number

  constructor(keys: Keys, now: () => number = Date.now) {
    this.#keys = keys
    this.#pageSecret = derived(keys.secret, 'pages').toString('base64url')
    this.#now = now
  }

  link(): string {
    return makeLink(this.#keys, this.#now())
  }

  /**
   * Exchanges a link's token for the page's secret, once. Returns undefined if the token was used, has expired, or is
   * invalid.
   */
  exchange(token: string): string | undefined {
    const bytes = Buffer.from(token, 'base64url')
    const isWhole = bytes.length === untilBytes + nonceBytes + macBytes && bytes.toString('base64url') === token
    if (!isWhole) return undefined
    const payload = bytes.subarray(0, untilBytes + nonceBytes)
    const mac = bytes.subarray(payload.length).toString('hex')
    if (!same(mac, macOf(this.#keys, payload).toString('hex'))) return undefined
    const [now, until, id] = [this.#now(), payload.readUIntBE(0, untilBytes), payload.toString('hex')]
    for (const [old, over] of this.#used) if (over < now) this.#used.delete(old)
    if (until < now || this.#used.has(id)) return undefined
    this.#used.set(id, until)
    return this.#pageSecret
  }

  /** Challenge for a page that is about to connect; undefined if `pageNonce` is not a nonce. */
  challenge(pageNonce: string): Challenge | undefined {
    if (!noncePattern.test(pageNonce)) return undefined
    const nonce = randomBytes(16).toString('hex')
    this.#challenges.set(nonce, { pageNonce, until: this.#now() + millisecondsOfChallenge })
    const [oldest] = this.#challenges.keys()
    if (this.#challenges.size > mostChallenges) this.#challenges.delete(oldest)
    return { nonce, proof: proofOf(this.#pageSecret, 'server', pageNonce, nonce) }
  }

  /** Whether `answer` solves a challenge of this server. A challenge can be used once. */
  admits(answer: string): boolean {
    const [nonce, proof = ''] = answer.split('.')
    const asked = this.#challenges.get(nonce)
    this.#challenges.delete(nonce)
    if (asked === undefined || asked.until < this.#now()) return false
    return same(proof, proofOf(this.#pageSecret, 'page', asked.pageNonce, nonce))
  }
}
