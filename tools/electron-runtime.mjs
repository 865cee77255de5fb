// Checks whether the workbench can open in Electron here, and installs a missing runtime. Depends on Node alone.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './ensure.mjs'

const { AbortSignal, fetch } = globalThis
const folder = join(root, 'node_modules', 'electron')

/**
 * Path of the runtime's program; undefined if it is not completely installed. @param {string} [electron] @param
 * {NodeJS.ProcessEnv} [env]
 */
export const runtimeIn = (electron = folder, env = process.env) => {
  try {
    const { version } = JSON.parse(readFileSync(join(electron, 'package.json'), 'utf8'))
    const dist = env['ELECTRON_OVERRIDE_DIST_PATH'] ?? join(electron, 'dist')
    const program = join(dist, readFileSync(join(electron, 'path.txt'), 'utf8').trim())
    if (!existsSync(program)) return undefined
    return env['ELECTRON_OVERRIDE_DIST_PATH'] !== undefined ||
      readFileSync(join(dist, 'version'), 'utf8').trim().replace(/^v/, '') === version
      ? program
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Why Electron cannot show a window on this machine; undefined if it can. @param {NodeJS.Platform} platform @param
 * {NodeJS.ProcessEnv} env @param {number | undefined} user
 */
export const obstacle = (platform = process.platform, env = process.env, user = process.getuid?.()) => {
  if (platform !== 'linux') return undefined
  if ((env['DISPLAY'] ?? '') === '' && (env['WAYLAND_DISPLAY'] ?? '') === '') return 'there is no display'
  return user === 0 ? 'Electron does not start for the superuser' : undefined
}

/**
 * Why the runtime cannot be installed; undefined if it may be possible. @param {string} version of Node @returns
 * {Promise<string | undefined>}
 */
const cannotInstall = async (version) => {
  const [major, minor] = version.split('.').map(Number)
  if (major < 22 || (major === 22 && minor < 12))
    return `its installer needs Node 22.12 or newer, and this is ${version}`
  const mirror =
    process.env['ELECTRON_MIRROR'] ??
    process.env['npm_config_electron_mirror'] ??
    'https://github.com/electron/electron/releases/'
  try {
    await fetch(mirror, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(5000) })
    return undefined
  } catch {
    return `${new URL(mirror).host} cannot be reached to download it`
  }
}

/**
 * Electron's program, installed if needed, or the reason why there is none. @returns {Promise<{ program: string } | {
 * reason: string }>}
 */
export const electronRuntime = async () => {
  const blocked = obstacle()
  if (blocked !== undefined) return { reason: blocked }
  const present = runtimeIn()
  if (present !== undefined) return { program: present }
  if (!existsSync(join(folder, 'install.js'))) return { reason: 'the package electron is not installed' }
  const hindered = await cannotInstall(process.versions.node)
  if (hindered !== undefined) return { reason: `Electron's runtime is not here, and ${hindered}` }
  process.stderr.write("Downloading Electron's runtime …\n")
  if (run([process.execPath, join('node_modules', 'electron', 'install.js')]) !== 0)
    return { reason: "the download of Electron's runtime did not finish" }
  const program = runtimeIn()
  return program === undefined ? { reason: "Electron's runtime was downloaded, but is not whole" } : { program }
}
