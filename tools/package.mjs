// npm run package: builds if stale, then packs the program and the Node that runs this script, for this system, into
// dist/. Further arguments go to electron-builder ("--dir" for a folder instead of an installer). Needs a network for
// Electron's runtime. On Linux x64 also needs pip or uv and a C++ compiler for the addon of TensorFlow.js, which is
// left out without them.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, root, run } from './ensure.mjs'
import { stage } from './stage.mjs'

/**
 * Lets the program install TensorFlow in a temporary folder, and keeps the addon compiled for it, for users without a
 * compiler.
 */
const makeAddon = () => {
  const addon = join(root, 'out', 'addon')
  rmSync(addon, { recursive: true, force: true })
  if (process.platform !== 'linux' || process.arch !== 'x64') return
  const engines = mkdtempSync(join(tmpdir(), 'spectroscope-package-'))
  const environment = { ...process.env, SPECTROSCOPE_ENGINES: engines, SPECTROSCOPE_TFJS_DEVICE: 'cpu' }
  const command = [process.execPath, join('out', 'main', 'cli.js'), 'engines', 'install', 'tfjs', '--yes']
  const made = run(command, environment) === 0
  if (made)
    for (const name of readdirSync(engines, { recursive: true })
      .map(String)
      .filter((each) => each.endsWith('.node'))) {
      mkdirSync(addon, { recursive: true })
      cpSync(join(engines, name), join(addon, name.split('/').at(-1) ?? name))
    }
  rmSync(engines, { recursive: true, force: true })
  if (!existsSync(addon))
    process.stderr.write('The package has no addon of TensorFlow.js, as it could not be made: users need a compiler.\n')
}

checkNode()
ensureInstalled()
ensureBuilt()
makeAddon()
stage()
process.exitCode = run([
  process.execPath,
  join('node_modules', 'electron-builder', 'out', 'cli', 'cli.js'),
  '--publish',
  'never',
  ...process.argv.slice(2)
])
