// Lint, format, type checks and build. `npm run check` runs them; `npm test` runs them beside the tests.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { root, stop } from './ensure.mjs'

/** @typedef {{ name: string, arguments: string[] }} Step what Node is started with; a failure is reported by name */

/** @param {string} name @param {string[]} parts @returns {Step} */
const step = (name, ...parts) => ({ name, arguments: [join('node_modules', parts[0]), ...parts.slice(1)] })

const typeScript = join('typescript', 'bin', 'tsc')
const types = [
  'tsconfig.json',
  join('test', 'e2e', 'tsconfig.json'),
  join('test', 'host', 'page', 'tsconfig.json')
].map((project) => step(`The type check of ${project}`, typeScript, '--noEmit', '-p', project))
const windowTypes = step(
  'The type check of the window',
  join('svelte-check', 'bin', 'svelte-check'),
  ...['--tsconfig', join('renderer', 'tsconfig.json'), '--output', 'human', '--fail-on-warnings']
)
const format = step(
  'The format (`npm run format` mends it)',
  join('prettier', 'bin', 'prettier.cjs'),
  ...['--check', '--log-level', 'warn', '.']
)
const lint = step('Lint', join('eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0')
/** @type {Step} */
const build = { name: 'The build', arguments: [join('tools', 'build.mjs')] }

/**
 * Runs each lane's steps one after another, and the lanes in parallel. At the first failure it stops the others, says
 * which step failed, and exits with that step's status. @param {Step[][]} lanes
 */
const runLanes = async (lanes) => {
  /** @type {Set<import('node:child_process').ChildProcess>} */
  const running = new Set()
  let hasFailed = false
  await Promise.all(
    lanes.map(async (steps) => {
      for (const { name, arguments: given } of steps) {
        if (hasFailed) return
        const child = spawn(process.execPath, given, { cwd: root, stdio: 'inherit' })
        running.add(child)
        const [status] = await once(child, 'exit')
        running.delete(child)
        if (status === 0 || hasFailed) continue
        hasFailed = true
        await Promise.all(
          [...running].map((other) => {
            const ended = once(other, 'exit')
            other.kill('SIGINT')
            return ended
          })
        )
        stop(`${name} failed.`, status ?? 1)
      }
    })
  )
}

/** Runs all checks. Exits at the first failure. */
export const check = () => runLanes([[lint], [...types, format, windowTypes, build]])

/**
 * Builds, then runs tests while the checks run beside them: tests wait for other processes much of their time. Exits
 * at the first failure. @param {string[]} options of vitest
 */
export const test = async (options) => {
  await runLanes([[build]])
  const tests = step('A test', join('vitest', 'vitest.mjs'), 'run', ...options)
  await runLanes([[tests], [...types, windowTypes, format, lint]])
}
