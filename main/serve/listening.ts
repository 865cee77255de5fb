import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'

/** Parses the request's URL; undefined if it is not a path on a server. */
export const addressOf = ({ url = '/' }: IncomingMessage): URL | undefined =>
  url.startsWith('/') && URL.canParse(`http://host${url}`) ? new URL(`http://host${url}`) : undefined

/** Listens and returns the port. Throws a `network` error if the address is not available. */
export const listen = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = faultCode(error)
      const reasons: Readonly<Record<string, string>> = {
        EADDRINUSE: 'another program uses it; choose another --port',
        EACCES: 'permission is denied; choose a --port above 1023',
        EADDRNOTAVAIL: 'this machine has no such address; choose another --host',
        ENOTFOUND: 'this machine has no such address; choose another --host'
      }
      reject(
        new SpectroscopeError('network', `${host}:${port} is not available: ${reasons[code] ?? code}.`, {
          cause: error
        })
      )
    })
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })

/** Refuses a connection that asks to become a WebSocket. `status` is for example "403 Forbidden". */
export const refuse = (socket: Duplex, status: string): void => {
  socket.on('error', () => {})
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
