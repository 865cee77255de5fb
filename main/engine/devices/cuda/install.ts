import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { z } from 'zod'
import { SpectroscopeError } from '../../../../preload/errors'
import { request, retrying, sizeOf, transferTo } from '../../../base/download'
import { faultCode } from '../../../base/faults'
import { buildFolder, makeFolder } from '../../../base/files'
import { DamagedArchive, unpackFiles } from '../../../base/zip'
import { hashFile } from '../../../models/safetensors'
import type { InstallOptions, PlannedInstallation } from '../installing'
import { type NvidiaDevice, cudaDevice } from './nvidia'
import { checkCudaPlatform, checkDriverForPackages, driverWords } from './needs'
import { copyFolder, copyRoot, cudaFiles, cudaFolder, installedFolder, librariesFolder, packagedCuda } from '../../onnx'

/** A planned download of CUDA support. */
export interface CudaPlan {
  readonly url: string
  /** Size of the download in bytes; null if the server does not say. */
  readonly bytes: number | null
  /** SHA-512 of the download in base64; null if the server does not say. */
  readonly checksum: string | null
  /** Target folder. */
  readonly folder: string
  readonly version: string
  /** Target platform. */
  readonly platform: NodeJS.Platform
  /** The GPU here, whose driver is recent enough for some CUDA version. */
  readonly device: NvidiaDevice | undefined
}

export interface CudaInstallOptions extends InstallOptions {
  /** Milliseconds before the first retry; doubled before each further one. */
  readonly retryDelay?: number
}

/**
 * The part of the package's script/install-metadata.js that is used. For Windows it names the NuGet package, but
 * installs nothing from it.
 */
interface Metadata {
  readonly packages: Readonly<
    Record<
      string,
      { readonly name: string; readonly versions: readonly { readonly feed: string; readonly version: string }[] }
    >
  >
  readonly feeds: Readonly<Record<string, { readonly index: string }>>
}

/** NuGet package with the provider, as named by the package's own install script. */
const wanted = (
  platform: NodeJS.Platform
): { readonly name: string; readonly version: string; readonly index: string } => {
  const { packages, feeds } = createRequire(join(installedFolder(), 'package.json'))(
    './script/install-metadata.js'
  ) as Metadata
  const [, { name, versions }] = Object.entries(packages).find(([key]) => key.startsWith(`nuget:${platform}/x64:`))!
  const { version, feed } = versions[0]
  return {
    name: name.toLowerCase(),
    version: version.toLowerCase(),
    index: process.env['SPECTROSCOPE_NUGET'] ?? feeds[feed].index
  }
}

/** Folder of libraries within NuGet's packages. */
const packagedFolder = (platform: NodeJS.Platform): string =>
  `runtimes/${platform === 'win32' ? 'win' : platform}-x64/native`

const indexSchema = z.looseObject({ resources: z.array(z.looseObject({ '@id': z.string(), '@type': z.string() })) })
const leafSchema = z.looseObject({ catalogEntry: z.union([z.string(), z.looseObject({ '@id': z.string() })]) })
const entrySchema = z.looseObject({
  packageHash: z.string(),
  packageHashAlgorithm: z.string(),
  packageSize: z.int().positive().optional()
})

const what = "onnxruntime's provider for CUDA"

const unreachable = (url: string, words: string, cause?: unknown): SpectroscopeError =>
  new SpectroscopeError(
    'network',
    `${new URL(url).host} can't be reached (${words}), from where ${what} is downloaded; connect this machine ` +
      `to the network, or name a mirror's index in SPECTROSCOPE_NUGET, or a downloaded package in ` +
      'SPECTROSCOPE_CUDA_PACKAGE.',
    { cause }
  )

const stopped = (cause?: unknown): SpectroscopeError =>
  new SpectroscopeError(
    'interrupted',
    `The installation of ${what} was stopped; install again to go on with the download.`,
    { cause }
  )

/** Requests a URL. Retries once, because a kept-alive connection may have been closed. */
const ask = async (url: string, signal: AbortSignal, options: RequestInit = {}): Promise<Response> =>
  fetch(url, { ...options, signal }).catch((first: unknown) => {
    if (signal.aborted) throw stopped(first)
    return fetch(url, { ...options, signal }).catch((error: unknown) => {
      throw signal.aborted ? stopped(error) : unreachable(url, faultCode(error), error)
    })
  })

