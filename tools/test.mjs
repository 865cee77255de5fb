// npm test: installs what is missing, then lint, type check, build and tests. Further arguments go to vitest.
import { join } from 'node:path'
import { check } from './checks.mjs'
import { checkNode, ensureChromium, ensureInstalled, ensureSlurm, ensureVulkan, run } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureChromium()
ensureSlurm()
ensureVulkan()
await check(', so the tests did not run')
const vitest = join('node_modules', 'vitest', 'vitest.mjs')
process.exitCode = run([process.execPath, vitest, 'run', ...process.argv.slice(2)])
