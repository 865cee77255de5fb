import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { isInstalled } from '../../tools/ensure.mjs'

interface Lock {
  readonly packages: Record<
    string,
    {
      readonly version?: string
      readonly integrity?: string
      readonly optional?: boolean
      readonly optionalDependencies?: Record<string, string>
    }
  >
}

it('locks every optional package, those of other platforms too, because npm ci refuses a lock without them', () => {
  const { packages } = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as Lock
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages)
    )
  )
  expect(missing).toEqual([])
})

describe('what counts as installed', () => {
  let folder: string
  const lock: Lock = {
    packages: {
      '': {},
      'node_modules/a': { version: '1.0.0', integrity: 'x' },
      'node_modules/b': { version: '2.0.0', optional: true }
    }
  }
  const write = (path: string, content: Lock): void => writeFileSync(join(folder, path), JSON.stringify(content))
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spectroscope-installation-'))
    mkdirSync(join(folder, 'node_modules', 'a'), { recursive: true })
    write('package-lock.json', lock)
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is a folder whose record agrees with the lock, with or without optional packages', () => {
    write('node_modules/.package-lock.json', { packages: { 'node_modules/a': { version: '1.0.0', integrity: 'x' } } })
    expect(isInstalled(folder)).toBe(true)
  })
  it("is not one without npm's record, as after an installation that was cut off", () =>
    expect(isInstalled(folder)).toBe(false))
  it('is not one with another version', () => {
    write('node_modules/.package-lock.json', { packages: { 'node_modules/a': { version: '1.0.1', integrity: 'y' } } })
    expect(isInstalled(folder)).toBe(false)
  })
  it('is not one whose package folder is gone', () => {
    write('node_modules/.package-lock.json', { packages: { 'node_modules/a': { version: '1.0.0', integrity: 'x' } } })
    rmSync(join(folder, 'node_modules', 'a'), { recursive: true })
    expect(isInstalled(folder)).toBe(false)
  })
})
