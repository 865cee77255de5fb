import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { access, constants, copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { type Agent, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { delimiter, dirname, join } from 'node:path'
import { SpectroscopeError } from '../../../../preload/errors'
import { entryPath } from '../../../base/entries'
import { faultCode } from '../../../base/faults'
import { childEnvironment, nodeProgram } from '../../../base/processes'
import type { InstallOptions, InstallProgress, PlannedInstallation } from '../installing'
import { type Package, packageName, versionOf } from './package'
import { endAll, problemIn } from './programs'

/** The part of the package's scripts/deps-constants.js that is used. */
interface Constants {
  readonly LIBTENSORFLOW_VERSION: string
  readonly PLATFORM_EXTENSION: string
  readonly PLATFORM_MAPPING: Readonly<Record<string, string>>
  readonly depsLibTensorFlowPath: string
  readonly depsLibTensorFlowFrameworkPath: string
  readonly depsLibTensorFlowName: string
}

const constantsOf = ({ require }: Package): Constants => require('./scripts/deps-constants.js') as Constants

/** Path of the addon as installed by the package's own script. */
export const scriptAddon = (own: Package): string =>
  (own.require('@mapbox/node-pre-gyp') as { find: (path: string) => string }).find(join(own.folder, 'package.json'))

const libraryBesideAddon = (own: Package): string =>
  join(dirname(scriptAddon(own)), constantsOf(own).depsLibTensorFlowName)

/** Whether all files exist. Loading them later shows whether they work. */
export const isComplete = (own: Package): boolean => {
  const { depsLibTensorFlowPath, depsLibTensorFlowFrameworkPath } = constantsOf(own)
  const library =
    process.platform === 'win32' ? [libraryBesideAddon(own)] : [depsLibTensorFlowPath, depsLibTensorFlowFrameworkPath]
  return [scriptAddon(own), ...library].every((path) => existsSync(path))
}

/** A planned installation by the package's own script. */
export interface InstallationPlan {
  readonly folder: string
  readonly url: string
  /** Size of the library's download in bytes; null if the server does not say. */
  readonly bytes: number | null
  readonly version: string
  readonly libraryVersion: string
  /** Whether a compiler is needed, because there is no prebuilt addon for this platform. */
  readonly compiles: boolean
}

interface Description {
  readonly binary: { readonly host: string; readonly napi_versions: readonly number[] }
}

const descriptionOf = ({ require }: Package): Description => require('./package.json') as Description

/** URL of the library, as in scripts/install.js. */
const libraryUrl = (own: Package): string => {
  const { LIBTENSORFLOW_VERSION, PLATFORM_EXTENSION, PLATFORM_MAPPING } = constantsOf(own)
  const {
    TFJS_NODE_BASE_URI,
    npm_config_TFJS_NODE_BASE_URI,
    TFJS_NODE_CDN_STORAGE,
    npm_config_TFJS_NODE_CDN_STORAGE,
    CDN_STORAGE
  } = process.env
  const host =
    [TFJS_NODE_CDN_STORAGE, npm_config_TFJS_NODE_CDN_STORAGE, CDN_STORAGE].find(Boolean) ??
    'https://storage.googleapis.com/'
  const base =
    [TFJS_NODE_BASE_URI, npm_config_TFJS_NODE_BASE_URI].find(Boolean) ??
    `${host}tensorflow/libtensorflow/libtensorflow-`
  return `${base}gpu-${PLATFORM_MAPPING[process.platform]}-x86_64-${LIBTENSORFLOW_VERSION}.${PLATFORM_EXTENSION}`
}

/** URL of the addon, as in node-pre-gyp and scripts/get-addon-name.js. */
const addonUrl = (own: Package): string => {
  const { PLATFORM_EXTENSION, PLATFORM_MAPPING } = constantsOf(own)
  const { host, napi_versions } = descriptionOf(own).binary
  const version = versionOf(own)
  const napi = Math.max(...napi_versions.filter((each) => each <= Number(process.versions.napi)))
  const mirror = process.env['npm_config_tfjs_binding_binary_host_mirror'] ?? host
  const file = `GPU-${PLATFORM_MAPPING[process.platform]}-${version}.${PLATFORM_EXTENSION}`
  return `${mirror.replace(/\/$/, '')}/napi-v${napi}/${version}/${file}`
}

/** The package's own proxy agent, so that requests here behave like its downloads. */
const agentFor = ({ require }: Package): Agent | undefined => {
  const proxy = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']
    .map((name) => process.env[name])
    .find(Boolean)
  return proxy === undefined ? undefined : new (require('https-proxy-agent') as new (address: string) => Agent)(proxy)
}

/**
 * Size of the file at a URL; null if the server does not say, undefined if there is none. Throws a `network` error.
 */
const sizeAt = (url: string, own: Package, signal: AbortSignal): Promise<number | null | undefined> =>
  new Promise((resolve, reject) => {
    const agent = agentFor(own)
    const request = url.startsWith('https:') ? requestHttps : requestHttp
    const asking = request(url, { method: 'HEAD', signal, timeout: 30_000, ...(agent === undefined ? {} : { agent }) })
    asking
      .on('response', (response) => {
        response.resume()
        const { statusCode = 0, headers } = response
        const length = Number(headers['content-length'] ?? NaN)
        if (statusCode === 200) resolve(Number.isFinite(length) ? length : null)
        else if (statusCode === 404 || statusCode === 403) resolve(undefined)
        else
          reject(
            new SpectroscopeError(
              'network',
              `${new URL(url).host} answers ${statusCode} for TensorFlow's library; try again later.`
            )
          )
      })
      .on('timeout', () => asking.destroy(new Error('no answer in 30 s')))
      .on('error', (error) => reject(signal.aborted ? stopped(error) : unreachable(url, faultCode(error), error)))
      .end()
  })

const stopped = (cause?: unknown): SpectroscopeError =>
  new SpectroscopeError('interrupted', 'The installation was stopped; nothing of it is left.', { cause })

const unreachable = (url: string, words: string, cause?: unknown): SpectroscopeError =>
  new SpectroscopeError(
    'network',
    `${new URL(url).host} can't be reached (${words}), from where TensorFlow's library is downloaded; connect ` +
      'this machine to the network, or name a mirror in TFJS_NODE_CDN_STORAGE.',
    { cause }
  )

/**
 * Plans an installation by asking the servers. Throws an `engine` error if there is nothing for this platform, and
 * `network` errors.
 */
export const planInstallation = async (own: Package, signal: AbortSignal): Promise<InstallationPlan> => {
  const url = libraryUrl(own)
  const bytes = await sizeAt(url, own, signal)
  if (bytes === undefined)
    throw new SpectroscopeError(
      'engine',
      `TensorFlow's library is no longer at ${url}; name a mirror in TFJS_NODE_CDN_STORAGE, or choose another engine.`
    )
  const compiles = (await sizeAt(addonUrl(own), own, signal)) === undefined
  return {
    folder: own.folder,
    url,
    bytes,
    version: versionOf(own),
    libraryVersion: constantsOf(own).LIBTENSORFLOW_VERSION,
    compiles
  }
}

/** Text for the user before the download. */
export const planWords = ({ folder, url, bytes, version, libraryVersion, compiles }: InstallationPlan): string =>
  [
    `Under Windows ${packageName} ${version} stays on libtensorflow ${libraryVersion}, the last with GPUs there. ` +
      'It needs an NVIDIA driver, CUDA 11.2 and cuDNN 8.1, which it does not bring; GPUs newer than these (Hopper, ' +
      "Blackwell) are doubtful, and this program's makers have not run it on any.",
    `It downloads ${bytes === null ? 'a file of unknown size' : `${(bytes / 1e6).toFixed(0)} MB`} from ` +
      `${new URL(url).host}, and unpacks several times as much into ${folder}, where npm ci takes it away again.`,
    ...(compiles
      ? ['There is no addon ready for this platform, so one is compiled: that needs Python 3, make and a C++ compiler.']
      : [])
  ].join(' ')

const kept = 8000

const runScript = (
  own: Package,
  url: string,
  { onProgress, signal }: Pick<InstallOptions, 'onProgress' | 'signal'>
): Promise<void> =>
  new Promise((resolve, reject) => {
    const tools = join(dirname(own.require.resolve('@mapbox/node-pre-gyp/package.json')), '..', '..', '.bin')
    const child = fork(entryPath('tfjs-install'), ['gpu', 'download', own.folder], {
      cwd: own.folder,
      // A separate process group, so that a compiler started by it is killed too.
      detached: process.platform !== 'win32',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execPath: nodeProgram(),
      execArgv: [],
      env: childEnvironment({ PATH: [tools, dirname(nodeProgram()), process.env['PATH'] ?? ''].join(delimiter) })
    })
    let output = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-kept)))
    const stop = (): void => endAll(child.pid)
    signal.addEventListener('abort', stop, { once: true })
    let last: InstallProgress | undefined
    child.on('message', (message) => {
      last = message as InstallProgress
      onProgress(last)
    })
    child.once('error', (error) =>
      reject(
        new SpectroscopeError(
          'engine',
          `The install script of ${packageName} could not be started (${error.message}); run npm ci again on ` +
            'this machine.',
          { cause: error }
        )
      )
    )
    child.once('close', (code, killed) => {
      signal.removeEventListener('abort', stop)
      if (signal.aborted) return reject(stopped())
      if (/ENOSPC/.test(output))
        return reject(
          new SpectroscopeError(
            'storage',
            `The disk of ${own.folder} is full, so TensorFlow's library is not installed; free some space and ` +
              'install again.'
          )
        )
      // The script exits successfully even if the connection breaks.
      if (last !== undefined && last.done < last.total)
        return reject(
          new SpectroscopeError(
            'network',
            `The download of TensorFlow's library from ${new URL(url).host} was cut off after ` +
              `${(last.done / 1e6).toFixed(0)} of ${(last.total / 1e6).toFixed(0)} MB; install again.`
          )
        )
      if (code === 0) return resolve()
      const network = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b/.exec(
        output
      )
      if (network !== null) return reject(unreachable(url, network[1]))
      reject(
        new SpectroscopeError(
          'engine',
          `The install script of ${packageName} failed (${killed ?? `exit code ${code}`}: ` +
            `${problemIn(output)}); set it right and install again.`,
          { cause: new Error(output) }
        )
      )
    })
  })

