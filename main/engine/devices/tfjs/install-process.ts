// Runs the package's own install script in this process, as npm would: node scripts/install.js gpu download. The
// third argument is its folder.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { InstallProgress } from '../installing'
import { restoreUtil } from './node-util'

interface Bar {
  curr: number
  readonly total: number
}

const packages = createRequire(join(process.argv[4], 'scripts', 'install.js'))
const millisecondsBetween = 100
let toldAt = -Infinity

const tell = (progress: InstallProgress): void => {
  const now = performance.now()
  if (now - toldAt < millisecondsBetween && progress.done !== progress.total) return
  toldAt = now
  process.send?.(progress, undefined, undefined, () => {})
}

restoreUtil()
// The script draws a progress bar on the terminal. Report it to the parent process instead.
;(packages('progress') as { readonly prototype: { tick: unknown } }).prototype.tick = function (
  this: Bar,
  length: number
): void {
  this.curr += length
  tell({ done: this.curr, total: this.total })
}
process.once('disconnect', () => process.exit(1))
// Exit when the script has nothing left to do.
process.channel?.unref()
packages('./install.js')
