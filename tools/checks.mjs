// Checks to pass before tests run: lint, type checks and build. Used by `npm run check` and `npm test`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { build, root, run, stop } from './ensure.mjs'

const node = process.execPath

/** @param {...string} parts */
const bin = (...parts) => join('node_modules', ...parts)

const projects = ['tsconfig.json', join('test', 'e2e', 'tsconfig.json'), join('test', 'host', 'page', 'tsconfig.json')]
const eslint = [bin('eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0']
const prettier = [bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level', 'warn', '.']
const svelteCheck = [
  bin('svelte-check', 'bin', 'svelte-check'),
  '--tsconfig',
  join('renderer', 'tsconfig.json'),
  '--output',
  'human',
  '--fail-on-warnings'
]

/** @type {[string, () => number][]} */
const steps = [
  ...projects.map(
    /** @returns {[string, () => number]} */
    (project) => [
      `The type check of ${project}`,
      () => run([node, bin('typescript', 'bin', 'tsc'), '--noEmit', '-p', project])
    ]
  ),
  ['The format (`npm run format` mends it)', () => run([node, ...prettier])],
  ['The type check of the window', () => run([node, ...svelteCheck])],
  ['The build', build]
]

/** Runs all checks. Exits at the first failure. @param {string} [consequence] */
export const check = async (consequence = '') => {
  // Lint takes as long as all other steps together, on one core, so it runs in parallel.
  const lint = spawn(node, eslint, { cwd: root, stdio: 'inherit' })
  const linted = once(lint, 'exit')
  for (const [name, step] of steps) {
    const status = step()
    if (status === 0) continue
    lint.kill()
    stop(`${name} failed${consequence}.`, status)
  }
  const [status] = await linted
  if (status !== 0) stop(`Lint failed${consequence}.`, status ?? 1)
}