/** Deletes everything that an installation has brought. */
const clear = async (own: Package): Promise<void> => {
  for (const name of ['lib', 'deps', 'build']) await rm(join(own.folder, name), { recursive: true, force: true })
}

/**
 * Runs the package's own install script, which downloads libtensorflow, then downloads or compiles the addon. The
 * addon comes last, and a failed installation is deleted, so that an incomplete one never looks complete. Throws
 * `network`, `storage`, `engine` or `interrupted` errors.
 */
export const install = async (own: Package, options: Pick<InstallOptions, 'onProgress' | 'signal'>): Promise<void> => {
  const manifest = join(own.folder, 'package.json')
  const before = await readFile(manifest)
  try {
    await access(own.folder, constants.W_OK)
  } catch (cause) {
    throw new SpectroscopeError(
      'storage',
      `${own.folder} can't be written to, so TensorFlow's library can't be installed there; install as the ` +
        'user whom it belongs to.',
      { cause }
    )
  }
  await clear(own)
  try {
    await runScript(own, libraryUrl(own), options)
    // On Windows, the script links it into the folder of another Node-API version.
    if (process.platform === 'win32') await copyFile(constantsOf(own).depsLibTensorFlowPath, libraryBesideAddon(own))
    if (!isComplete(own))
      throw new SpectroscopeError(
        'engine',
        `The install script of ${packageName} ended without an error, but not all of its files are there; ` +
          'install again.'
      )
  } catch (error) {
    await clear(own)
    throw error
  } finally {
    // The script changes it for node-pre-gyp, and does not restore it on failure.
    if (!before.equals(await readFile(manifest))) await writeFile(manifest, before)
  }
}

/**
 * Windows: TensorFlow 2.9.1 by the package's own script, because PyPI has no newer one with GPU support for Windows.
 */
export const planScript = async (own: Package, signal: AbortSignal): Promise<PlannedInstallation> => {
  const plan = await planInstallation(own, signal)
  return {
    bytes: plan.bytes,
    folder: plan.folder,
    words: planWords(plan),
    whole: isComplete(own),
    install: async ({ onProgress, onNote, signal: stop }) => {
      let downloaded = false
      await install(own, {
        signal: stop,
        onProgress: ({ done, total }) => {
          onProgress({ done, total })
          if (done < total || downloaded) return
          downloaded = true
          onNote('Library downloaded. Downloading or compiling its addon.')
        }
      })
    }
  }
}

export const removeScript = (own: Package): Promise<void> => clear(own)
