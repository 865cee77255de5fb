import { basename, dirname, resolve } from 'node:path'
import { clusterExportFormats } from '../../preload/contract'
import type { ClusterExportFormat, ExportAnswer } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { isFolder } from '../base/files'
import type { FileIdentity, FolderIdentity } from '../base/files'
import { exportAnnotatedSet } from '../exchange/annotated-export'
import { exportRun } from '../exchange/export'
import type { Overwrite } from '../exchange/output'
import { writePicture } from '../exchange/picture'
import { exportReport } from '../exchange/report'
import type { Selection } from '../exchange/selection'
import { exportSite } from '../exchange/site'
import { programVersion } from '../pipeline/versions'
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
  { format, path, clusters, overwrite, rawCells = false, picture, contexts, clustering }: Order
): Promise<Files> => {
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
  return exportRun(workspace, run, { format, folder: path, rawCells, ...which })
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
    const answer = written(order.path, await write(opened, id, order))
    return {
      run: id,
      format: order.format,
      folder: fileFormats.has(order.format) ? dirname(answer.path) : answer.path,
      ...answer
    }
  })
