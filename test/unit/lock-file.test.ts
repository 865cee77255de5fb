import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'

interface Locked {
  readonly integrity?: string
  readonly link?: boolean
  readonly inBundle?: boolean
}

it('has a strong hash of every package that can be installed', () => {
  const lock = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>
  }
  const packages = Object.entries(lock.packages).filter(
    ([path, { link, inBundle }]) => path !== '' && link !== true && inBundle !== true
  )
  expect(packages.length).toBeGreaterThan(100)
  expect(
    packages.flatMap(([path, { integrity }]) => (integrity?.startsWith('sha512-') === true ? [] : [path]))
  ).toEqual([])
})
