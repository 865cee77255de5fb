import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { exportRun } from '../exchange/export'
import type { ExportFormat } from '../exchange/export'
import { withWorkspace } from './workspaces'

export { exportFormats } from '../exchange/export'
export type { ExportFormat } from '../exchange/export'

export interface ExportRequest {
  readonly format: ExportFormat
  readonly folder: string
  readonly clustering?: number
  readonly overwrite: boolean
}

export interface Exported {
  readonly run: string
  readonly format: ExportFormat
  readonly folder: string
  readonly files: readonly string[]
}

/** Writes a run's matrix, tokens and clusters into a folder, which is there whole or not at all. */
export const exportTo = (workspace: string, run: string, { format, folder, clustering, overwrite }: ExportRequest): Promise<Exported> =>
  withWorkspace(workspace, 'read', async (opened) => {
    const { id } = await opened.findRun(run)
    await exportRun(opened, id, { format, folder, overwrite, ...(clustering === undefined ? {} : { clustering }) })
    return { run: id, format, folder: resolve(folder), files: (await readdir(folder)).sort() }
  })
