import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { clusterExportFormats } from '../../preload/contract'
import type { ClusterExportFormat, ExportAnswer } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { FileIdentity } from '../base/files'
import { exportAnnotatedSet } from '../exchange/annotated-export'
import { exportRun } from '../exchange/export'
import type { Overwrite } from '../exchange/output'
import { writePicture } from '../exchange/picture'
import { exportReport } from '../exchange/report'
import type { Selection } from '../exchange/selection'
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
}

const program = `spectroscope ${programVersion}`

/** Writes an export. Returns the identity of the file; undefined for a folder. */
const write = async (
  workspace: Workspace,
  run: string,
  { format, path, clusters, overwrite, rawCells = false, picture, clustering }: Order
): Promise<FileIdentity | undefined> => {
  const which = { clusters, overwrite, ...(clustering === undefined ? {} : { clustering }) }
  if (format === 'annotated') return exportAnnotatedSet(workspace, run, { file: path, program, ...which })
  if (format === 'html') {
    const drawn = picture === undefined ? {} : { picture }
    return exportReport(workspace, run, { file: path, program, ...which, ...drawn })
  }
  await exportRun(workspace, run, { format, folder: path, rawCells, ...which })
  return undefined
}

/** Files at a path that was written: the file itself, or those in the folder. */
const written = async (path: string): Promise<ExportAnswer> => {
  const place = resolve(path)
  const there = await stat(place)
  if (!there.isDirectory()) return { path: place, files: [basename(place)], bytes: there.size }
  const files = (await readdir(place)).sort()
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(place, file))).size))
  return { path: place, files, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

export const exportCalls = (context: WorkbenchContext): HandlersOf<'exports'> => {
  /** Exports written by windows, by path. Only files can be downloaded. */
  const exported = new Map<string, FileIdentity | undefined>()
  const answered = async (path: string, file: FileIdentity | undefined): Promise<ExportAnswer> => {
    const answer = await written(path)
    exported.set(answer.path, file)
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
      if (!exported.has(place)) throw new SpectroscopeError('usage', `${path} was not exported here; export it first.`)
      const file = exported.get(place)
      return link === undefined || file === undefined ? null : { address: link(place, file) }
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
    await write(opened, id, order)
    const answer = await written(order.path)
    return {
      run: id,
      format: order.format,
      folder: fileFormats.has(order.format) ? dirname(answer.path) : answer.path,
      ...answer
    }
  })
