import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'

const here = (folder: string): string[] =>
  readdirSync(join(projectRoot, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => join(folder, name))
const below = (folder: string): string[] =>
  readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))

const documents = [...here('.'), ...here('docs'), ...here('main')].filter((file) => file.endsWith('.md'))
const sources = [...here('.'), ...['main', 'preload', 'renderer', 'test', 'tools'].flatMap(below)]
const textOf = (file: string): string => readFileSync(join(projectRoot, file), 'utf8')

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-')

const anchorsOf = (file: string): Set<string> =>
  new Set([...textOf(file).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading)))

const brokenLinks = (file: string): string[] =>
  [...textOf(file).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path, anchor] = target.split('#')
      const linked = path === '' ? file : normalize(join(dirname(file), path))
      if (!existsSync(join(projectRoot, linked))) return true
      return anchor !== undefined && !anchorsOf(linked).has(anchor)
    })

describe('documents for users and maintainers', () => {
  it('are there', () => expect(documents).toEqual(expect.arrayContaining(['README.md', 'docs/architecture.md'])))

  it.each(documents)('link to files and headings that are there: %s', (file) => expect(brokenLinks(file)).toEqual([]))

  it('name source files that are there', () => {
    const known = new Set(sources.map((file) => basename(file)))
    const sourceName = /`[\w./-]*?([\w.-]+\.(?:ts|mjs|js|svelte))`/g
    const named = documents.flatMap((file) => [...textOf(file).matchAll(sourceName)])
    expect(named.length).toBeGreaterThan(100)
    expect([...new Set(named.map(([, name]) => name))].filter((name) => !known.has(name))).toEqual([])
  })
})
