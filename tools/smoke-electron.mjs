// npm run smoke:electron: the tests of the shell on Electron itself, if its runtime is installed (npx
// install-electron, or node node_modules/electron/install.js).
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, root, run, stop } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureBuilt()
const folder = join(root, 'node_modules', 'electron')
const pathFile = join(folder, 'path.txt')
const executable = existsSync(pathFile) ? join(folder, 'dist', readFileSync(pathFile, 'utf8')) : ''
if (executable === '' || !existsSync(executable))
  stop(
    'Electron\'s runtime is not here, so nothing was tested on it: fetch it with "node ' +
      'node_modules/electron/install.js" (Node 22.12 or newer, and a network).'
  )
process.exitCode = run(
  [
    process.execPath,
    join('node_modules', 'vitest', 'vitest.mjs'),
    'run',
    'test/e2e/shell.test.ts',
    ...process.argv.slice(2)
  ],
  { ...process.env, SPECTROSCOPE_ELECTRON: executable }
)
