import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { onDisk, projectRoot } from '../../main/base/entries'

const read = (...path: string[]): string => readFileSync(join(projectRoot, ...path), 'utf8')
const filesBelow = (folder: string): string[] =>
  readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|js)$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name))

/** Values of the entries below `head:` of the packer's configuration. */
const section = (head: string): string[] => {
  const [, body = ''] = new RegExp(`^${head}:\\n((?: .*\\n|#.*\\n)*)`, 'm').exec(read('electron-builder.yml')) ?? []
  return body
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

describe('the package', () => {
  it('has every fuse set, each to its safe side', () => {
    expect(section('electronFuses').sort()).toEqual([
      'enableCookieEncryption: true',
      'enableEmbeddedAsarIntegrityValidation: true',
      'enableNodeCliInspectArguments: false',
      'enableNodeOptionsEnvironmentVariable: false',
      'grantFileProtocolExtraPrivileges: false',
      'loadBrowserProcessSpecificV8Snapshot: false',
      'onlyLoadAppFromAsar: true',
      'runAsNode: false'
    ])
  })

  it("unpacks nothing of the shell's, and all that plain Node reads", () => {
    expect(section('asarUnpack')).toEqual(['- out/program/**', '- node_modules/**'])
    expect(section('asar')).toEqual(['smartUnpack: false'])
  })

  it('finds beside its archive what lies there', () => {
    expect(onDisk('/opt/Spectroscope/resources/app.asar')).toBe('/opt/Spectroscope/resources/app.asar.unpacked')
    expect(onDisk('C:\\a\\app.asar\\node_modules\\x')).toBe('C:\\a\\app.asar.unpacked\\node_modules\\x')
    for (const path of ['/a/app.asar.unpacked/x', '/a/app.asarx/y', '/home/me/spectroscope']) {
      expect(onDisk(path)).toBe(path)
    }
  })
})

describe('the shell', () => {
  // The picture for the README is of a browser, as tests drive one: nothing of the program is started by it.
  const sources = ['main', 'preload', 'tools']
    .flatMap(filesBelow)
    .filter((path) => !path.endsWith('screenshot.mjs'))
    .map((path) => readFileSync(path, 'utf8'))

  it('starts Chromium with no switch that weakens it', () => {
    const unsafe = new RegExp(
      [
        'no-sandbox',
        'disable-(web-security|site-isolation|gpu-sandbox|features)',
        'ignore-certificate',
        'allow-running-insecure',
        'remote-debugging',
        'remote-allow-origins'
      ].join('|')
    )
    const adding = /append(?:Switch|Argument)\(([^)]*)\)/g
    const switches = sources.flatMap((text) => [...text.matchAll(adding)].map(([, name]) => name))
    expect(switches).toEqual([])
    expect(sources.filter((text) => unsafe.test(text.replace(/^\s*(\/\/|\*).*$/gm, '')))).toEqual([])
    expect(read('main', 'index.ts')).toContain("disableBlinkFeatures: 'WebGPU'")
  })

  it('opens its window without Node, isolated and in the sandbox', () => {
    const opening = /new BrowserWindow\((?:[^]*?)webPreferences: \{([^}]*)\}/g
    const windows = sources.flatMap((text) => [...text.matchAll(opening)].map(([, preferences]) => preferences))
    expect(windows).toHaveLength(1)
    for (const preferences of windows) {
      const safe = ['contextIsolation: true', 'sandbox: true', 'nodeIntegration: false', 'webviewTag: false']
      for (const wanted of safe) {
        expect(preferences).toContain(wanted)
      }
      expect(preferences).not.toMatch(/webSecurity|allowRunningInsecureContent|nodeIntegrationIn|experimentalFeatures/)
    }
  })

  it('looks at the sender of every message before it does anything', () => {
    const handling = /ipcMain\.(?:handle|on|once)\('[^']+', \(([^,]+),[^]*?=> \{\n(.*)\n/g
    const handlers = [...read('main', 'index.ts').matchAll(handling)]
    expect(handlers.map(([, event]) => event)).toEqual(['{ senderFrame }', '{ senderFrame }'])
    for (const [, , first] of handlers) expect(first).toContain('isOwnPage(senderFrame)')
    expect(sources.join('').match(/ipcMain\.\w+\(/g)).toHaveLength(2)
  })
})
