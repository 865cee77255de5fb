// First steps of `npm start`, `npm test` and `npm run bench`: check Node, install missing packages, rebuild if stale.
// Runs before node_modules exists, so it depends on Node alone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** @param {string} message @param {number} [code] @returns {never} */
export const stop = (message, code = 1) => {
  process.stderr.write(`${message}\n`)
  process.exit(code)
}

export const checkNode = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    stop(
      `Spectroscope needs Node 20.19 or newer and this is ${process.version}: install a newer one from ` +
        'https://nodejs.org.'
    )
}

/**
 * Runs a program on this terminal, in the project's root or the given folder. Returns its exit status. @param
 * {string[]} command @param {NodeJS.ProcessEnv} [env] @param {string} [folder]
 */
export const run = ([program, ...args], env = process.env, folder = root) => {
  const { status, signal, error } = spawnSync(program, args, {
    cwd: folder,
    stdio: 'inherit',
    env,
    shell: program.endsWith('.cmd')
  })
  if (error !== undefined) stop(`${program} could not be started: ${error.message}.`)
  return signal === null ? (status ?? 1) : 1
}

/**
 * @param {string} path @returns {{ packages: Record<string, { version?: string, integrity?: string, optional?:
 * boolean, link?: boolean }> } | undefined}
 */
const readLock = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/**
 * Whether node_modules matches package-lock.json, according to npm's record of what it installed. @param {string}
 * folder
 */
export const isInstalled = (folder) => {
  const wanted = readLock(join(folder, 'package-lock.json'))
  const present = readLock(join(folder, 'node_modules', '.package-lock.json'))
  if (wanted === undefined || present === undefined) return false
  return Object.entries(wanted.packages).every(([path, { version, integrity, optional }]) => {
    const found = present.packages[path]
    if (path === '' || (optional === true && found === undefined)) return true
    return (
      found !== undefined &&
      found.version === version &&
      (integrity === undefined || found.integrity === integrity) &&
      existsSync(join(folder, path))
    )
  })
}

/**
 * Removes a link in place of node_modules, because `npm ci` would empty the folder that it points to, which belongs
 * to somebody else. @param {string} folder
 */
const dropLink = (folder) => {
  const modules = join(folder, 'node_modules')
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return
  process.stderr.write(
    `node_modules leads to ${readlinkSync(modules)}, which is not what package-lock.json asks for: a folder ` +
      `takes the link's place, and what it led to stays as it is.\n`
  )
  unlinkSync(modules)
}

/** Runs `npm ci` if node_modules is missing or does not match package-lock.json. */
export const ensureInstalled = (folder = root) => {
  if (isInstalled(folder)) return
  dropLink(folder)
  process.stderr.write('Installing packages (npm ci) …\n')
  const npm = process.env['npm_execpath']
  const program =
    npm !== undefined && /npm-cli\.[cm]?js$/.test(npm)
      ? [process.execPath, npm]
      : [process.platform === 'win32' ? 'npm.cmd' : 'npm']
  if (run([...program, 'ci', '--include=dev', '--no-audit', '--no-fund'], process.env, folder) !== 0)
    stop('npm ci did not finish (its messages are above); it needs the npm registry and about 1 GB of disk.')
}

const browsers = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Path of Chromium for the window's tests; SPECTROSCOPE_CHROMIUM overrides it. @returns {string | undefined} */
export const findChromium = () => {
  const given = process.env['SPECTROSCOPE_CHROMIUM']
  if (given !== undefined && given !== '') return given
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/bin',
    '/Applications/Google Chrome.app/Contents/MacOS'
  ]
  return folders
    .flatMap((folder) => [...browsers, 'Google Chrome'].map((name) => join(folder, name)))
    .find((path) => existsSync(path))
}

/**
 * Installs Debian packages, if this is root on Debian. @param {string} what @param {string[]} packages @param
 * {string[]} [options] of apt-get
 */
const installFromDebian = (what, packages, options = []) => {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return
  process.stderr.write(`Installing ${what} (apt-get) …\n`)
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['apt-get', 'install', '-y', '-qq', '--no-remove', '--no-install-recommends', ...options, ...packages]
  if (run(install, environment) !== 0) {
    run(['apt-get', 'update', '-qq', ...options], environment)
    run(install, environment)
  }
}

/** Installs Debian's Chromium if there is none. Says which tests are skipped if it cannot. */
export const ensureChromium = () => {
  if (findChromium() === undefined) installFromDebian('Chromium', ['chromium', 'fonts-dejavu-core'])
  if (findChromium() === undefined)
    process.stderr.write(
      'There is no Chromium here, so the tests of the window are skipped: install it (apt-get install ' +
        'chromium), or name one in SPECTROSCOPE_CHROMIUM.\n'
    )
}

/** Why the tests cannot start their own Slurm; undefined if they can. @returns {string | undefined} */
export const slurmLack = () => {
  const missing = ['munged', 'slurmctld', 'slurmd', 'sbatch'].find(
    (name) => !['/usr/sbin', '/usr/bin'].some((folder) => existsSync(join(folder, name)))
  )
  if (missing !== undefined) return `there is no ${missing} here (apt-get install slurm-wlm munge)`
  return process.getuid?.() === 0 ? undefined : 'its daemons need root'
}

