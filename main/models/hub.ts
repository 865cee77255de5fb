import { createHash } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { cannotBeWritten, request, retrying, sizeOf, textUpTo, transferTo } from '../base/download'
import { hashFile } from './safetensors'
import { readIndex, weightNames } from './weight-files'

export interface FetchProgress {
  readonly file: string
  /** Bytes of all files: those present so far, and in total. */
  readonly done: number
  readonly total: number
}

export interface FetchedModel {
  readonly folder: string
  readonly files: string[]
}

export interface FetchOptions {
  readonly revision?: string
  readonly folder: string
  readonly endpoint?: string
  readonly onProgress?: (progress: FetchProgress) => void
  readonly signal?: AbortSignal
  /** Milliseconds before the first retry, doubled before each further one. */
  readonly retryDelay?: number
}

const gitHash = z.string().regex(/^[0-9a-f]{40}$/)

const listingSchema = z.looseObject({
  sha: gitHash.optional().catch(undefined),
  siblings: z
    .array(
      z.looseObject({
        rfilename: z.string().max(1000),
        size: z.int().min(0).optional().catch(undefined),
        blobId: gitHash.optional().catch(undefined),
        lfs: z
          .looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) })
          .nullish()
          .catch(undefined)
      })
    )
    .max(100_000)
})

type Listing = z.output<typeof listingSchema>
type ListedFile = Listing['siblings'][number]

/** A file with its announced size and hash: SHA-256 for large files, git's hash for small ones. */
interface RemoteFile {
  readonly rfilename: string
  readonly size: number
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly value: string }
}

/** Longest listing that is read, in bytes. */
const longestListing = 64 * 2 ** 20

interface Source {
  readonly name: string
  readonly revision: string
  readonly endpoint: string
  readonly signal: AbortSignal | undefined
  readonly retryDelay: number
}

const asking = <T>({ name, endpoint, signal, retryDelay }: Source, action: () => Promise<T>): Promise<T> =>
  retrying(action, {
    signal,
    delay: retryDelay,
    interrupted: (cause) =>
      new SpectroscopeError(
        'interrupted',
        `The download of ${name} was interrupted; run the same command again to resume it.`,
        { cause }
      ),
    exhausted: (fault) =>
      new SpectroscopeError(
        'network',
        `Could not reach ${endpoint}: ${fault.message}; check the network and run the command again, ` +
          'or download the folder by hand and give its path.',
        { cause: fault }
      )
  })

const get = (
  { name, revision, endpoint, signal }: Source,
  url: string,
  headers: Record<string, string>
): Promise<Response> =>
  request(url, {
    headers,
    signal,
    refused: (status) =>
      [401, 403, 404].includes(status)
        ? new SpectroscopeError(
            'network',
            `${endpoint} has no public ${name} at revision "${revision}" (HTTP ${status} for ${url}); ` +
              'check the name and the revision.'
          )
        : new SpectroscopeError(
            'network',
            `${url} answered HTTP ${status}; try again later, or download the folder by hand and give its path.`
          )
  })

const parsed = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

const listFiles = (source: Source): Promise<Listing> =>
  asking(source, async () => {
    const { endpoint, name } = source
    const url = `${endpoint}/api/models/${name}/revision/${encodeURIComponent(source.revision)}?blobs=true`
    const response = await get(source, url, {})
    const listing = listingSchema.safeParse(parsed(await textUpTo(response, longestListing)))
    if (!listing.success)
      throw new SpectroscopeError(
        'network',
        `${url} did not answer with a list of files; check that ${source.endpoint} is a Hugging Face hub.`
      )
    return listing.data
  })

const matches = async (path: string, { size, hash: { kind, value } }: RemoteFile): Promise<boolean> => {
  if (size === 0 || (await sizeOf(path)) !== size) return false
  const hash = kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  await hashFile(path, hash)
  return hash.digest('hex') === value
}

const download = async (
  source: Source,
  remote: RemoteFile,
  folder: string,
  onBytes: (size: number) => void
): Promise<void> => {
  const path = join(folder, remote.rfilename)
  if (await matches(path, remote)) return onBytes(await sizeOf(path))
  const part = `${path}.part`
  const url = `${source.endpoint}/${source.name}/resolve/${encodeURIComponent(source.revision)}/${remote.rfilename}`
  const old = await sizeOf(part)
  await asking(source, () =>
    transferTo(part, {
      ask: (headers) => get(source, url, headers),
      name: remote.rfilename,
      size: remote.size,
      onBytes
    })
  )
  if (!(await matches(part, remote))) {
    await rm(part)
    // The old part may have come from another revision's file.
    if (old > 0) return download(source, remote, folder, onBytes)
    throw new SpectroscopeError(
      'network',
      `${url}: the downloaded file has the wrong size or hash and was removed; run the command again, ` +
        'or download the folder by hand and give its path.'
    )
  }
  await rename(part, path)
}

