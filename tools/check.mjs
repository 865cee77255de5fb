// npm run check: installs what is missing, then lint, type checks and build. No tests.
import { check } from './checks.mjs'
import { checkNode, ensureInstalled } from './ensure.mjs'

checkNode()
ensureInstalled()
await check()
