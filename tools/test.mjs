// npm test: installs what is missing, builds, then runs tests, lint and type checks. Further arguments go to vitest.
import { test } from './checks.mjs'
import { checkNode, ensureChromium, ensureInstalled, ensureSlurm, ensureVulkan } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureChromium()
ensureSlurm()
ensureVulkan()
await test(process.argv.slice(2))
