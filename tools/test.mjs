// npm test: installs what is missing, then lint, type check, build and tests. Further arguments go to vitest.
import { join } from 'node:path'
import { build, checkNode, ensureInstalled, run, stop } from './ensure.mjs'

/** @param {...string} parts */
const bin = (...parts) => join('node_modules', ...parts)
const node = process.execPath

/** @type {[string, () => number][]} */
const steps = [
  ['Lint', () => run([node, bin('eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0'])],
  ['The type check', () => run([node, bin('typescript', 'bin', 'tsc'), '--noEmit', '-p', 'tsconfig.json'])],
  ['The build', build]
]

checkNode()
ensureInstalled()
for (const [name, step] of steps) {
  const status = step()
  if (status !== 0) stop(`${name} failed, so the tests did not run.`, status)
}
process.exitCode = run([node, bin('vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)])
