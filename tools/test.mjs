// npm test: installs what is missing, then lint, type check, build and tests. Further arguments go to vitest.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import {
  build, checkNode, ensureChromium, ensureInstalled, ensureSlurm, ensureVulkan, root, run, stop
} from './ensure.mjs'

/** @param {...string} parts */
const bin = (...parts) => join('node_modules', ...parts)
const node = process.execPath

/** @type {[string, () => number][]} */
const steps = [
  ...['tsconfig.json', join('test', 'e2e', 'tsconfig.json'), join('test', 'host', 'page', 'tsconfig.json')].map(
    /** @returns {[string, () => number]} */
    (project) => [`The type check of ${project}`, () => run([node, bin('typescript', 'bin', 'tsc'), '--noEmit', '-p', project])]
  ),
  ['The type check of the window', () => run([node, bin('svelte-check', 'bin', 'svelte-check'), '--tsconfig', join('renderer', 'tsconfig.json'), '--output', 'human', '--fail-on-warnings'])],
  ['The build', build]
]

checkNode()
ensureInstalled()
ensureChromium()
ensureSlurm()
ensureVulkan()
// As long as all the others together, and on one core, so beside them.
const eslint = [bin('eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0']
const lint = spawn(node, eslint, { cwd: root, stdio: 'inherit' })
const linted = once(lint, 'exit')
for (const [name, step] of steps) {
  const status = step()
  if (status === 0) continue
  lint.kill()
  stop(`${name} failed, so the tests did not run.`, status)
}
const [status] = await linted
if (status !== 0) stop('Lint failed, so the tests did not run.', status ?? 1)
process.exitCode = run([node, bin('vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)])
