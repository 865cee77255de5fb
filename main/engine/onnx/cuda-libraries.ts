import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { cudaFiles, cudaFolder, packagedCuda } from './package'
import { readSharedObject } from './shared-object'
import { readWindowsLibrary } from './windows-library'

/** Names of the libraries that the linker's cache lists. */
const cachedLibraries = async (): Promise<ReadonlySet<string>> => {
  const outputs = await Promise.all(
    ['ldconfig', '/sbin/ldconfig'].map((command) =>
      promisify(execFile)(command, ['-p'], { timeout: 20_000, maxBuffer: 2 ** 24 }).then(
        ({ stdout }) => stdout,
        () => ''
      )
    )
  )
  return new Set(
    outputs.flatMap((output) =>
      output
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(' ')[0])
    )
  )
}

const systemFolders = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib']

/** Libraries that libraries name, and those of them that the system would not find. */
interface Needs {
  readonly needed: readonly string[]
  readonly missing: readonly string[]
}

/** What a reader makes of a library of the folder. Throws an `engine` error where it is damaged. */
const readIn = <T>(folder: string, name: string, read: (path: string) => Promise<T>): Promise<T> => {
  const path = join(folder, name)
  return read(path).catch((cause: unknown) => {
    throw new SpectroscopeError(
      'engine',
      `${path} is damaged (${messageOf(cause)}); run \`spectroscope engines install cuda\` again.`,
      { cause }
    )
  })
}

const foldersIn = (variable: string, separator: string): string[] =>
  (process.env[variable] ?? '').split(separator).filter((each) => each !== '')

const needsUnderLinux = async (libraries: string): Promise<Needs> => {
  const [provider] = Object.values(cudaFiles('linux'))
  const { needed, folders } = await readIn(libraries, provider, readSharedObject)
  const looked = [
    ...folders.map((each) => each.replace(/\$ORIGIN|\$\{ORIGIN\}/g, libraries)),
    libraries,
    ...foldersIn('LD_LIBRARY_PATH', ':'),
    ...systemFolders
  ]
  const cached = await cachedLibraries()
  return {
    needed,
    missing: needed.filter((name) => !cached.has(name) && !looked.some((each) => existsSync(join(each, name))))
  }
}

/** Names of sets of the system's functions, which have no files. */
const setOfFunctions = /^(api|ext)-ms-/i

/** Windows looks where the library lies, in its own folders, and in those of PATH (`LoadLibraryEx`, LOAD_WITH_ALTERED_SEARCH_PATH). */
const needsUnderWindows = async (libraries: string): Promise<Needs> => {
  const [provider, ...others] = Object.values(cudaFiles('win32'))
  const [own, ...beside] = await Promise.all(
    [provider, ...others].map((name) => readIn(libraries, name, readWindowsLibrary))
  )
  const needed = [...new Set([...own.needed, ...own.delayed, ...beside.flatMap((each) => each.needed)])]
  const windows = process.env['SystemRoot'] ?? 'C:\\Windows'
  const looked = [
    libraries,
    join(windows, 'System32'),
    windows,
    ...foldersIn('PATH', ';').map((each) => each.replaceAll('"', ''))
  ]
  return {
    needed,
    missing: needed.filter((name) => !setOfFunctions.test(name) && !looked.some((each) => existsSync(join(each, name))))
  }
}

/** Libraries that the provider needs and the system would not find, and the CUDA that it is built for. What it loads by name while it computes is not seen. */
export const neededByProvider = async (
  folder: string,
  platform: NodeJS.Platform = process.platform
): Promise<{ readonly cuda: number; readonly missing: readonly string[] }> => {
  const { needed, missing } = await (platform === 'win32' ? needsUnderWindows : needsUnderLinux)(
    cudaFolder(folder, platform)
  )
  return {
    cuda: Number(
      needed
        .map((name) => /^(?:libcudart\.so\.|libcublas\.so\.|cudart64_|cublas64_)(\d+)/i.exec(name)?.[1])
        .find((version) => version !== undefined) ?? packagedCuda
    ),
    missing
  }
}

/** What brings libraries, by their names; what none of them says is CUDA's. */
const cudnn = /^(lib)?cudnn/i
const ofSystem = [
  { names: /^(libcuda\.so|nvcuda\.dll)/i, words: 'the NVIDIA driver' },
  { names: /^(vcruntime|msvcp|concrt|vcomp)\d/i, words: 'the Microsoft Visual C++ Redistributable for x64' }
] as const

/** That the system does not find them, and what brings them. */
export const missingLibraries = (
  missing: readonly string[],
  cuda: number,
  platform: NodeJS.Platform
): SpectroscopeError => {
  const has = (names: RegExp): boolean => missing.some((name) => names.test(name))
  const isOfCuda = (name: string): boolean => !cudnn.test(name) && !ofSystem.some(({ names }) => names.test(name))
  const ofCuda = [
    ...(missing.some(isOfCuda) ? [`the libraries of CUDA ${cuda}`] : []),
    ...(has(cudnn) ? [`cuDNN 9 for CUDA ${cuda}`] : [])
  ]
  const packages = [...ofCuda, ...ofSystem.filter(({ names }) => has(names)).map(({ words }) => words)]
  const elsewhere =
    platform === 'win32'
      ? 'add their folders to PATH, and start the program again'
      : 'name their folder in LD_LIBRARY_PATH'
  return new SpectroscopeError(
    'engine',
    `The system does not find ${missing.join(', ')}; install ${packages.join(' and ')}${ofCuda.length > 0 ? `, or ${elsewhere}` : ''}.`
  )
}