const required = (source: Source, listing: Listing, name: string, words: string): RemoteFile => {
  const found = listing.siblings.find(({ rfilename }) => rfilename === name)
  if (found === undefined)
    throw new SpectroscopeError('input', `${source.name} at revision "${source.revision}" has no ${name}${words}.`)
  return checkable(source, found)
}

const checkable = ({ name, endpoint }: Source, { rfilename, size, lfs, blobId }: ListedFile): RemoteFile => {
  if (size !== undefined && lfs) return { rfilename, size, hash: { kind: 'sha256', value: lfs.sha256 } }
  if (size !== undefined && blobId !== undefined) return { rfilename, size, hash: { kind: 'git', value: blobId } }
  throw new SpectroscopeError(
    'network',
    `${endpoint} lists ${rfilename} of ${name} without its size or hash, so a download could not be checked; ` +
      'download the folder by hand and give its path, or use a hub that lists them.'
  )
}

/** The weights to fetch: safetensors where the revision has them, otherwise torch's. */
const weightsOf = (source: Source, listing: Listing): RemoteFile => {
  const name = weightNames.find((one) => listing.siblings.some(({ rfilename }) => rfilename === one))
  return required(source, listing, name ?? weightNames[0], ' or pytorch_model.bin; choose a revision that has weights')
}

/** Refuses a folder whose present weights would be read in place of those to be fetched. */
const checkWeightsCount = async (folder: string, fetched: string): Promise<void> => {
  for (const name of weightNames.slice(0, weightNames.indexOf(fetched))) {
    if ((await sizeOf(join(folder, name))) === 0) continue
    const fault = `has ${name}, which would be read in place of the ${fetched} of this revision`
    throw new SpectroscopeError('usage', `${folder} ${fault}; choose another folder (--out).`)
  }
}

/**
 * Downloads a model's config.json, tokenizer files and weights from a Hugging Face hub into `folder`: safetensors, or
 * pytorch_model.bin where a revision has nothing else. Resumes files that an earlier call left incomplete and skips
 * complete ones. A file gets its final name only after its size and hash have been checked. Throws a `network`,
 * `storage`, `input` (no weights), `usage` (the folder has other weights) or `interrupted` error.
 */
export const fetchModel = async (name: string, options: FetchOptions): Promise<FetchedModel> => {
  const { folder, revision = 'main', onProgress } = options
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(name) || name.includes('..'))
    throw new SpectroscopeError(
      'usage',
      `"${name}" is not a model name; give owner/name, such as EleutherAI/pythia-14m.`
    )
  const asked: Source = {
    name,
    revision,
    endpoint: (options.endpoint ?? 'https://huggingface.co').replace(/\/+$/, ''),
    signal: options.signal,
    retryDelay: options.retryDelay ?? 1000
  }
  const listing = await listFiles(asked)
  // From here on use the commit, so that all files belong together even if the revision moves.
  const source = { ...asked, revision: listing.sha ?? revision }
  const has = (file: string): boolean => listing.siblings.some(({ rfilename }) => rfilename === file)
  const small = ['config.json', 'tokenizer.json'].map((file) =>
    required(asked, listing, file, '; choose a model that has one')
  )
  const optional = ['tokenizer_config.json', 'special_tokens_map.json']
    .filter(has)
    .map((file) => required(asked, listing, file, ''))
  const weights = weightsOf(asked, listing)
  const sharded = weights.rfilename.endsWith('.json')
  await checkWeightsCount(folder, weights.rfilename)
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw cannotBeWritten(folder, error)
  })

  let files = [...small, ...optional, weights]
  const sizes = new Map<string, number>()
  const fetchFile = async (remote: RemoteFile): Promise<void> => {
    await mkdir(dirname(join(folder, remote.rfilename)), { recursive: true })
    await download(source, remote, folder, (size) => {
      sizes.set(remote.rfilename, size)
      onProgress?.({
        file: remote.rfilename,
        done: [...sizes.values()].reduce((a, b) => a + b, 0),
        total: files.reduce((sum, { size: whole }) => sum + whole, 0)
      })
    })
  }
  if (sharded) {
    await fetchFile(weights)
    const index = join(folder, weights.rfilename)
    const { shards } = await readIndex(index)
    files = [
      ...files,
      ...shards.map((shard) => required(asked, listing, shard, ', which its index names; choose another revision'))
    ]
  }
  for (const remote of files) if (!sharded || remote !== weights) await fetchFile(remote)
  return { folder, files: files.map(({ rfilename }) => rfilename) }
}
