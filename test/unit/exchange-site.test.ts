import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportSite } from '../../main/exchange/site'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { components, matrixOf, newRun, smallStudy, temporaryFolder, treeDescription, treeOf } from './store-fixture'

const hostile = [
  '<script>alert(1)</script>',
  '"onload="x',
  '</script><img src=x>',
  "'",
  '&amp;',
  '\u202e',
  '\u0000',
  '\n',
  ' <!--',
  ']]>'
]

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let run: string
let pages: ReadonlyMap<string, string>

const out = (name: string): string => join(place.folder, name)
const written = async (folder: string): Promise<Map<string, string>> => {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  return new Map(
    await Promise.all(
      names.map(async ({ name, parentPath }): Promise<[string, string]> => {
        const path = join(parentPath, name)
        return [path.slice(folder.length + 1), await readFile(path, 'utf8')]
      })
    )
  )
}
const site = (folder: string, further: { overwrite?: boolean; contexts?: number } = {}) =>
  exportSite(workspace, run, { folder, clusters: 'all', program: 'spectroscope', ...further })

beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(out('w'), { create: true })
  const { id } = await workspace.createRun(newRun('<b>run</b>'))
  run = id
  await workspace.transaction(id, async (writer) => {
    await writer.saveStudy(smallStudy(), (token) => hostile[token])
    await writer.beginSusceptibilities(components, 2.5)
    await writer.appendSusceptibilities(matrixOf(20), matrixOf(20, 0.1))
    await writer.saveClustering(treeOf(20))
  })
  await workspace.saveDescription(id, 1, treeDescription(20))
  await workspace.applyAnnotations({
    run,
    clustering: 1,
    words: 'label',
    author: 'Ada',
    edits: [
      {
        target: 'cluster:1',
        after: {
          name: '<a href=javascript:x>\u202ename</a>',
          note: '<iframe>',
          tags: ['<tag>'],
          confidence: 'high',
          status: 'labelled',
          blindTest: null,
          author: '<ada>',
          changedAt: '2026-11-20T10:00:00.000Z'
        }
      }
    ]
  })
  await site(out('site'))
  pages = await written(out('site'))
})

afterAll(async () => {
  await workspace.close()
  await place.remove()
})

describe('a static site', () => {
  test('has an index, a page for each group, and what they share', async () => {
    const summaries = await workspace.getClusterSummaries(run, { clustering: 1, topTokens: 1 })
    const names = summaries.map(({ cluster }) => `clusters/${cluster < 0 ? 'unclustered' : cluster}.html`)
    const assets = ['contexts.js', 'map.svg', 'site.css', 'site.js', 'theme.js'].map((name) => `assets/${name}`)
    expect([...pages.keys()].sort()).toEqual([...assets, ...names, 'index.html'].sort())
    for (const name of names) expect(pages.get('index.html')).toContain(`href="${name}"`)
  })

  test('links only to files of its own, and its policy allows no others', () => {
    for (const [name, text] of pages) {
      if (!name.endsWith('.html')) continue
      expect(text).toContain(`content="default-src 'none'; script-src 'self' file:; style-src`.replaceAll("'", '&#39;'))
      const folder = name.includes('/') ? 'clusters' : ''
      for (const [, target] of text.matchAll(/ (?:href|src)="([^"]*)"/g))
        expect([...pages.keys()], `${target} in ${name}`).toContain(join(folder, target))
      expect(text).not.toMatch(/ style=| on\w+="/)
    }
  })

  test('shows markup and invisible characters of texts and labels as text', () => {
    for (const [name, text] of pages) {
      if (name.startsWith('assets/') && name !== 'assets/contexts.js') continue
      expect(text).not.toMatch(/[\u202e\u0000]/)
      if (!name.endsWith('.html')) continue
      expect(text).not.toMatch(/<script>|<img src=x|<iframe|<tag>|<b>run|<a href=javascript/)
      expect(text.match(/<script/g)).toHaveLength(2)
    }
    expect(pages.get('index.html')).toContain('&lt;a href=javascript:x&gt;\\u{202e}name&lt;/a&gt;')
  })

  test('has its contexts as a script that a page can run', () => {
    const scope: { contextsOfClusters?: Record<string, [string, string, string][]> } = {}
    runInNewContext(pages.get('assets/contexts.js')!, scope)
    const contexts = scope.contextsOfClusters!
    expect(contexts['0'].length).toBeGreaterThan(0)
    expect(
      Object.values(contexts)
        .flat()
        .flatMap((parts) => parts)
        .join('')
    ).toContain('<script>alert(1)</script>')
  })

  test('has as many contexts on a page as asked for', async () => {
    await site(out('few'), { contexts: 2 })
    const page = await readFile(out('few/clusters/0.html'), 'utf8')
    expect(page.match(/<li><span class="place">/g)).toHaveLength(2)
  })

  test('replaces an earlier site only, and only if asked', async () => {
    await expect(site(out('site'))).rejects.toMatchObject({ kind: 'usage' })
    await writeFile(out('site/clusters/mine.txt'), 'mine')
    await expect(site(out('site'), { overwrite: true })).rejects.toMatchObject({ kind: 'usage' })
    expect(await readFile(out('site/clusters/mine.txt'), 'utf8')).toBe('mine')
    await site(out('again'))
    await site(out('again'), { overwrite: true })
    await mkdir(out('other'))
    await writeFile(out('other/index.html'), '<!doctype html><p>mine')
    await expect(site(out('other'), { overwrite: true })).rejects.toMatchObject({ kind: 'usage' })
  })
})
