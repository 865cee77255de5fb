import type { ForkOptions, UtilityProcess } from 'electron'
import { childBehind } from '../base/processes'
import type { Launcher } from '../base/processes'

type Fork = (entry: string, args: string[], options: ForkOptions) => UtilityProcess

/** Starts children as utility processes, for the packaged program cannot be run as Node; with `shared` in the environment of each. */
export const utilityLauncher =
  (fork: Fork, shared: Readonly<Record<string, string>> = {}): Launcher =>
  (entry, { args = [], environment = {}, nodeArguments = [] }) => {
    const environmentOf = Object.fromEntries(
      Object.entries({ ...process.env, ...shared, ...environment }).filter(([, value]) => value !== undefined)
    ) as Record<string, string>
    const child = fork(entry, [...args], {
      stdio: 'inherit',
      execArgv: [...nodeArguments],
      env: environmentOf,
      serviceName: 'Spectroscope'
    })
    let pid: number | undefined
    child.once('spawn', () => (pid = child.pid))
    return childBehind(
      {
        postMessage: (message) => child.postMessage(message),
        onMessage: (listener) => void child.on('message', listener)
      },
      {
        get pid() {
          return pid
        },
        onExit: (listener) =>
          void child.once('exit', (code) => listener({ code, signal: null, words: `exit code ${code}` })),
        // Its children ignore the signal that kill() sends, as one to the whole group must not end them.
        kill: () => {
          if (pid === undefined) child.kill()
          else process.kill(pid, 'SIGKILL')
        }
      }
    )
  }
