import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { fetchModel, type FetchProgress } from '../../main/models/hub'
import { loadModel } from '../../main/models/load'
import { describeWithShared, sharedPath } from '../shared'
import { failure, temporaryFolder } from './models-fixtures'

const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251))
const commit = 'a'.repeat(40)
let files: Record<string, Buffer>
let requests: string[]
/** Does something else than serving the file; true if it did. */
let fault: (request: IncomingMessage, response: ServerResponse) => boolean
let wrongHash: string | undefined

const serve = (request: IncomingMessage, response: ServerResponse): void => {
  const url = request.url!
  requests.push(`${url} ${request.headers.range ?? ''}`.trim())
  if (fault(request, response)) return
  if (url === '/api/models/owner/tiny/revision/step5?blobs=true') {
    response.end(
      JSON.stringify({
        sha: commit,
        siblings: Object.entries(files).map(([rfilename, bytes]) => ({
          rfilename,
          size: bytes.length,
          blobId: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
          ...(/\.(safetensors|bin)$/.test(rfilename)
            ? {
                lfs: {
                  sha256: rfilename === wrongHash ? 'f'.repeat(64) : createHash('sha256').update(bytes).digest('hex'),
                  size: bytes.length
                }
              }
            : {})
        }))
      })
    )
    return
  }
  const bytes = files[url.replace(`/owner/tiny/resolve/${commit}/`, '')]
  if (bytes === undefined) {
    response.writeHead(404).end()
    return
  }
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (from >= bytes.length) response.writeHead(416).end()
  else response.writeHead(from > 0 ? 206 : 200).end(bytes.subarray(from))
}

const server = createServer(serve)
let endpoint = ''
const root = temporaryFolder()
let folder: string
const get = (more: object = {}) =>
  fetchModel('owner/tiny', { revision: 'step5', folder, endpoint, retryDelay: 1, ...more })

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  files = {
    'config.json': Buffer.from('{"model_type":"gpt_neox"}'),
    'tokenizer.json': Buffer.from('{}'),
    'tokenizer_config.json': Buffer.from('{"a":1}'),
    'README.md': Buffer.from('no'),
    'model.safetensors': large
  }
  requests = []
  fault = () => false
  wrongHash = undefined
  folder = mkdtempSync(join(root, 'hub-'))
})

/** Sends half of what is asked for and breaks off, the first `times` times. */
const breakOff =
  (times: number) =>
  (request: IncomingMessage, response: ServerResponse): boolean => {
    if (!request.url!.endsWith('model.safetensors') || times-- <= 0) return false
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': large.length - from })
    response.write(large.subarray(from, from + 100_000), () => setTimeout(() => response.destroy(), 20))
    return true
  }

