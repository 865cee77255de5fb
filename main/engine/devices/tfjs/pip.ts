import { execFile, spawn } from 'node:child_process'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { SpectroscopeError } from '../../../../preload/errors'
import { buildFolder } from '../../../base/files'
import { DamagedArchive, unpackSome } from '../../../base/zip'
import { gigabytes } from '../installing'
import { endAll, problemIn } from './programs'
import type { Wheel } from './wheels'

/** The user's own program for downloading wheels, with the user's index, proxy and certificates. */
export interface Installer {
  readonly kind: 'pip' | 'uv'
  readonly command: readonly string[]
}

const installers: readonly Installer[] = [
  { kind: 'pip', command: ['pip'] },
  { kind: 'pip', command: ['pip3'] },
  { kind: 'pip', command: ['python3', '-m', 'pip'] },
  { kind: 'uv', command: ['uv'] }
]

/** The first available of pip and uv. Throws an `engine` error if there is neither. */
export const findInstaller = async (): Promise<Installer> => {
  for (const installer of installers) {
    const [program, ...args] = installer.command
    const runs = await promisify(execFile)(program, [...args, '--version'], { timeout: 60_000 }).then(
      () => true,
      () => false
    )
    if (runs) return installer
  }
  throw new SpectroscopeError(
    'engine',
    'There is neither pip nor uv here, with which TensorFlow is fetched from PyPI; install one (Debian: ' +
      'apt-get install python3-pip).'
  )
}

/** Platform tags of wheels. pip requires each exact name. */
const platforms = ['2_27', '2_17', '2_12', '2_5'].map((version) => `manylinux_${version}_x86_64`)

const common = ['--no-deps', '--only-binary', ':all:', '--require-hashes', '--python-version', '3.11']

/**
 * Arguments that download one wheel, named in a requirements file, into a folder. Caches are disabled, because the
 * wheel is large.
 */
const argumentsOf = ({ kind }: Installer, requirements: string, into: string): readonly string[] =>
  kind === 'pip'
    ? [
        ...['download', ...common, '--no-input', '--no-cache-dir', '--disable-pip-version-check'],
        ...['--progress-bar', 'off', ...platforms.flatMap((platform) => ['--platform', platform])],
        ...['--dest', into, '-r', requirements]
      ]
    : [
        ...['pip', 'install', ...common, '--no-cache', '--no-progress', '--no-python-downloads'],
        ...['--python-platform', 'x86_64-manylinux_2_28', '--target', into, '-r', requirements]
      ]

const filesUnder = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

const bytesUnder = async (folder: string): Promise<number> => {
  const sizes = (await filesUnder(folder)).map((path) =>
    stat(path).then(
      ({ size }) => size,
      () => 0
    )
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

export interface FetchOptions {
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

const stopped = (cause?: unknown): SpectroscopeError =>
  new SpectroscopeError(
    'interrupted',
    'The installation was stopped; install again to go on after the last whole package.',
    { cause }
  )

/** Interval for measuring a download's progress, which not every version of pip and uv reports. */
const lookEvery = 500

const runInstaller = (
  { command }: Installer,
  args: readonly string[],
  work: string,
  { name, version, bytes }: Wheel,
  { onBytes, signal }: FetchOptions
): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(stopped())
    const [program, ...before] = command
    const child = spawn(program, [...before, ...args], {
      cwd: work,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Use the disk that the wheel is unpacked to.
      env: { ...process.env, TMPDIR: work }
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-20_000)))
    const stop = (): void => endAll(child.pid)
    signal.addEventListener('abort', stop, { once: true })
    const looking = setInterval(() => void bytesUnder(work).then((size) => onBytes(Math.min(size, bytes))), lookEvery)
    const failed = (kind: 'engine' | 'storage', words: string): void =>
      reject(new SpectroscopeError(kind, words, { cause: new Error(output) }))
    child.once('error', (error) => failed('engine', `${program} could not be started (${error.message}).`))
    child.once('close', (code, killed) => {
      clearInterval(looking)
      signal.removeEventListener('abort', stop)
      if (signal.aborted) return reject(stopped())
      if (code === 0) return resolve()
      if (/No space left|os error 28|ENOSPC/i.test(output))
        return failed(
          'storage',
          `The disk of ${work} is full: ${name} takes ${gigabytes(bytes)}; free some space and install again.`
        )
      const why = `${killed ?? `exit code ${code}`}: ${problemIn(output)}`
      reject(
        new SpectroscopeError(
          'network',
          `${command.join(' ')} could not fetch ${name} ${version} (${why}); see that it reaches its index, ` +
            `or name a mirror in its settings, and install again.`,
          { cause: new Error(output) }
        )
      )
    })
  })

/** Moves the needed files of an unpacked wheel. Returns their number. */
const moveKept = async (from: string, targetOf: (path: string) => string | undefined): Promise<number> => {
  let moved = 0
  for (const path of await filesUnder(from)) {
    const target = targetOf(relative(from, path))
    if (target === undefined) continue
    await mkdir(dirname(target), { recursive: true })
    await rename(path, target)
    moved++
  }
  return moved
}

/**
 * Downloads a wheel, checks its hash, and keeps the files for which `isKept` is true in the wheel's folder below
 * `root`, which appears only when complete. Nothing in the wheel is run. Throws `network`, `storage`, `engine` and
 * `interrupted` errors.
 */
export const fetchWheel = async (
  installer: Installer,
  wheel: Wheel,
  root: string,
  options: FetchOptions
): Promise<void> => {
  const work = join(root, 'download')
  const [into, requirements] = [join(work, 'wheels'), join(work, 'requirements.txt')]
  await rm(work, { recursive: true, force: true })
  await mkdir(into, { recursive: true })
  try {
    await writeFile(requirements, `${wheel.name}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
    await runInstaller(installer, argumentsOf(installer, requirements, into), work, wheel, options)
    await buildFolder(join(root, wheel.folder), { overwrite: () => true }, async (temporary) => {
      const targetOf = (path: string): string | undefined =>
        wheel.isKept(path) ? join(temporary, path.slice(wheel.folder.length + 1)) : undefined
      const [archive] = installer.kind === 'pip' ? await readdir(into) : []
      const kept =
        archive === undefined
          ? await moveKept(into, targetOf)
          : (await unpackSome(join(into, archive), targetOf, options.signal)).size
      if (kept === 0) throw new DamagedArchive('none of its libraries is in it')
    })
  } catch (error) {
    if (options.signal.aborted) throw stopped(error)
    if (!(error instanceof DamagedArchive)) throw error
    const what = `${wheel.name} ${wheel.version}`
    throw new SpectroscopeError('network', `The package ${what} is damaged: ${error.message}; install again.`, {
      cause: error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