/** Answer of the feed; undefined if there is nothing at this address. */
const json = async <T>(url: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T | undefined> => {
  const response = await ask(url, signal)
  if (response.status === 404 || response.status === 403) return undefined
  if (!response.ok)
    throw new SpectroscopeError(
      'network',
      `${new URL(url).host} answers HTTP ${response.status} for ${what}; try again later.`
    )
  return schema.safeParse(await response.json().catch(() => undefined)).data
}

/**
 * Length and SHA-512 of a package from the feed's catalogue (NuGet's server API, "RegistrationsBaseUrl" and
 * "Catalog").
 */
const registered = async (
  base: string | undefined,
  name: string,
  version: string,
  signal: AbortSignal
): Promise<{ readonly bytes: number | null; readonly checksum: string | null }> => {
  const leaf =
    base === undefined
      ? undefined
      : await json(`${base.replace(/\/$/, '')}/${name}/${version}.json`, leafSchema, signal)
  const address = typeof leaf?.catalogEntry === 'string' ? leaf.catalogEntry : leaf?.catalogEntry['@id']
  const entry = address === undefined ? undefined : await json(address, entrySchema, signal)
  return {
    bytes: entry?.packageSize ?? null,
    checksum: entry?.packageHashAlgorithm === 'SHA512' ? entry.packageHash : null
  }
}

/**
 * Asks the feed for the package. Throws an `engine` error if there is nothing for this platform or driver, and
 * `network` errors.
 */
export const planCuda = async (
  signal: AbortSignal,
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): Promise<CudaPlan> => {
  checkCudaPlatform(platform, architecture)
  const device = await cudaDevice()
  if (device !== undefined) checkDriverForPackages(device, platform)
  const folder = copyRoot()
  const given = process.env['SPECTROSCOPE_CUDA_PACKAGE']
  const { name, version, index } = wanted(platform)
  if (given !== undefined && given !== '') {
    const bytes = await sizeOf(given)
    if (bytes === 0)
      throw new SpectroscopeError(
        'input',
        `SPECTROSCOPE_CUDA_PACKAGE names ${given}, and there is no such file; correct it, or unset it to ` +
          `download ${name} ${version}.`
      )
    return { url: given, bytes, checksum: null, folder, version, platform, device }
  }
  const listed = await json(index, indexSchema, signal)
  const base = (type: RegExp): string | undefined =>
    listed?.resources.findLast((resource) => type.test(resource['@type']))?.['@id']
  const content = base(/^PackageBaseAddress\/3\.0\.0$/)
  if (content === undefined)
    throw new SpectroscopeError('network', `${index} is no index of a NuGet feed; correct SPECTROSCOPE_NUGET.`)
  const url = `${content.replace(/\/$/, '')}/${name}/${version}/${name}.${version}.nupkg`
  const { bytes, checksum } = await registered(base(/^RegistrationsBaseUrl(\/|$)/), name, version, signal)
  const head = await ask(url, signal, { method: 'HEAD' })
  if (!head.ok)
    throw new SpectroscopeError(
      'network',
      `${new URL(url).host} has no ${name} ${version} (HTTP ${head.status}); name a mirror's index in ` +
        'SPECTROSCOPE_NUGET, or a downloaded package in SPECTROSCOPE_CUDA_PACKAGE.'
    )
  const length = Number(head.headers.get('content-length') ?? NaN)
  return { url, bytes: bytes ?? (Number.isFinite(length) ? length : null), checksum, folder, version, platform, device }
}

const isFile = ({ url }: CudaPlan): boolean => !/^https?:/.test(url)

/** Text for the user before the download. The CUDA version of a local package is known only after unpacking. */
export const cudaPlanWords = (plan: CudaPlan): string => {
  const { bytes, checksum, folder, version, platform, device } = plan
  const size = bytes === null ? 'a file of unknown size' : `${(bytes / 1e6).toFixed(0)} MB`
  const needs = [
    'an NVIDIA driver',
    ...(platform === 'win32' ? ['the Microsoft Visual C++ Redistributable'] : []),
    isFile(plan) ? 'CUDA' : `CUDA ${packagedCuda}`
  ]
  const lack =
    device === undefined
      ? 'There is no NVIDIA GPU here, so it will not start on this machine.'
      : isFile(plan)
        ? undefined
        : driverWords(device, platform)
  return [
    `${what[0].toUpperCase()}${what.slice(1)}, version ${version}, needs ${needs.join(', ')} and cuDNN 9, ` +
      'which it does not bring.',
    ...(lack === undefined ? [] : [lack]),
    isFile(plan)
      ? `It is unpacked from ${plan.url} into ${folder}.`
      : `It downloads ${size} from ` +
        new URL(plan.url).host +
        (checksum === null ? ', which gives no checksum, ' : ', whose checksum is compared, ') +
        `and unpacks about twice as much into ${folder}.`
  ].join(' ')
}

/** Downloads the whole package to `path` and compares its checksum. Resumes an earlier download. */
const download = async (
  { url, bytes, checksum }: CudaPlan,
  path: string,
  { onProgress, signal, retryDelay = 1000 }: CudaInstallOptions
): Promise<void> => {
  const host = new URL(url).host
  const onBytes = (done: number): void => onProgress({ done, total: bytes ?? NaN })
  const refused = (status: number): SpectroscopeError =>
    new SpectroscopeError('network', `${host} answers HTTP ${status} for ${url}; try again later.`)
  const before = await sizeOf(path)
  await retrying(
    () =>
      transferTo(path, {
        name: 'the package',
        size: bytes ?? undefined,
        onBytes,
        ask: (headers) => request(url, { headers, signal, refused })
      }),
    {
      signal,
      delay: retryDelay,
      interrupted: stopped,
      exhausted: async (fault) => {
        const there = await sizeOf(path)
        if (there === 0) return unreachable(url, fault.message, fault)
        return new SpectroscopeError(
          'network',
          `The download of ${what} from ${host} was cut off after ${(there / 1e6).toFixed(0)} MB ` +
            `(${fault.message}); install again to go on with it.`,
          { cause: fault }
        )
      }
    }
  )
  if (checksum === null) return
  const hash = createHash('sha512')
  await hashFile(path, hash)
  if (hash.digest('base64') === checksum) return
  await rm(path)
  // The existing file may have been part of another package.
  if (before > 0)
    return download({ url, bytes, checksum } as CudaPlan, path, { onProgress, signal, retryDelay, onNote: () => {} })
  throw new SpectroscopeError(
    'network',
    `What ${host} sent for ${what} has another checksum than it says and was removed; install again, or name a ` +
      `mirror's index in SPECTROSCOPE_NUGET.`
  )
}

const commonName = 'onnxruntime-common'

/** The package onnxruntime-common, which onnxruntime-node requires. */
const commonFolder = (): string => {
  const file = createRequire(join(installedFolder(), 'package.json')).resolve(commonName)
  return file.slice(0, file.lastIndexOf(`${sep}${commonName}${sep}`) + commonName.length + 1)
}

/** Copies onnxruntime's package and the one it requires. */
const copyPackage = async (copy: string): Promise<void> => {
  await cp(commonFolder(), join(copy, '..', commonName), { recursive: true, dereference: true })
  for (const part of ['package.json', 'dist'])
    await cp(join(installedFolder(), part), join(copy, part), { recursive: true, dereference: true })
  await cp(librariesFolder(installedFolder()), librariesFolder(copy), { recursive: true, dereference: true })
}

/**
 * Unpacks the provider's libraries into a copy of onnxruntime's package; on Windows without that copy, because npm's
 * package is used.
 */
const unpack = async (archive: string, plan: CudaPlan, signal: AbortSignal): Promise<void> => {
  const { folder, platform } = plan
  try {
    await buildFolder(folder, { overwrite: () => true }, async (temporary) => {
      const copy = copyFolder(temporary)
      const libraries = cudaFolder(copy, platform)
      await mkdir(libraries, { recursive: true })
      if (platform !== 'win32') await copyPackage(copy)
      await unpackFiles(
        archive,
        new Map(
          Object.entries(cudaFiles(platform)).map(([name, own]) => [
            `${packagedFolder(platform)}/${name}`,
            join(libraries, own)
          ])
        ),
        signal
      )
    })
  } catch (error) {
    if (signal.aborted) throw stopped(error)
    if (!(error instanceof DamagedArchive)) throw error
    if (!isFile(plan))
      throw new SpectroscopeError('network', `The package of ${what} is damaged: ${error.message}; install again.`, {
        cause: error
      })
    throw new SpectroscopeError(
      'input',
      `${archive} is not a whole package of ${what}: ${error.message}; name ${wanted(platform).name} ` +
        `${plan.version} in SPECTROSCOPE_CUDA_PACKAGE.`,
      { cause: error }
    )
  }
}

/**
 * Downloads the provider's package and unpacks it beside a copy of onnxruntime's package. The copy appears only when
 * complete. Resumes an interrupted download. Throws `network`, `input`, `storage` and `interrupted` errors.
 */
export const installCuda = async (plan: CudaPlan, options: CudaInstallOptions): Promise<void> => {
  const { folder } = plan
  await makeFolder(dirname(folder))
  if (isFile(plan)) return unpack(plan.url, plan, options.signal)
  const [part, archive] = [`${folder}.nupkg.part`, `${folder}.nupkg`]
  await download(plan, part, options)
  await rename(part, archive)
  options.onNote('The download is whole; it is being unpacked.')
  try {
    await unpack(archive, plan, options.signal)
  } finally {
    await rm(archive, { force: true })
  }
}

/** Plans an installation by name. Makes no request if the provider is already there. */
export const planCudaInstallation = async (signal: AbortSignal): Promise<PlannedInstallation> => {
  const folder = copyRoot()
  if (existsSync(folder) && (process.env['SPECTROSCOPE_CUDA_PACKAGE'] ?? '') === '')
    return { bytes: 0, folder, words: '', whole: true, install: () => Promise.resolve() }
  const plan = await planCuda(signal)
  const { bytes } = plan
  return { bytes, folder, words: cudaPlanWords(plan), whole: false, install: (options) => installCuda(plan, options) }
}

/** Deletes the provider and the remains of downloads. */
export const removeCuda = async (): Promise<void> => {
  for (const rest of ['', '.nupkg', '.nupkg.part']) await rm(`${copyRoot()}${rest}`, { recursive: true, force: true })
}
