import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { complain as say, line } from '../base/printed'
import { openBrowser } from './browser'
import { onInterrupt } from './interrupt'
import { printAnswer } from './output'
import type { Serving } from '../serve'

export interface ServeCommand {
  readonly folder?: string
  readonly trust: boolean
  readonly folders: readonly string[]
  readonly host: string
  readonly port?: number
  readonly socket?: string
  readonly open: boolean
  readonly link?: boolean
  readonly json: boolean
}

/** Prints a new link to a server that runs already. */
export const printLink = async ({ folder, json }: Pick<ServeCommand, 'folder' | 'json'>): Promise<void> => {
  const { linkTo } = await import('../serve/kept-keys')
  const link = linkTo(folder === undefined ? undefined : resolve(folder))
  printAnswer({ json: link, text: line`${link.address}` }, json)
}

const crowdWords = (others: number): string => {
  const who = others === 1 ? 'One other person has' : `${others} other people have`
  return [
    `${who} processes on this machine. A socket that only you can open keeps them off:`,
    'spectroscope serve --socket ~/spectroscope.sock'
  ].join(' ')
}

const howToOpen = ({ port, socket }: Serving): string => {
  const tunnel = (to: string): string => `ssh -N -L ${port}:${to} ${hostname()}`
  return socket === null
    ? `Open that address in a browser; from another machine, first give there: ${tunnel(`127.0.0.1:${port}`)}`
    : `Give on the machine of the browser: ${tunnel(socket)} , then open that address there.`
}

/** Says where the server is, and opens a browser where that is wanted and safe. */
const announce = async (
  server: Serving, { json, open, host }: ServeCommand, isStopped: () => boolean
): Promise<void> => {
  const { isLoopback } = await import('../serve')
  const { otherUsers } = await import('../serve/other-users')
  const { address, port, socket, workspace, problem, notes } = server
  printAnswer({ json: { address, port, socket, workspace, problem }, text: line`Spectroscope is at ${address}` }, json)
  if (workspace !== null) say(`Workspace: ${workspace}.`)
  for (const note of notes) say(note)
  if (problem !== null) say(problem)
  const others = socket === null && isLoopback(host) ? await otherUsers() : 0
  if (others > 0) say(crowdWords(others))
  // Others can see what a browser is started with, and be quicker than the browser.
  const opened = open && others === 0 && socket === null && !isStopped() && (await openBrowser(server.newAddress))
  if (isStopped()) return
  if (!opened) say(howToOpen(server))
  say('The address lets one browser in, once; `spectroscope serve --link` prints another.')
}

/** Serves the workbench until a signal comes, then stops runs with a checkpoint. */
export const serveUntilStopped = async (command: ServeCommand): Promise<void> => {
  const { open: _open, json: _json, link: _link, ...options } = command
  const { isLoopback, startServer } = await import('../serve')
  const { keysFolder } = await import('../serve/kept-keys')
  if (!isLoopback(options.host)) {
    say(`Warning: with --host ${options.host} other machines can reach this program, `
      + 'over a connection that is not encrypted; '
      + 'whoever reads it or has the address can read your files and start runs.')
  }
  const interrupt = onInterrupt(() => say('Stopping with a checkpoint; once more to stop at once.'), () => undefined)
  const stopped = new Promise<void>((done) => interrupt.signal.addEventListener('abort', () => done(), { once: true }))
  try {
    const server = await startServer({ ...options, keys: keysFolder() })
    try {
      await announce(server, command, () => interrupt.signal.aborted)
      say('Ctrl-C ends it; runs at work then stop with a checkpoint.')
      await stopped
    } finally {
      await server.close()
    }
  } finally {
    interrupt.release()
  }
}