describe('fetching a model', () => {
  it('downloads what a model needs, and nothing else, at one commit', async () => {
    const progress: FetchProgress[] = []
    const fetched = await get({ onProgress: (point: FetchProgress) => progress.push(point) })
    expect(fetched.files).toEqual(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'])
    expect(readdirSync(folder).sort()).toEqual([...fetched.files].sort())
    expect(readFileSync(join(folder, 'model.safetensors')).equals(large)).toBe(true)
    expect(progress.at(-1)).toMatchObject({ file: 'model.safetensors', done: progress.at(-1)!.total })
    expect(progress.at(-1)!.total).toBe(large.length + 25 + 2 + 7)
    expect(requests.slice(1).every((request) => request.includes(commit))).toBe(true)
  })

  it('leaves alone what is there whole, and replaces what is not', async () => {
    await get()
    writeFileSync(join(folder, 'config.json'), '{"model_type":"GPT_NEOX"}')
    requests = []
    await get()
    expect(requests).toEqual([
      '/api/models/owner/tiny/revision/step5?blobs=true',
      `/owner/tiny/resolve/${commit}/config.json`
    ])
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe('{"model_type":"gpt_neox"}')
  })

  it('goes on after broken transfers where they stopped', async () => {
    fault = breakOff(2)
    await get()
    expect(readFileSync(join(folder, 'model.safetensors')).equals(large)).toBe(true)
    const ranges = requests.filter((request) => request.includes('model.safetensors'))
    expect(ranges).toHaveLength(3)
    expect(ranges[1]).toMatch(/bytes=[1-9]\d*-$/)
  })

  it('goes on in another call, after an interruption', async () => {
    const control = new AbortController()
    fault = breakOff(1)
    const error = await failure(
      get({
        signal: control.signal,
        retryDelay: 60_000,
        onProgress: ({ file }: FetchProgress) => file === 'model.safetensors' && setTimeout(() => control.abort(), 60)
      })
    )
    expect(error.kind).toBe('interrupted')
    expect(existsSync(join(folder, 'model.safetensors.part'))).toBe(true)
    fault = () => false
    requests = []
    await get()
    expect(requests.at(-1)).toMatch(/model\.safetensors bytes=[1-9]\d*-$/)
    expect(readFileSync(join(folder, 'model.safetensors')).equals(large)).toBe(true)
    expect(existsSync(join(folder, 'model.safetensors.part'))).toBe(false)
  })

  it('starts a file afresh if what lay there belongs to another one, or is too long', async () => {
    writeFileSync(join(folder, 'model.safetensors.part'), Buffer.alloc(1000, 7))
    await get()
    expect(readFileSync(join(folder, 'model.safetensors')).equals(large)).toBe(true)
    folder = mkdtempSync(join(root, 'hub-'))
    writeFileSync(join(folder, 'model.safetensors.part'), Buffer.alloc(large.length + 5))
    await get()
    expect(readFileSync(join(folder, 'model.safetensors')).equals(large)).toBe(true)
  })

  it('reads shards from their index', async () => {
    const { 'model.safetensors': bytes, ...others } = files
    files = {
      ...others,
      'a.safetensors': bytes,
      'b.safetensors': Buffer.from('b'),
      'model.safetensors.index.json': Buffer.from('{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}')
    }
    expect((await get()).files).toEqual([
      'config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'model.safetensors.index.json',
      'a.safetensors',
      'b.safetensors'
    ])
    expect(readdirSync(folder)).toHaveLength(6)
    delete files['b.safetensors']
    folder = mkdtempSync(join(root, 'hub-'))
    expect((await failure(get())).message).toMatch(/has no b\.safetensors, which its index names/)
  })

  it('removes a file of the wrong hash and says so', async () => {
    wrongHash = 'model.safetensors'
    const error = await failure(get())
    expect(error.kind).toBe('network')
    expect(error.message).toMatch(/model\.safetensors: the downloaded file has the wrong size or hash and was removed/)
    expect(readdirSync(folder).some((name) => name.startsWith('model'))).toBe(false)
  })

  it('takes no file whose size or hash is not announced', async () => {
    for (const missing of ['size', 'blobId', 'lfs'] as const) {
      fault = (request, response) => {
        if (!request.url!.includes('/api/')) return false
        const siblings = Object.entries(files).map(([rfilename, { length: size }]) => {
          const known = { size, blobId: '0'.repeat(40), lfs: { sha256: '0'.repeat(64) } }
          return {
            rfilename,
            ...known,
            ...(missing === 'size' ? { size: undefined } : { blobId: 'no hash', lfs: null })
          }
        })
        response.end(JSON.stringify({ sha: commit, siblings }))
        return true
      }
      const error = await failure(get())
      expect(error.kind).toBe('network')
      expect(error.message).toMatch(
        /lists config\.json of owner\/tiny without its size or hash, so .* download the folder/
      )
      expect(readdirSync(folder)).toEqual([])
    }
  })

  it('takes no listing without end', async () => {
    const block = ' '.repeat(2 ** 20)
    fault = (_, response) => {
      const write = (): void => {
        if (!response.destroyed) response.write(block, write)
      }
      write()
      return true
    }
    expect((await failure(get())).message).toMatch(/did not answer with a list of files/)
  })

  it('ends a transfer at the size that was announced', async () => {
    let sent = 0
    fault = (request, response) => {
      if (!request.url!.endsWith('model.safetensors')) return false
      const write = (): void => {
        if (response.destroyed) return
        sent += large.length
        response.write(large, write)
      }
      write()
      return true
    }
    const error = await failure(get())
    expect(error.message).toMatch(
      /^model\.safetensors is longer than the 300000 bytes that were announced, so it was not kept/
    )
    expect(readdirSync(folder).some((name) => name.startsWith('model'))).toBe(false)
    expect(sent).toBeLessThan(100 * large.length)
  })

  it('follows redirects, but never from https to http', async () => {
    fault = ({ url }, response) => {
      const moved = url!.replace('/owner/tiny/resolve/', '/moved/')
      if (url!.includes('/resolve/')) response.writeHead(302, { Location: moved }).end()
      else if (url!.startsWith('/moved/')) response.end(files[url!.replace(`/moved/${commit}/`, '')])
      return moved.startsWith('/moved/')
    }
    await get()
    expect(readFileSync(join(folder, 'model.safetensors')).equals(large)).toBe(true)
    const asked: string[] = []
    vi.stubGlobal('fetch', (url: string) => {
      asked.push(url)
      return Promise.resolve(
        new Response(null, { status: 302, headers: { Location: 'http://elsewhere.example/list' } })
      )
    })
    try {
      const error = await failure(get({ endpoint: 'https://hub.example' }))
      expect(error.message).toBe(
        'hub.example redirects away from https, to http://elsewhere.example; nothing was downloaded from there.'
      )
      expect(asked).toHaveLength(1)
    } finally {
      vi.unstubAllGlobals()
    }
  })

  it('ends where redirects go round', async () => {
    fault = (request, response) => (response.writeHead(307, { Location: request.url! }).end(), true)
    expect((await failure(get())).message).toMatch(/redirects more than 10 times/)
  })

  it('says what is wrong with a name, a revision or a model without weights', async () => {
    expect((await failure(fetchModel('owner/other', { folder, endpoint, retryDelay: 1 }))).message).toMatch(
      /has no public owner\/other at revision "main" \(HTTP 404.*check the name and the revision/
    )
    expect((await failure(fetchModel('../etc', { folder, endpoint }))).kind).toBe('usage')
    delete files['model.safetensors']
    expect((await failure(get())).message).toMatch(
      /has no model\.safetensors or pytorch_model\.bin; choose a revision that has weights/
    )
  })

  const torchOnly = (): void => {
    const { 'model.safetensors': bytes, ...others } = files
    files = { ...others, 'pytorch_model.bin': bytes }
  }

  it('fetches pytorch_model.bin where a revision has no safetensors, and checks it', async () => {
    torchOnly()
    expect((await get()).files).toContain('pytorch_model.bin')
    expect(readFileSync(join(folder, 'pytorch_model.bin')).equals(large)).toBe(true)
    wrongHash = 'pytorch_model.bin'
    folder = mkdtempSync(join(root, 'hub-'))
    expect((await failure(get())).message).toMatch(/pytorch_model\.bin: the downloaded file has the wrong size or hash/)
    expect(existsSync(join(folder, 'pytorch_model.bin'))).toBe(false)
  })

  it('fetches shards of torch from their index', async () => {
    torchOnly()
    const { 'pytorch_model.bin': bytes, ...others } = files
    const index = Buffer.from('{"weight_map":{"x":"one.bin"}}')
    files = { ...others, 'one.bin': bytes, 'pytorch_model.bin.index.json': index }
    expect((await get()).files.slice(-2)).toEqual(['pytorch_model.bin.index.json', 'one.bin'])
  })

  it('does not put weights beside others that would be read in their place', async () => {
    await get()
    torchOnly()
    const error = await failure(get())
    expect(error.kind).toBe('usage')
    expect(error.message).toMatch(/has model\.safetensors, which would be read in place of .*; choose another folder/)
    expect(existsSync(join(folder, 'pytorch_model.bin'))).toBe(false)
  })

  it('tries again when the server is busy, and gives up in the end', async () => {
    let left = 2
    fault = (_, response) => left-- > 0 && (response.writeHead(503).end(), true)
    await get()
    fault = (_, response) => (response.writeHead(503).end(), true)
    const error = await failure(get())
    expect(error.message).toMatch(/Could not reach http:\/\/127\.0\.0\.1:\d+: HTTP 503; check the network/)
  })

  it('without a network says what to do', async () => {
    const error = await failure(get({ endpoint: 'http://127.0.0.1:1' }))
    expect(error.kind).toBe('network')
    expect(error.message).toMatch(
      /^Could not reach http:\/\/127\.0\.0\.1:1: .*; check the network and run the command again, or download the folder by hand and give its path\.$/
    )
  })
})

describeWithShared('a step branch, which has pytorch_model.bin only', () => {
  it('gives a model folder that is read', async () => {
    const fixture = (name: string): Buffer => readFileSync(sharedPath('fixtures', 'torch-bin', 'pythia-buffers', name))
    const names = ['config.json', 'pytorch_model.bin']
    files = { ...Object.fromEntries(names.map((name) => [name, fixture(name)])), 'tokenizer.json': Buffer.from('{}') }
    await get()
    const truth = await loadModel(sharedPath('fixtures', 'torch-bin', 'truth'))
    expect([...(await loadModel(folder)).weights]).toEqual([...truth.weights])
  })
})
