import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { SpectroscopeError } from '../../../../preload/errors'
import { onDisk, projectRoot } from '../../../base/entries'
import { type Package, addonName } from './package'
import { endAll, problemIn } from './programs'

/** Node-API version, supported by Node and Electron for years. */
const napi = 8

/** Path of the addon in the packaged program (tools/package.mjs), if it has one. */
export const carriedAddon = (own: Package): string | undefined => {
  const path = onDisk(join(projectRoot, 'out', 'addon', addonName(own)))
  return existsSync(path) ? path : undefined
}

/** The C++ compiler. Throws an `engine` error if there is none. */
export const findCompiler = async (): Promise<string> => {
  const given = process.env['CXX']
  for (const program of given === undefined || given === '' ? ['g++', 'c++', 'clang++'] : [given]) {
    const runs = await promisify(execFile)(program, ['--version'], { timeout: 60_000 }).then(
      () => true,
      () => false
    )
    if (runs) return program
  }
  throw new SpectroscopeError(
    'engine',
    `There is no C++ compiler here${given === undefined || given === '' ? '' : ` named ${given}`}, with which ` +
      `the addon of TensorFlow.js is compiled; install one (Debian: apt-get install g++), or name one in CXX.`
  )
}

const nodeHeaders = (): string =>
  join(onDisk(dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json'))), 'include')

const compilerArguments = ({ folder }: Package, tensorflow: string, target: string): readonly string[] => [
  ...['-O2', '-std=c++17', '-fPIC', '-shared', '-w', `-DNAPI_VERSION=${napi}`, '-DNODE_GYP_MODULE_NAME=tfjs_binding'],
  ...[nodeHeaders(), join(tensorflow, 'include'), folder].map((path) => `-I${path}`),
  ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(folder, 'binding', name)),
  ...['-o', target],
  ...['cc', 'framework'].map((name) => join(tensorflow, `libtensorflow_${name}.so.2`)),
  '-Wl,-rpath,$ORIGIN/tensorflow'
]

const compile = (compiler: string, args: readonly string[], signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const stopped = (): SpectroscopeError =>
      new SpectroscopeError(
        'interrupted',
        'The installation was stopped while its addon was compiled; install again to compile it.'
      )
    if (signal.aborted) return reject(stopped())
    const child = spawn(compiler, args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
    let output = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-20_000)))
    const stop = (): void => endAll(child.pid)
    signal.addEventListener('abort', stop, { once: true })
    child.once('error', reject)
    child.once('close', (code, killed) => {
      signal.removeEventListener('abort', stop)
      if (signal.aborted) return reject(stopped())
      if (code === 0) return resolve()
      reject(
        new SpectroscopeError(
          'engine',
          `${compiler} could not compile the addon of TensorFlow.js (${killed ?? `exit code ${code}`}: ` +
            `${problemIn(output)}); install a compiler that knows C++17, or name one in CXX.`,
          { cause: new Error(output) }
        )
      )
    })
  })

/**
 * Puts the addon beside TensorFlow in `root`, from the packaged program or by compiling it. Throws `engine` and
 * `interrupted` errors.
 */
export const makeAddon = async (own: Package, root: string, signal: AbortSignal): Promise<void> => {
  const target = join(root, addonName(own))
  const temporary = `${target}.${process.pid}.tmp`
  try {
    const carried = carriedAddon(own)
    if (carried === undefined)
      await compile(await findCompiler(), compilerArguments(own, join(root, 'tensorflow'), temporary), signal)
    else await copyFile(carried, temporary)
    await rename(temporary, target)
  } finally {
    await rm(temporary, { force: true })
  }
}
