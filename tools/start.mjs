// npm start: installs and builds what is missing, then runs the main job on the bundled demo, in this process, so that Ctrl-C
// and exit codes are the program's own. Further arguments go to `spectroscope demo`.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkNode, ensureBuilt, ensureInstalled, root } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureBuilt()
const cli = join(root, 'out', 'main', 'cli.js')
process.argv = [process.execPath, cli, 'demo', ...process.argv.slice(2)]
await import(pathToFileURL(cli).href)
