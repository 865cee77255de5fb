import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { cudaFiles, folderWithCuda, installedFolder } from '../main/engine/onnx/package'

/** Why the provider for CUDA cannot be installed from a feed here. */
export const feedLack =
  spawnSync('gcc', ['--version']).status !== 0
    ? 'there is no gcc to make a library with'
    : process.platform !== 'linux' || process.arch !== 'x64'
      ? 'the provider is for Linux on x64'
      : folderWithCuda() === installedFolder()
        ? 'npm has installed the provider itself'
        : undefined

/** A ZIP archive of files, deflated, or stored if that is no smaller. */
export const zip = (files: Readonly<Record<string, Buffer>>): Buffer => {
  const [parts, directory]: [Buffer[], Buffer[]] = [[], []]
  let at = 0
  for (const [name, content] of Object.entries(files)) {
    const deflated = deflateRawSync(content)
    const [method, packed] = deflated.length < content.length ? [8, deflated] : [0, content]
    const sizes = Buffer.alloc(12)
    sizes.writeUInt32LE(crc32(content))
    sizes.writeUInt32LE(packed.length, 4)
    sizes.writeUInt32LE(content.length, 8)
    const header = Buffer.alloc(30)
    header.writeUInt32LE(0x04034b50)
    header.writeUInt16LE(method, 8)
    sizes.copy(header, 14)
    header.writeUInt16LE(name.length, 26)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50)
    entry.writeUInt16LE(method, 10)
    sizes.copy(entry, 16)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(at, 42)
    parts.push(header, Buffer.from(name), packed)
    directory.push(entry, Buffer.from(name))
    at += 30 + name.length + packed.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt16LE(Object.keys(files).length, 8)
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(
    directory.reduce((sum, { length }) => sum + length, 0),
    12
  )
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, ...directory, end])
}

/**
 * A PATH whose command by the name of nvidia-smi, made in `folder`, answers as one of this driver would, or that there
 * is no such device.
 */
export const pathWithDriver = (folder: string, driver: string | undefined): string => {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'nvidia-smi')
  writeFileSync(
    path,
    driver === undefined ? '#!/bin/sh\nexit 9\n' : `#!/bin/sh\necho "NVIDIA H100 80GB HBM3, 81559, ${driver}, 81000"\n`
  )
  chmodSync(path, 0o755)
  return `${folder}${delimiter}${process.env['PATH'] ?? ''}`
}

/** A library that depends on others, some of which are missing on the system. */
const library = (
  folder: string,
  name: string,
  needed: readonly string[],
  source = 'int provider(void) { return 1; }'
): Buffer => {
  mkdirSync(folder, { recursive: true })
  const sources = needed.map((each, at) => {
    const path = join(folder, each)
    execFileSync('gcc', ['-shared', '-fPIC', '-x', 'c', '-o', path, `-Wl,-soname,${each}`, '-'], {
      input: `int needed${at}(void) { return ${at}; }`
    })
    return path
  })
  const path = join(folder, name)
  execFileSync(
    'gcc',
    [
      '-shared',
      '-fPIC',
      '-x',
      'c',
      '-o',
      path,
      '-Wl,--no-as-needed',
      '-Wl,-rpath,$ORIGIN/beside:/nowhere',
      '-',
      '-x',
      'none',
      ...sources
    ],
    { input: source }
  )
  return readFileSync(path)
}

/** Functions that onnxruntime requires of the library shared by all providers, before it loads one. */
const host =
  'void *host; void Provider_SetHost(void *given) { host = given; } void *Provider_GetHost(void) { return host; }'

/** Libraries that the feed's provider needs. */
const needed = ['libcudart.so.12', 'libcublasLt.so.12', 'libcudnn.so.9']

/** Contents of an onnxruntime package: its name, and its files by path. */
interface Packaged {
  readonly name: string
  readonly files: Readonly<Record<string, Buffer>>
}

const forLinux = (folder: string): Packaged => {
  const [provider, shared] = Object.keys(cudaFiles('linux'))
  return {
    name: 'Microsoft.ML.OnnxRuntime.Gpu.Linux',
    files: {
      [`runtimes/linux-x64/native/${provider}`]: Buffer.concat([
        library(folder, provider, needed),
        randomBytes(2 ** 20),
        Buffer.alloc(2 ** 20)
      ]),
      [`runtimes/linux-x64/native/${shared}`]: library(folder, shared, [], host)
    }
  }
}

const forWindows = (): Packaged => ({
  name: 'Microsoft.ML.OnnxRuntime.Gpu.Windows',
  files: Object.fromEntries(
    ['onnxruntime', ...['cuda', 'shared', 'tensorrt'].map((name) => `onnxruntime_providers_${name}`)].map((name) => [
      `runtimes/win-x64/native/${name}.dll`,
      randomBytes(name === 'onnxruntime_providers_cuda' ? 2 ** 20 : 2 ** 16)
    ])
  )
})

/**
 * How a feed gives the package: whole, cut off or stalled after a half, with other bytes, without its checksum, or not
 * at all.
 */
export type Manner = 'whole' | 'cut' | 'stalled' | 'wrong' | 'unregistered' | 'gone'

/** A NuGet feed of this machine with onnxruntime's provider for CUDA, as far as its files' names and needs go. */
export interface Feed {
  manner: Manner
  readonly address: string
  readonly archive: Buffer
  /** Requests received, such as "GET /index.json". */
  readonly asked: string[]
  /** Ends stalled responses. */
  drop(): void
  close(): void
}

/** Starts a feed with the package for a system. The libraries that Linux's provider needs are built in `folder`. */
export const startFeed = async (folder: string, platform: 'linux' | 'win32' = 'linux'): Promise<Feed> => {
  const packaged = platform === 'linux' ? forLinux(folder) : forWindows()
  const archive = zip({ [`${packaged.name}.nuspec`]: Buffer.from('<package/>'), ...packaged.files })
  const name = packaged.name.toLowerCase()
  const server = createServer((request, response) => {
    feed.asked.push(`${request.method} ${request.url}`)
    response.setHeader('connection', 'close')
    const answer = (value: object): void =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    const { url = '' } = request
    const { address, manner } = feed
    if (url === '/index.json') {
      return answer({
        resources: [
          { '@id': `${address}/content/`, '@type': 'PackageBaseAddress/3.0.0' },
          ...(manner === 'unregistered'
            ? []
            : [{ '@id': `${address}/registration/`, '@type': 'RegistrationsBaseUrl/3.6.0' }])
        ]
      })
    }
    if (url === `/registration/${name}/1.30.0.json`) return answer({ catalogEntry: `${address}/catalog.json` })
    if (url === '/catalog.json')
      return answer({
        packageHash: createHash('sha512').update(archive).digest('base64'),
        packageHashAlgorithm: 'SHA512',
        packageSize: archive.length
      })
    if (url !== `/content/${name}/1.30.0/${name}.1.30.0.nupkg` || manner === 'gone')
      return response.writeHead(404).end()
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const sent =
      manner === 'wrong' ? Buffer.concat([archive.subarray(0, 100), Buffer.alloc(archive.length - 100)]) : archive
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': sent.length - from })
    if (request.method === 'HEAD') return response.end()
    if (manner === 'cut' || manner === 'stalled')
      return response.write(sent.subarray(from, from + (sent.length - from) / 2), () =>
        manner === 'cut' ? response.destroy() : undefined
      )
    return response.end(sent.subarray(from))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const feed: Feed = {
    manner: 'whole',
    archive,
    asked: [],
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    drop: () => server.closeAllConnections(),
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
  return feed
}
