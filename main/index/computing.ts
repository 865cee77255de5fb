import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { projectRoot } from '../base/entries'
import { mostMessageBytes } from '../engine/wgsl/client'
import { Access, same, secret } from '../serve/access'
import { addressOf, listen, refuse } from '../serve/listening'
import { sendPage, sendText } from '../serve/pages'

/** Opens a page at the address, and tells `ended` why it is gone if it goes by itself; gives what closes it. */
export type OpenPage = (address: string, ended: (words: string) => void) => () => void

export interface Computing {
  /** Whoever connects to it (a WebSocket) has a page of its own that computes, until either end closes. */
  readonly address: string
  readonly close: () => void
}

/** Passes messages on one at a time, so that none pile up here. */
const relay = (from: WebSocket, to: WebSocket): void => {
  from.on('message', (data: RawData) => {
    from.pause()
    to.send(data as Buffer, { binary: true }, () => from.resume())
  })
}

/**
 * Joins whoever computes by pages with pages that `open` opens, by WebSockets on the loopback interface. The address that lets one in is a
 * secret of the program's processes, and one that a browser's page sent is refused; each page has an address of its own, is of this server
 * alone, and connects once.
 */
export const serveComputing = async (
  open: OpenPage,
  pages = join(projectRoot, 'out', 'renderer')
): Promise<Computing> => {
  const access = new Access('127.0.0.1')
  const key = secret()
  const sockets = new WebSocketServer({ noServer: true, maxPayload: mostMessageBytes, perMessageDeflate: false })
  /** What to do with the connection of each page that is being opened, by the secret of its address. */
  const expected = new Map<string, (request: IncomingMessage, socket: Duplex, head: Buffer) => void>()

  /** The secret of an address, and what follows it. */
  const partsOf = (request: IncomingMessage): readonly [token: string, rest: string] => {
    const [, token = '', rest = ''] = /^\/([^/]+)(\/.*)?$/.exec(addressOf(request)?.pathname ?? '') ?? []
    return [token, rest]
  }

  const respond = (request: IncomingMessage, response: ServerResponse): Promise<void> | void => {
    const [token, rest] = partsOf(request)
    if (!access.hostAllowed(request) || request.method !== 'GET' || !expected.has(token))
      return sendText(response, 403, 'This address is for the program itself.')
    return sendPage(request, response, pages, rest)
  }
  const server = createServer((request, response) => {
    Promise.resolve(respond(request, response)).catch(() => response.destroy())
  })
  const host = `127.0.0.1:${await listen(server, '127.0.0.1', 0)}`

  /** Opens a page for one that computes by it, and joins the two once it is there. */
  const seat = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const token = secret()
    let [computes, page]: [WebSocket?, WebSocket?] = []
    let isOver = false
    const end = (words: string): void => {
      if (isOver) return
      isOver = true
      expected.delete(token)
      if (computes === undefined) refuse(socket, '503 Service Unavailable')
      else computes.close(1001, words)
      page?.terminate()
      close()
    }
    expected.set(token, (...connection) => {
      expected.delete(token)
      sockets.handleUpgrade(...connection, (own) => {
        page = own
        own.on('error', () => {})
        own.once('close', (_, reason) => end(reason.length === 0 ? 'its page closed' : reason.toString()))
        sockets.handleUpgrade(request, socket, head, (opened) => {
          computes = opened
          opened.on('error', () => {})
          relay(opened, own)
          relay(own, opened)
        })
      })
    })
    // A connection that fails closes too.
    socket.on('error', () => {})
    socket.once('close', () => end('it is not needed any longer'))
    const close = open(`http://${host}/${token}/computing.html`, end)
  }

  server.on('upgrade', (request, socket, head) => {
    const [token, rest] = partsOf(request)
    const page = expected.get(token)
    if (!access.hostAllowed(request)) return refuse(socket, '403 Forbidden')
    if (request.headers.origin === undefined && rest === '' && same(token, key)) return seat(request, socket, head)
    if (page !== undefined && rest === '/channel' && access.originAllowed(request)) return page(request, socket, head)
    refuse(socket, '403 Forbidden')
  })

  return {
    address: `ws://${host}/${key}`,
    close: () => {
      server.close()
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      server.closeAllConnections()
    }
  }
}
