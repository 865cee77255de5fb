import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openIdentified, writeIdentified } from '../../main/base/files'
import type { FileIdentity } from '../../main/base/files'
import { Downloads } from '../../main/serve/downloads'
import { sendDownload } from '../../main/serve/pages'

const folder = mkdtempSync(join(tmpdir(), 'spectroscope-downloads-'))
const [path, secrets] = [join(folder, 'set.json'), join(folder, 'secrets')]
let server: Server
let identity: FileIdentity

beforeAll(async () => {
  writeFileSync(secrets, 'secret!!')
  server = createServer((request, response) => {
    void sendDownload(request, response, path, identity)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const fetched = async (): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return { status: response.status, text: await response.text() }
}

describe('a download', () => {
  it('is the file that was exported', async () => {
    identity = await writeIdentified(path, 'exported')
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
    identity = await writeIdentified(path, 'exported')
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

describe('a link to a download', () => {
  it('is good once, and names nothing else', () => {
    const downloads = new Downloads()
    const [, , id] = downloads.link('/a/set 1.json', identity).split('/')
    expect(downloads.take('A'.repeat(43))).toBeUndefined()
    expect(downloads.take(id)).toMatchObject({ path: '/a/set 1.json', file: identity })
    expect(downloads.take(id)).toBeUndefined()
  })

  it('is one of a limited number', () => {
    const downloads = new Downloads()
    const ids = Array.from({ length: 100 }, () => downloads.link('/a', identity).split('/')[2])
    expect(ids.filter((id) => downloads.take(id) !== undefined)).toEqual(ids.slice(36))
  })
})
