import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { obstacle, runtimeIn } from '../../tools/electron-runtime.mjs'
import { ensureInstalled, isInstalled } from '../../tools/ensure.mjs'

describe('what keeps Electron from showing a window', () => {
  it('is a Linux without a display, or the superuser there', () => {
    expect(obstacle('linux', {}, 1000)).toContain('display')
    expect(obstacle('linux', { DISPLAY: '' }, 1000)).toContain('display')
    expect(obstacle('linux', { DISPLAY: ':0' }, 0)).toContain('superuser')
    expect(obstacle('linux', { DISPLAY: ':0' }, 1000)).toBeUndefined()
    expect(obstacle('linux', { WAYLAND_DISPLAY: 'wayland-0' }, 1000)).toBeUndefined()
    expect(obstacle('darwin', {}, 501)).toBeUndefined()
    expect(obstacle('win32', {}, undefined)).toBeUndefined()
  })
})

describe('the runtime of Electron', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spectroscope-electron-'))
    mkdirSync(join(folder, 'dist'))
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ version: '45.4.1' }))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const install = (version: string): void => {
    writeFileSync(join(folder, 'dist', 'electron'), '')
    writeFileSync(join(folder, 'dist', 'version'), version)
    writeFileSync(join(folder, 'path.txt'), 'electron')
  }

  it('is there when its program is, of the version of the package', () => {
    expect(runtimeIn(folder, {})).toBeUndefined()
    install('v45.4.1')
    expect(runtimeIn(folder, {})).toBe(join(folder, 'dist', 'electron'))
  })

  it('is not there by half, or of another version', () => {
    install('44.0.0')
    expect(runtimeIn(folder, {})).toBeUndefined()
    install('45.4.1')
    rmSync(join(folder, 'dist', 'electron'))
    expect(runtimeIn(folder, {})).toBeUndefined()
  })

  it('may lie in a folder of its own', () => {
    install('v45.4.1')
    const elsewhere = join(folder, 'elsewhere')
    mkdirSync(elsewhere)
    expect(runtimeIn(folder, { ELECTRON_OVERRIDE_DIST_PATH: elsewhere })).toBeUndefined()
    writeFileSync(join(elsewhere, 'electron'), '')
    expect(runtimeIn(folder, { ELECTRON_OVERRIDE_DIST_PATH: elsewhere })).toBe(join(elsewhere, 'electron'))
  })
})

describe('packages', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spectroscope-packages-'))
    const names = { name: 'checkout', version: '1.0.0' }
    mkdirSync(join(folder, 'own'))
    writeFileSync(join(folder, 'own', 'package.json'), JSON.stringify({ name: 'own', version: '1.0.0' }))
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...names, dependencies: { own: 'file:own' } }))
    const packages = {
      '': { ...names, dependencies: { own: 'file:own' } },
      own: { version: '1.0.0' },
      'node_modules/own': { resolved: 'own', link: true }
    }
    writeFileSync(
      join(folder, 'package-lock.json'),
      JSON.stringify({ ...names, lockfileVersion: 3, requires: true, packages })
    )
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('of another checkout that node_modules leads to are not emptied for ours', () => {
    const theirs = join(folder, 'theirs')
    mkdirSync(join(theirs, 'needed'), { recursive: true })
    symlinkSync(theirs, join(folder, 'node_modules'))
    ensureInstalled(folder)
    expect(readdirSync(theirs)).toEqual(['needed'])
    expect(lstatSync(join(folder, 'node_modules')).isDirectory()).toBe(true)
    expect(existsSync(join(folder, 'node_modules', 'own', 'package.json'))).toBe(true)
    expect(isInstalled(folder)).toBe(true)
  })
})
