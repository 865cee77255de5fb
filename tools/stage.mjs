// Writes to out/program what a package needs outside its archive, which plain Node cannot read: the built program,
// its resources, and the Node that runs this script, with its licence.
import { spawnSync } from 'node:child_process'
import { constants, copyFileSync, cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root, stop } from './ensure.mjs'

const program = join(root, 'out', 'program')
const folder = join(program, 'node')
/** The packed Node, at the path that `packedNode` of main/base/entries.ts expects. */
export const stagedNode = join(folder, process.platform === 'win32' ? 'node.exe' : 'node')

/** Locations of Node's licence: in archives of nodejs.org, and on Debian. */
const licences = [
  join(dirname(process.execPath), '..', 'LICENSE'),
  join(dirname(process.execPath), 'LICENSE'),
  '/usr/share/doc/nodejs/LICENSE'
]

const remedy = 'pack with a Node that is unpacked from an archive of https://nodejs.org'

/** Why this Node would not run on other machines; undefined if it would. @returns {string | undefined} */
const obstacle = () => {
  const shared = Object.entries(process.config.variables).find(
    ([name, value]) => /^node_shared/.test(name) && String(value) === 'true'
  )
  if (shared !== undefined) return `It takes libraries from this system (${shared[0]})`
  return licences.some((path) => existsSync(path)) ? undefined : 'Its licence is not beside it'
}

/** Rebuilds out/program. */
export const stage = () => {
  const lack = obstacle()
  if (lack !== undefined) stop(`${process.execPath} cannot be packed: ${lack}; ${remedy}.`)
  rmSync(program, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const kept = (/** @type {string} */ path) => !path.endsWith('.map')
  for (const part of [
    'package.json',
    'resources',
    join('out', 'main'),
    join('out', 'kernels'),
    join('out', 'build.json')
  ])
    cpSync(join(root, part), join(program, part), { recursive: true, filter: kept })
  copyFileSync(process.execPath, stagedNode, constants.COPYFILE_FICLONE)
  copyFileSync(/** @type {string} */ (licences.find((path) => existsSync(path))), join(folder, 'LICENSE'))
  const { status, stdout } = spawnSync(stagedNode, ['--version'], { env: {}, encoding: 'utf8' })
  if (status !== 0 || stdout.trim() !== process.version)
    stop(`${process.execPath} cannot be packed: a copy of it does not start; ${remedy}.`)
}
