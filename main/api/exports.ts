import { basename, dirname, resolve } from 'node:path'
import { clusterExportFormats, isTokenFormat, tokenExportFormats } from '../../preload/contract'
import type { ClusterExportFormat, ExportAnswer } from '../../preload/contract'
import { pythonOf } from '../../preload/contract-python'
import { SpectroscopeError } from '../../preload/errors'
import { isSelection, parseTarget } from '../../preload/label-rules'
import { comparedName } from '../../preload/labels'
import { briefly } from '../../preload/quoting'
import { isFolder } from '../base/files'
import type { FileIdentity, FolderIdentity } from '../base/files'
import { exportAnnotatedSet } from '../exchange/annotated-export'
import { exportRun } from '../exchange/export'
import type { Overwrite } from '../exchange/output'
import { writePicture } from '../exchange/picture'
import { exportReport } from '../exchange/report'
import { clusteringOf } from '../exchange/selection'
import type { Selection } from '../exchange/selection'
import { exportSite } from '../exchange/site'
import { programVersion } from '../pipeline/versions'
import { databaseName } from '../store/database'
import type { Workspace } from '../store/store'
import type { HandlersOf, WorkbenchContext } from './context'
import { withWorkspace } from './workspaces'

export const exportFormats = clusterExportFormats
export type ExportFormat = ClusterExportFormat

/** Formats written as a single file; all others are folders. */
export const fileFormats: ReadonlySet<ExportFormat> = new Set<ExportFormat>(['annotated', 'html'])

interface Order {
  readonly format: ExportFormat
  readonly path: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly tokens?: ArrayLike<number> | undefined
  readonly overwrite: Overwrite
  readonly rawCells?: boolean
  readonly picture?: string
  readonly contexts?: number | undefined
}

const program = `spectroscope ${programVersion}`

type Files = FileIdentity | FolderIdentity

const write = async (
  workspace: Workspace,
  run: string,
  { format, path, clusters, tokens, overwrite, rawCells = false, picture, contexts, clustering }: Order
): Promise<Files> => {
  if (tokens !== undefined && !isTokenFormat(format))
    throw new SpectroscopeError(
      'usage',
      `The format ${format} holds whole clusters; export selected tokens as ${tokenExportFormats.join(', ')}.`
    )
  const which = { clusters, overwrite, ...(clustering === undefined ? {} : { clustering }) }
  if (format === 'annotated') return exportAnnotatedSet(workspace, run, { file: path, program, ...which })
  if (format === 'html') {
    const drawn = picture === undefined ? {} : { picture }
    return exportReport(workspace, run, { file: path, program, ...which, ...drawn })
  }
  if (format === 'site')
    return exportSite(workspace, run, {
      folder: path,
      program,
      ...which,
      ...(contexts === undefined ? {} : { contexts })
    })
  return exportRun(workspace, run, { format, folder: path, rawCells, tokens, ...which })
}

/** Tokens of a selection by its number or name. Throws an `input` error if there is none, or several of that name. */
const selectedTokens = async (
  workspace: Workspace,
  runId: string,
  number: number | undefined,
  text: string
): Promise<readonly number[]> => {
  const run = await workspace.getRun(runId)
  const all = (await workspace.getAnnotations(runId, clusteringOf(run, number).number)).filter(({ target }) =>
    isSelection(target)
  )
  const byNumber = all.filter(({ target }) => String(parseTarget(target).number) === text)
  const found = byNumber.length > 0 ? byNumber : all.filter(({ name }) => comparedName(name) === comparedName(text))
  if (found.length === 1) return found[0].tokens ?? []
  const what = found.length === 0 ? 'has no selection' : 'has several selections named'
  const remedy = `\`labels ${runId}\` lists selections by number`
  throw new SpectroscopeError('input', `Run ${runId} ${what} "${briefly(text)}"; ${remedy}.`)
}

/** Answer for a file, or for a folder with its files. */
const written = (path: string, files: Files): ExportAnswer => {
  const place = resolve(path)
  if (!isFolder(files)) return { path: place, files: [basename(place)], bytes: Number(files.bytes) }
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0n)
  return { path: place, files: [...files.keys()], bytes: Number(bytes) }
}

export const exportCalls = (context: WorkbenchContext): HandlersOf<'exports'> => {
  /** Exports written by windows, by path. */
  const exported = new Map<string, Files>()
  const answered = (path: string, files: Files): ExportAnswer => {
    const answer = written(path, files)
    exported.set(answer.path, files)
    return answer
  }

  return {
    write: async ({ run, picture, ...asked }) => {
      await context.reach.check(asked.path)
      const order = { ...asked, ...(picture === undefined ? {} : { picture }) }
      return answered(asked.path, await write(context.workspace(), run, order))
    },
    picture: async ({ path, content, overwrite }) => {
      await context.reach.check(path)
      return answered(path, await writePicture(path, content, overwrite))
    },
    link: ({ path }) => {
      const { link } = context.environment
      const place = resolve(path)
      const files = exported.get(place)
      if (files === undefined) throw new SpectroscopeError('usage', `${path} was not exported here; export it first.`)
      return link === undefined ? null : { address: link(place, files) }
    }
  }
}

export interface ExportRequest {
  readonly format: ExportFormat
  /** A file for `annotated` and `html`, otherwise a folder. */
  readonly path: string
  readonly clustering?: number
  readonly clusters: Selection
  /** Number or name of a selection, of which only the tokens are written. */
  readonly selection?: string | undefined
  readonly overwrite: Overwrite
  /** Leave CSV text cells unchanged; off by default. */
  readonly rawCells?: boolean
  /** Contexts on the page of each cluster of a site; by default fewer where there are many clusters. */
  readonly contexts?: number | undefined
}

export interface Exported extends ExportAnswer {
  readonly run: string
  readonly format: ExportFormat
  readonly folder: string
}

/** Exports a run's matrix, tokens, clusters and labels to a file or folder, atomically. */
export const exportTo = (workspace: string, run: string, order: ExportRequest): Promise<Exported> =>
  withWorkspace(workspace, 'read', async (opened) => {
    const { id } = await opened.findRun(run)
    const { selection, clustering } = order
    const tokens = selection === undefined ? undefined : await selectedTokens(opened, id, clustering, selection)
    const answer = written(order.path, await write(opened, id, { ...order, tokens }))
    return {
      run: id,
      format: order.format,
      folder: fileFormats.has(order.format) ? dirname(answer.path) : answer.path,
      ...answer
    }
  })

/** Lines of Python that load a clustering (the latest by default) from the database of a workspace. */
export const pythonOfWorkspace = (
  folder: string,
  text: string,
  number: number | undefined
): Promise<{ readonly run: string; readonly clustering: number; readonly python: string }> =>
  withWorkspace(folder, 'read', async (workspace) => {
    const run = await workspace.findRun(text)
    const clustering = clusteringOf(run, number).number
    const python = pythonOf('workspace', resolve(folder, databaseName), run.id, clustering)
    return { run: run.id, clustering, python }
  })
