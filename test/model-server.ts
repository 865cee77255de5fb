import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** What the last message says. */
  readonly said: string
}

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Never answers; the connection stays open until it is given up. */
  readonly silent?: boolean
}

/** A chat completion with that message. */
export const completion = (content: string): Reply => ({
  body: JSON.stringify({ choices: [{ message: { role: 'assistant', content } }] })
})

export interface ModelServer {
  /** To which "/chat/completions" is appended. */
  readonly address: string
  readonly asked: readonly Asked[]
  readonly close: () => Promise<void>
}

/** A server of chat completions on this machine that answers as `reply` says. */
export const startModelServer = async (reply: (asked: Asked, number: number) => Reply): Promise<ModelServer> => {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => (body += part))
    request.on('end', () => {
      const { messages = [] } = JSON.parse(body === '' ? '{}' : body) as { messages?: { content: string }[] }
      const one = { url: request.url ?? '', headers: request.headers, body, said: messages.at(-1)?.content ?? '' }
      asked.push(one)
      const { status = 200, headers = {}, body: answer = '', silent = false } = reply(one, asked.length - 1)
      if (!silent) response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}/v1`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
