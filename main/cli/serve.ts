import { hostname } from 'node:os'
import { openBrowser } from './browser'
import { onInterrupt } from './interrupt'
import { printAnswer } from './output'
import { visibleText } from './text'

export interface ServeCommand {
  readonly folder?: string
  readonly trust: boolean
  readonly host: string
  readonly port?: number
  readonly open: boolean
  readonly json: boolean
}

const say = (text: string): void => void process.stderr.write(`${text}\n`)

/** Serves the workbench until a signal comes, then stops runs with a checkpoint. */
export const serveUntilStopped = async ({ open, json, ...options }: ServeCommand): Promise<void> => {
  const { isLoopback, startServer } = await import('../serve')
  if (!isLoopback(options.host)) {
    say(`Warning: with --host ${options.host} other machines can reach this program, over a connection that is not encrypted; whoever has the address can read your files and start runs.`)
  }
  const interrupt = onInterrupt(() => say('Stopping with a checkpoint; once more to stop at once.'), () => undefined)
  const stopped = new Promise<void>((resolve) => interrupt.signal.addEventListener('abort', () => resolve(), { once: true }))
  try {
    const server = await startServer(options)
    try {
      const { address, port, workspace, problem, notes } = server
      printAnswer({ json: { address, port, workspace, problem }, text: `Spectroscope is at ${address}` }, json)
      if (workspace !== null) say(`Workspace: ${visibleText(workspace)}.`)
      for (const note of notes) say(visibleText(note))
      if (problem !== null) say(visibleText(problem))
      const opened = open && !interrupt.signal.aborted && (await openBrowser(server.openingAddress))
      if (!opened && !interrupt.signal.aborted) say(`Open that address in a browser; from another machine, first give there: ssh -N -L ${port}:127.0.0.1:${port} ${hostname()}`)
      say('Ctrl-C ends it; runs at work then stop with a checkpoint.')
      await stopped
    } finally {
      await server.close()
    }
  } finally {
    interrupt.release()
  }
}