/** Installs Debian's Slurm if there is none. Says which tests are skipped if it cannot. */
export const ensureSlurm = () => {
  if (slurmLack() !== undefined) installFromDebian('Slurm', ['slurm-wlm', 'munge'])
  const lack = slurmLack()
  if (lack !== undefined) process.stderr.write(`The test on Slurm is skipped: ${lack}.\n`)
}

/** @param {string} path */
const textOf = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '')

/**
 * Why there is no Vulkan for WebGPU; undefined if there may be. VK_DRIVER_FILES names drivers elsewhere. @returns
 * {string | undefined}
 */
export const vulkanLack = () => {
  if (process.platform !== 'linux' || (process.env['VK_DRIVER_FILES'] ?? '') !== '') return undefined
  const files = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'].flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder) : []
  )
  if (files.length === 0) return 'there is no driver for Vulkan here (apt-get install mesa-vulkan-drivers libvulkan1)'
  const mesa = /^Package: mesa-vulkan-drivers\n(?:.+\n)*?Version: (\d+)/m.exec(textOf('/var/lib/dpkg/status'))?.[1]
  return mesa !== undefined && Number(mesa) < 23
    ? `Mesa ${mesa} is too old for WebGPU (Debian 12 has a newer one in bookworm-backports)`
    : undefined
}

/**
 * Installs Debian's software Vulkan if there is none. Debian 12 has it in its backports, which are added only for
 * this.
 */
export const ensureVulkan = () => {
  if (vulkanLack() !== undefined) {
    /** @type {string[]} */
    const options = []
    if (/^VERSION_CODENAME=bookworm$/m.test(textOf('/etc/os-release'))) {
      const list = join(mkdtempSync(join(tmpdir(), 'spectroscope-apt-')), 'sources.list')
      const backports =
        'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian ' +
        'bookworm-backports main'
      writeFileSync(list, `${textOf('/etc/apt/sources.list')}\n${backports}\n`)
      options.push('-o', `Dir::Etc::SourceList=${list}`, '-t', 'bookworm-backports')
    }
    installFromDebian('software Vulkan', ['mesa-vulkan-drivers', 'libvulkan1'], options)
  }
  const lack = vulkanLack()
  if (lack !== undefined) process.stderr.write(`The tests on WebGPU are skipped: ${lack}.\n`)
}

const sources = [
  'main',
  'preload',
  'renderer',
  'electron.vite.config.ts',
  'svelte.config.js',
  'tsconfig.json',
  'package-lock.json',
  'tools/build-kernels.mjs'
]
const stamp = join(root, 'out', '.built')

/** @param {string} path @returns {string[]} */
const filesUnder = (path) =>
  !existsSync(join(root, path))
    ? []
    : statSync(join(root, path)).isDirectory()
      ? readdirSync(join(root, path))
          .sort()
          .flatMap((name) => filesUnder(`${path}/${name}`))
      : [path]

const sourceHash = () => {
  const hash = createHash('sha256')
  for (const path of sources.flatMap(filesUnder))
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0')
  return hash.digest('hex')
}

/**
 * A built file without parts that depend on the folder it was built in: comments name packages by path, and names of
 * chunks depend on their contents, including comments. @param {string} path
 */
const builtContent = (path) => {
  const content = readFileSync(join(root, path))
  if (!path.endsWith('.js')) return content
  return content
    .toString('utf8')
    .replace(/^\/\/.*$/gm, '')
    .replace(/-[\w-]{8}\.js/g, '.js')
}

/** Hash of the built files that determine a run's numbers: code of processes and threads, and kernels. */
const builtHash = () => {
  const files = ['out/main', 'out/kernels'].flatMap(filesUnder).filter((path) => /\.(js|wasm)$/.test(path))
  const digests = files.map((path) => createHash('sha256').update(builtContent(path)).digest('hex'))
  return createHash('sha256').update(digests.sort().join('\n')).digest('hex')
}

/** Builds kernels and entries, and records the hashes of sources and results. Returns the exit status. */
export const build = () => {
  const hash = sourceHash()
  rmSync(stamp, { force: true })
  const bin = join('node_modules', 'electron-vite', 'bin', 'electron-vite.js')
  const status =
    run([process.execPath, join('tools', 'build-kernels.mjs')]) ||
    run([process.execPath, bin, 'build', '--logLevel', 'warn'])
  if (status !== 0) return status
  mkdirSync(join(root, 'out'), { recursive: true })
  writeFileSync(join(root, 'out', 'build.json'), JSON.stringify({ hash: builtHash() }))
  writeFileSync(stamp, hash)
  return 0
}

/** Builds if a source has changed since the last build. */
export const ensureBuilt = () => {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sourceHash()) return
  process.stderr.write('Building …\n')
  if (build() !== 0) stop('The build did not finish; its messages are above.')
}
