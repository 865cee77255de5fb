import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildFolder, openIdentified, writeIdentified } from '../../main/base/files'
import type { FileIdentity, FolderIdentity } from '../../main/base/files'
import { unpackSome } from '../../main/base/zip'
import { folderStream } from '../../main/serve/archive'
import { Downloads } from '../../main/serve/downloads'
import type { Download } from '../../main/serve/downloads'
import { sendDownload } from '../../main/serve/pages'

const folder = mkdtempSync(join(tmpdir(), 'spectroscope-downloads-'))
const [path, secrets] = [join(folder, 'set.json'), join(folder, 'secrets')]
let server: Server
let identity: FileIdentity
let sent: Download

beforeAll(async () => {
  writeFileSync(secrets, 'secret!!')
  server = createServer((_, response) => {
    void sendDownload(response, sent)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const exportFile = async (): Promise<void> => {
  identity = await writeIdentified(path, 'exported')
  sent = { path, files: identity }
}

const fetched = async (): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return { status: response.status, text: await response.text() }
}

describe('a download', () => {
  it('is the file that was exported', async () => {
    await exportFile()
    expect(await fetched()).toEqual({ status: 200, text: 'exported' })
  })

  it.skipIf(process.platform === 'win32').each<[string, () => void]>([
    ['a link', () => symlinkSync(secrets, path)],
    ['a second name of another file', () => linkSync(secrets, path)],
    [
      'another file as long and as old',
      () => {
        writeFileSync(path, 'secret!!')
        utimesSync(path, Number(identity.changedNs / 1_000_000_000n), Number(identity.changedNs / 1_000_000_000n))
      }
    ],
    ['a folder', () => mkdirSync(path)],
    ['a pipe', () => void execFileSync('mkfifo', [path])],
    ['nothing', () => {}]
  ])('is not %s that was put in its place', async (_, put) => {
    rmSync(path, { recursive: true, force: true })
    await exportFile()
    renameSync(path, `${path}.old`)
    put()
    const { status, text } = await fetched()
    expect(status).toBe(404)
    expect(text).toContain('export it again')
    expect(text).not.toContain('secret')
  })

  it('is not the file where it was changed, or its folder was', async () => {
    rmSync(path, { recursive: true, force: true })
    const changed = await writeIdentified(path, 'exported')
    writeFileSync(path, 'exported, and more')
    expect(await openIdentified(path, changed)).toBeUndefined()
    const [own, other] = [join(folder, 'own'), join(folder, 'other')]
    for (const each of [own, other]) mkdirSync(each)
    const there = await writeIdentified(join(own, 'set.json'), 'exported')
    writeFileSync(join(other, 'set.json'), 'exported')
    renameSync(own, `${own}.old`)
    symlinkSync(other, own)
    expect(await openIdentified(join(own, 'set.json'), there)).toBeUndefined()
  })
})

describe('a folder', () => {
  const exported = join(folder, 'run – χ')
  const large = randomBytes(4 * 2 ** 20)
  let files: FolderIdentity
  const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

  beforeEach(async () => {
    rmSync(exported, { recursive: true, force: true })
    files = await buildFolder(exported, {}, async (temporary) => {
      mkdirSync(join(temporary, 'clusters'))
      writeFileSync(join(temporary, 'index.html'), '<!doctype html>')
      writeFileSync(join(temporary, 'clusters', '0.html'), 'naïve 😀')
      writeFileSync(join(temporary, 'matrix.npy'), large)
    })
    sent = { path: exported, files }
  })

  it('comes as one ZIP file that unpacks to a folder of its name', async () => {
    const response = await fetch(address())
    expect(response.headers.get('content-type')).toBe('application/zip')
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename*=UTF-8''${encodeURIComponent('run – χ.zip')}`
    )
    const [archive, unpacked] = [join(folder, 'a.zip'), join(folder, 'unpacked')]
    writeFileSync(archive, Buffer.from(await response.arrayBuffer()))
    await unpackSome(archive, (name) => join(unpacked, name), new AbortController().signal)
    const read = (name: string): Buffer => readFileSync(join(unpacked, 'run – χ', name))
    expect(read('index.html').toString()).toBe('<!doctype html>')
    expect(read('clusters/0.html').toString()).toBe('naïve 😀')
    expect(read('matrix.npy').equals(large)).toBe(true)
  })

  it('is refused where one of its files was replaced', async () => {
    rmSync(join(exported, 'index.html'))
    linkSync(secrets, join(exported, 'index.html'))
    const { status, text } = await fetched()
    expect(status).toBe(404)
    expect(text).toContain('export it again')
  })

  it.skipIf(process.platform !== 'linux')('is read one file at a time, and closed when the reader leaves', async () => {
    const open = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((each) => {
        try {
          return [readlinkSync(`/proc/self/fd/${each}`)].filter((target) => target.startsWith(exported))
        } catch {
          return []
        }
      })
    const archive = await folderStream(exported, files)
    let bytes = 0
    for await (const part of archive!) {
      bytes += (part as Buffer).length
      if (bytes > 2 ** 20) break
    }
    expect(bytes).toBeLessThan(2 * 2 ** 20)
    expect(archive!.destroyed).toBe(true)
    await vi.waitFor(() => expect(open()).toEqual([]))
  })
})

describe('a link to a download', () => {
  it('is good once, and names nothing else', () => {
    const downloads = new Downloads()
    const [, , id] = downloads.link('/a/set 1.json', identity).split('/')
    expect(downloads.take('A'.repeat(43))).toBeUndefined()
    expect(downloads.take(id)).toMatchObject({ path: '/a/set 1.json', files: identity })
    expect(downloads.take(id)).toBeUndefined()
  })

  it('is one of a limited number', () => {
    const downloads = new Downloads()
    const ids = Array.from({ length: 100 }, () => downloads.link('/a', identity).split('/')[2])
    expect(ids.filter((id) => downloads.take(id) !== undefined)).toEqual(ids.slice(36))
  })
})
