import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { clusterExportFormats } from '../../preload/contract'
import type { ClusterExportFormat, ExportAnswer } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { exportAnnotatedSet } from '../exchange/annotated-export'
import { exportRun } from '../exchange/export'
import { writePicture } from '../exchange/picture'
import { exportReport } from '../exchange/report'
import type { Selection } from '../exchange/selection'
import { programVersion } from '../pipeline/versions'
import type { Workspace } from '../store/store'
import type { HandlersOf, WorkbenchContext } from './context'
import { withWorkspace } from './workspaces'

export const exportFormats = clusterExportFormats
export type ExportFormat = ClusterExportFormat

/** Formats that are one file; the others are a folder. */
export const fileFormats: ReadonlySet<ExportFormat> = new Set<ExportFormat>(['annotated', 'html'])

interface Order {
  readonly format: ExportFormat
  readonly path: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly overwrite: boolean
  readonly picture?: string
}

const program = `spectroscope ${programVersion}`

const write = async (workspace: Workspace, run: string, { format, path, clusters, overwrite, picture, clustering }: Order): Promise<void> => {
  const which = { clusters, overwrite, ...(clustering === undefined ? {} : { clustering }) }
  if (format === 'annotated') await exportAnnotatedSet(workspace, run, { file: path, program, ...which })
  else if (format === 'html') await exportReport(workspace, run, { file: path, program, ...which, ...(picture === undefined ? {} : { picture }) })
  else await exportRun(workspace, run, { format, folder: path, ...which })
}

/** What was written: a file, or a folder with its files. */
const written = async (path: string): Promise<ExportAnswer> => {
  const place = resolve(path)
  const there = await stat(place)
  if (!there.isDirectory()) return { path: place, files: [basename(place)], bytes: there.size }
  const files = (await readdir(place)).sort()
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(place, file))).size))
  return { path: place, files, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

export const exportCalls = (context: WorkbenchContext): HandlersOf<'exports'> => {
  /** Files that a window may fetch: none but those that it had written. */
  const files = new Set<string>()
  const answered = async (path: string): Promise<ExportAnswer> => {
    const answer = await written(path)
    files.add(answer.path)
    return answer
  }

  return {
    'exports.write': async ({ run, clustering, format, clusters, path, overwrite, picture }) => {
      await write(context.workspace(), run, { format, path, clustering, clusters, overwrite, ...(picture === undefined ? {} : { picture }) })
      return answered(path)
    },
    'exports.picture': async ({ path, content, overwrite }) => {
      await writePicture(path, content, overwrite)
      return answered(path)
    },
    'exports.link': async ({ path }) => {
      const { link } = context.environment
      const file = resolve(path)
      if (!files.has(file)) throw new SpectroscopeError('usage', `${path} was not exported here; export it first.`)
      return link === undefined || (await stat(file)).isDirectory() ? null : { address: link(file) }
    }
  }
}

export interface ExportRequest {
  readonly format: ExportFormat
  /** A file for `annotated` and `html`, a folder otherwise. */
  readonly path: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly overwrite: boolean
}

export interface Exported extends ExportAnswer {
  readonly run: string
  readonly format: ExportFormat
  readonly folder: string
}

/** Writes a run's matrix, tokens, clusters and labels into a file or folder, which is there whole or not at all. */
export const exportTo = (workspace: string, run: string, order: ExportRequest): Promise<Exported> =>
  withWorkspace(workspace, 'read', async (opened) => {
    const { id } = await opened.findRun(run)
    await write(opened, id, order)
    const answer = await written(order.path)
    return { run: id, format: order.format, folder: fileFormats.has(order.format) ? dirname(answer.path) : answer.path, ...answer }
  })
