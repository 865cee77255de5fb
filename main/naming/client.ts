import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import type { NamingServer } from '../../preload/contract-naming'
import { Passing, retrying, textUpTo } from '../base/download'
import { faultCode } from '../base/faults'

export interface Message {
  readonly role: 'system' | 'user'
  readonly content: string
}

/** Gives the model's answer to some messages. */
export type AskModel = (messages: readonly Message[], signal: AbortSignal) => Promise<string>

export interface ModelAccess extends NamingServer {
  /** '' for a server that needs none. */
  readonly key: string
  /** Seconds that a request may take. */
  readonly seconds?: number
  /** Milliseconds before the first retry. */
  readonly delay?: number
}

const usualSeconds = 120
const usualDelay = 500
const attempts = 3
const mostBytes = 2 ** 20

/**
 * Where requests go. Throws a `configuration` error for an address other than of http or https, or with a name and
 * password, a query or a fragment in it.
 */
export const completionsUrl = (address: string): string => {
  const given = address.trim()
  const url = URL.canParse(given) ? new URL(given) : undefined
  const bare = url !== undefined && [url.username, url.password, url.search, url.hash].every((part) => part === '')
  if (url !== undefined && bare && (url.protocol === 'http:' || url.protocol === 'https:'))
    return `${url.href.replace(/\/+$/, '')}/chat/completions`
  const example = 'give one such as http://127.0.0.1:11434/v1'
  throw new SpectroscopeError('configuration', `"${briefly(given)}" is no address of a model server; ${example}.`)
}

/** The request's body. */
export const requestBody = (model: string, messages: readonly Message[]): object => ({
  model,
  messages,
  temperature: 0,
  stream: false
})

const completionSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1)
})

const network = (sentence: string, cause?: unknown): SpectroscopeError =>
  new SpectroscopeError('network', sentence, cause === undefined ? {} : { cause })

/** Why a status will not do, with the remedy. */
const refusal = (url: string, status: number): string => {
  if (status >= 300 && status < 400) return `${url} redirects elsewhere, which is not followed; give the final address.`
  if (status === 401 || status === 403) return `${url} refused the key (HTTP ${status}); set another key.`
  if (status === 404) return `${url} has no such model, or is no model server (HTTP 404); check address and model.`
  return `${url} refused the request (HTTP ${status}); check address and model.`
}

const contentOf = (url: string, body: string | undefined): string => {
  if (body === undefined) throw network(`${url} answered with more than 1 MiB; check the address.`)
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    const what = body.trim() === '' ? 'nothing' : /^\s*</.test(body) ? 'a web page' : 'text that is not JSON'
    throw network(`${url} answered with ${what}; check the address.`)
  }
  const parsed = completionSchema.safeParse(value)
  if (!parsed.success) throw network(`${url} answered without a message of a model; check the address.`)
  const { content } = parsed.data.choices[0].message
  if (content.trim() === '') throw network(`${url} answered with an empty message; try another model.`)
  return content
}

/**
 * Asks an OpenAI-compatible server. A server that is busy or not there is asked again, three times in all; redirects
 * are refused, and answers are at most 1 MiB. Errors are of kind `network` or `interrupted`, and none has the key.
 */
export const modelAt = (access: ModelAccess): AskModel => {
  const { address, model, key, seconds = usualSeconds, delay = usualDelay } = access
  const url = completionsUrl(address)
  const slow = (): SpectroscopeError => network(`${url} did not answer within ${seconds} s; try a smaller model.`)

  const ask = async (messages: readonly Message[], signal: AbortSignal): Promise<string> => {
    const limit = AbortSignal.timeout(1000 * seconds)
    const failed = (error: unknown): Error =>
      limit.aborted && !signal.aborted ? slow() : new Passing(faultCode(error), { cause: error })
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'Content-Type': 'application/json', ...(key === '' ? {} : { Authorization: `Bearer ${key}` }) },
      body: JSON.stringify(requestBody(model, messages)),
      signal: AbortSignal.any([signal, limit])
    }).catch((error: unknown) => {
      throw failed(error)
    })
    const { ok, status } = response
    if (!ok) {
      await response.body?.cancel()
      if (status === 429 || status >= 500) throw new Passing(`HTTP ${status}`)
      throw network(refusal(url, status))
    }
    const body = await textUpTo(response, mostBytes).catch((error: unknown) => {
      throw failed(error)
    })
    return contentOf(url, body)
  }

  return (messages, signal) =>
    retrying(() => ask(messages, signal), {
      signal,
      delay,
      attempts,
      interrupted: (cause) => new SpectroscopeError('interrupted', 'Asking the model was cancelled.', { cause }),
      exhausted: (fault) =>
        network(`${url} cannot be reached (${fault.message}); start the server or check its address.`, fault)
    })
}
