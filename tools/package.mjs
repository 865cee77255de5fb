// npm run package: builds what is stale and packs the program for this system into dist/. Further arguments go to electron-builder
// ("--dir" for a folder in place of an installer). Needs a network for Electron's runtime.
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, run } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureBuilt()
process.exitCode = run([
  process.execPath,
  join('node_modules', 'electron-builder', 'out', 'cli', 'cli.js'),
  '--publish',
  'never',
  ...process.argv.slice(2)
])
