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

/** Prints a new link to a running server. */
export const printLink = async ({ folder, json }: Pick<ServeCommand, 'folder' | 'json'>): Promise<void> => {
  const { linkTo } = await import('../serve/kept-keys')
  const link = linkTo(folder === undefined ? undefined : resolve(folder))
  printAnswer({ json: link, text: line`${link.address}` }, json)
}

const crowdWords = (others: number): string => {
  const who = others === 1 ? 'One other person has' : `${others} other people have`
  return [
    `${who} processes on this machine. To keep them out, use a socket that only you can open:`,
    'spectroscope serve --socket ~/spectroscope.sock'
  ].join(' ')
}

const howToOpen = ({ port, socket }: Serving): string => {
  const tunnel = (to: string): string => `ssh -N -L ${port}:${to} ${hostname()}`
  return socket === null
    ? `Open this address in a browser. From another machine, first run there: ${tunnel(`127.0.0.1:${port}`)}`
    : `On the machine with the browser, run ${tunnel(socket)} and open this address.`
}

/** Prints the address of the server, and opens a browser if requested and safe. */
const announce = async (
  server: Serving,
  { json, open, host }: ServeCommand,
  isStopped: () => boolean
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
  // Others can see a browser's command line, and could use its link before the browser does.
  const opened = open && others === 0 && socket === null && !isStopped() && (await openBrowser(server.newAddress))
  if (isStopped()) return
  if (!opened) say(howToOpen(server))
  say('The address works once, for one browser. `spectroscope serve --link` prints another.')
}

/** Serves the workbench until a signal arrives, then stops runs with a checkpoint. */
export const serveUntilStopped = async (command: ServeCommand): Promise<void> => {
  const { open: _open, json: _json, link: _link, ...options } = command
  const { isLoopback, startServer } = await import('../serve')
  const { keysFolder } = await import('../serve/kept-keys')
  if (!isLoopback(options.host)) {
    say(
      `Warning: with --host ${options.host} other machines can reach this program, ` +
        'over an unencrypted connection. ' +
        'Anyone who intercepts it or has the address can read your files and start runs.'
    )
  }
  const interrupt = onInterrupt(
    () => say('Saving a checkpoint; press Ctrl-C again to stop at once.'),
    () => undefined
  )
  const stopped = new Promise<void>((done) => interrupt.signal.addEventListener('abort', () => done(), { once: true }))
  try {
    const server = await startServer({ ...options, keys: keysFolder() })
    try {
      await announce(server, command, () => interrupt.signal.aborted)
      say('Press Ctrl-C to stop; active runs save a checkpoint.')
      await stopped
    } finally {
      await server.close()
    }
  } finally {
    interrupt.release()
  }
}
