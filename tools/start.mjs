// npm start: installs and builds what is missing, then opens the workbench: in Electron if its runtime is there or
// can be installed, otherwise in a browser with `spectroscope serve`. `npm start -- demo` runs the demonstration in
// the terminal instead.
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { electronRuntime } from './electron-runtime.mjs'
import { checkNode, ensureBuilt, ensureInstalled, root, stop } from './ensure.mjs'

const usage =
  'npm start -- [demo | serve] [--workspace DIR]: opens the workbench; `demo` runs the demonstration in the ' +
  'terminal, `serve` opens a browser without trying Electron.'
const secondsToShow = 10

/**
 * Runs the command line program in this process, so that Ctrl-C and exit codes are its own. @param {string[]} args
 */
const terminal = async (args) => {
  const cli = join(root, 'out', 'main', 'cli.js')
  process.argv = [process.execPath, cli, ...args]
  await import(pathToFileURL(cli).href)
}

/** Value of --workspace, relative to where npm was started. @param {string[]} args @returns {string | undefined} */
const workspaceOf = (args) => {
  if (args.length === 0) return process.env['SPECTROSCOPE_WORKSPACE'] || undefined
  const [, joined] = /^--workspace=(.+)$/.exec(args[0]) ?? []
  if (joined !== undefined && args.length === 1) return joined
  if ((args[0] === '--workspace' || args[0] === '-w') && args.length === 2) return args[1]
  return stop(`"${args.join(' ')}" is not understood.\n${usage}`, 2)
}

/**
 * Runs Electron. Returns false if it could not start, so that a browser is used instead. @param {string} program
 * @param {string | undefined} workspace
 */
const inElectron = (program, workspace) => {
  const begun = performance.now()
  const { status, signal, error } = spawnSync(
    program,
    [root, ...(workspace === undefined ? [] : [`--workspace=${resolve(workspace)}`])],
    // Children run in this Node.
    { stdio: 'inherit', env: { ...process.env, SPECTROSCOPE_NODE: process.execPath } }
  )
  if (status === 0 || signal === 'SIGINT' || signal === 'SIGTERM') return true
  if (error === undefined && performance.now() - begun > 1000 * secondsToShow) {
    process.exitCode = status ?? 1
    return true
  }
  process.stderr.write('Electron could not start (its messages are above), so the workbench opens in a browser.\n')
  return false
}

const args = process.argv.slice(2)
checkNode()
if (args.includes('--help') || args.includes('-h')) process.stdout.write(`${usage}\n`)
else {
  const inTerminal = args[0] === 'demo' || args[0] === 'serve'
  const workspace = inTerminal ? undefined : workspaceOf(args)
  ensureInstalled()
  ensureBuilt()
  if (inTerminal) await terminal(args)
  else {
    const runtime = await electronRuntime()
    if ('reason' in runtime)
      process.stderr.write(`The workbench opens in a browser rather than in Electron: ${runtime.reason}.\n`)
    if ('reason' in runtime || !inElectron(runtime.program, workspace))
      await terminal(['serve', ...(workspace === undefined ? [] : ['--workspace', workspace])])
  }
}
