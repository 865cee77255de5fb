import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { changeSettings, readSettings, settingsNotes } from '../../main/api/settings'
import { settingsFiles } from '../../main/serve/settings-files'

const handed = join(import.meta.dirname, '..', '..', '..', 'shared', 'cases', '17-settings-lost', 'settings.json')

let folder: string
let path: string
let said: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spectroscope-settings-'))
  path = join(folder, 'settings.json')
  said = ''
  vi.stubEnv('SPECTROSCOPE_SETTINGS', folder)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text)
    return true
  })
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

const ann = '{"author":"Ann","theme":"dark","later":{"of":[1]}}'
const content = (): unknown => JSON.parse(readFileSync(path, 'utf8'))

describe('a file of settings', () => {
  it.skipIf(process.platform === 'win32')('can be read by its owner only, as it may hold a key', () => {
    writeFileSync(path, ann, { mode: 0o644 })
    changeSettings(settingsFiles().settings, { theme: 'light' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it.each([
    ['UTF-8', Buffer.from(`\ufeff${ann}`)],
    ['UTF-16, little end first', Buffer.from(`\ufeff${ann}`, 'utf16le')],
    ['UTF-16, big end first', Buffer.from(`\ufeff${ann}`, 'utf16le').swap16()]
  ])('with the byte order mark of %s is read, and its unknown keys are kept', (_, bytes) => {
    writeFileSync(path, bytes)
    const { settings } = settingsFiles()
    expect(readSettings(settings)).toMatchObject({ author: 'Ann', theme: 'dark' })
    changeSettings(settings, { theme: 'light' })
    expect(content()).toEqual({ author: 'Ann', theme: 'light', later: { of: [1] } })
    expect([readdirSync(folder), said]).toEqual([['settings.json'], ''])
  })

  it.runIf(existsSync(handed))(
    'that an editor of another system wrote keeps its author when the look is changed',
    () => {
      writeFileSync(path, readFileSync(handed))
      changeSettings(settingsFiles().settings, { theme: 'light' })
      expect(content()).toEqual({ author: 'Ann', theme: 'light' })
    }
  )

  it.each([
    ['cut off', ann.slice(0, 17)],
    ['empty', ''],
    ['no object', '["Ann"]'],
    ['no text', Buffer.from([0x7b, 0x80, 0x7d])]
  ])('that is %s is kept beside, byte for byte, and said once', (_, bytes) => {
    writeFileSync(path, bytes)
    const { settings } = settingsFiles()
    expect(readSettings(settings)).toMatchObject({ author: '', theme: 'system' })
    changeSettings(settings, { theme: 'light' })
    expect(content()).toEqual({ theme: 'light' })
    expect(readFileSync(`${path}.bad`)).toEqual(Buffer.from(bytes))
    expect(settingsNotes(settings)).toEqual([expect.stringContaining(`it was renamed to ${path}.bad`)])
    expect(said.split('\n')).toEqual([settingsNotes(settings)[0], ''])
  })

  it('that is spoilt again does not replace the one that was kept before', () => {
    const { settings } = settingsFiles()
    for (const text of ['{"one', '{"two', '{"three']) {
      writeFileSync(path, text)
      settings.get()
    }
    expect(
      readdirSync(folder)
        .sort()
        .map((name) => [name, readFileSync(join(folder, name), 'utf8')])
    ).toEqual([
      ['settings.json.bad', '{"one'],
      ['settings.json.bad-2', '{"two'],
      ['settings.json.bad-3', '{"three']
    ])
  })

  it('that cannot be opened is not written over', () => {
    mkdirSync(path)
    const { settings } = settingsFiles()
    expect(readSettings(settings).author).toBe('')
    expect(() => changeSettings(settings, { author: 'Bob' })).toThrow(
      /cannot be read .* settings are not saved; make it readable/
    )
    expect(settingsNotes(settings)).toHaveLength(1)
    expect(readdirSync(path)).toEqual([])
  })

  it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
    'that this user may not read is not written over',
    () => {
      writeFileSync(path, ann)
      chmodSync(path, 0)
      expect(() => changeSettings(settingsFiles().settings, { author: 'Bob' })).toThrow(/cannot be read/)
      chmodSync(path, 0o600)
      expect(readFileSync(path, 'utf8')).toBe(ann)
    }
  )

  it('with values out of range keeps the rest, says which, and leaves them until they are changed', () => {
    const odd = { author: 'Ann', threads: 5000, theme: 'purple', keys: { 'edit.undo': ['u'], 'edit.redo': 7 } }
    writeFileSync(path, JSON.stringify(odd))
    const { settings } = settingsFiles()
    expect(readSettings(settings)).toMatchObject({
      author: 'Ann',
      threads: null,
      theme: 'system',
      keys: { 'edit.undo': ['u'] }
    })
    expect(settingsNotes(settings)).toEqual([
      expect.stringMatching(/settings\.json: "theme", "keys", "threads" have invalid values/)
    ])
    changeSettings(settings, { theme: 'light' })
    expect(content()).toEqual({ ...odd, theme: 'light' })
  })
})
