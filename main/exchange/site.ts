import { mkdir, open, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { visibleText, visibleToken } from '../../preload/visible'
import { resourcePath } from '../base/entries'
import { buildFolder, writeFileAtomically } from '../base/files'
import type { FolderIdentity } from '../base/files'
import type { Workspace } from '../store/store'
import { mapGround } from './map'
import { reportGenerator } from './output'
import type { Overwrite } from './output'
import type { Report } from './report-cluster'
import { readReport } from './report-source'
import type { Selection } from './selection'
import { clusterPage, indexPage, pageNameOf } from './site-pages'

export interface SiteOptions {
  /** Folder to create. Refused if it is not empty, unless it holds an earlier site and `overwrite` is set. */
  readonly folder: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly overwrite?: Overwrite
  /** Contexts on the page of a cluster; by default fewer where there are many clusters. */
  readonly contexts?: number
  readonly program: string
}

const assets = ['site.css', 'site.js', 'theme.js'] as const
const generated = ['contexts.js', 'map.svg']
const around = 24
const headBytes = 1024

/** Whether a folder holds a site that this program wrote, and nothing else. */
const isSite = async (folder: string): Promise<boolean> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const pages = entries.filter((entry) => entry.isFile() && entry.name === 'index.html' && entry.parentPath === folder)
  if (pages.length !== 1) return false
  const isOwn = entries.every((entry) => {
    const path = join(entry.parentPath, entry.name)
      .slice(folder.length + 1)
      .replaceAll('\\', '/')
    if (entry.isDirectory()) return path === 'assets' || path === 'clusters'
    return (
      path === 'index.html' ||
      /^clusters\/(\d+|unclustered)\.html$/.test(path) ||
      [...assets, ...generated].some((name) => path === `assets/${name}`)
    )
  })
  if (!isOwn) return false
  const file = await open(join(folder, 'index.html'), 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return buffer.toString('utf8', 0, bytesRead).includes(reportGenerator.markup)
  } finally {
    await file.close()
  }
}

/** Contexts as a script, since a page that is opened as a file can read nothing else. */
const contextsScript = function* ({ summaries, central, texts }: Report): Generator<string> {
  yield 'globalThis.contextsOfClusters = {'
  for (const [at, { cluster }] of summaries.entries()) {
    const contexts = (central.get(cluster) ?? []).map((token) => {
      const { text, before, after } = texts.around(token, around)
      return [visibleText(before), visibleToken(text), visibleText(after)]
    })
    yield `${at === 0 ? '' : ','}\n"${cluster}": ${JSON.stringify(contexts)}`
  }
  yield '\n}\n'
}

/**
 * Writes a site: a folder that any web server shows, and that opens as files too. `index.html` has the map and a
 * table of all groups, `clusters/` a page for each, `assets/` what they share. The folder appears complete or not at
 * all. Returns the identities of its files. Throws `input` and `usage` errors.
 */
export const exportSite = async (
  workspace: Workspace,
  runId: string,
  { folder, overwrite = false, ...order }: SiteOptions
): Promise<FolderIdentity> => {
  const mayReplace = overwrite !== false && (await isSite(resolve(folder)))
  return buildFolder(folder, { overwrite: () => mayReplace }, async (temporary) => {
    const report = await readReport(workspace, runId, { clustering: undefined, ...order })
    for (const name of ['assets', 'clusters']) await mkdir(join(temporary, name))
    for (const name of assets)
      await writeFileAtomically(join(temporary, 'assets', name), await readFile(resourcePath('site', name)))
    await writeFileAtomically(join(temporary, 'assets', 'contexts.js'), contextsScript(report))
    const ground = mapGround(report)
    if (ground !== undefined) await writeFileAtomically(join(temporary, 'assets', 'map.svg'), ground.markup)
    await writeFileAtomically(join(temporary, 'index.html'), indexPage(report))
    for (const [at, { cluster }] of report.summaries.entries()) {
      const details = await workspace.getClusterDetails(report.run.id, report.clustering.number, cluster)
      await writeFileAtomically(join(temporary, 'clusters', pageNameOf(cluster)), clusterPage(report, at, details))
    }
  })
}
