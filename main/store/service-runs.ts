import { rm } from 'node:fs/promises'
import { z } from 'zod'
import type { RunConfiguration } from '../../preload/configuration'
import { stageNames } from '../../preload/records'
import type { RunRecord } from '../../preload/records'
import { changing, never, reading, replacing, safe } from './method'
import { clustering, name, object, run } from './parameters'
import * as runs from './runs'
import { namesFolderOf, runFolderOf } from './workspace-paths'

const provenance = object<RunRecord['provenance']>()
const time = z.iso.datetime().nullable().exactOptional()
const newRun = z.object({
  name,
  configuration: object<RunConfiguration>(),
  baseFolder: z.string(),
  provenance: provenance.exactOptional()
})
const runChanges = z.object({
  status: z.enum(['pending', 'running', 'interrupted', 'failed', 'finished']).exactOptional(),
  stage: z.enum(stageNames).nullable().exactOptional(),
  startedAt: time,
  finishedAt: time,
  error: z.string().nullable().exactOptional(),
  provenance: provenance.exactOptional()
})

/** What a run has beside the database. */
const foldersOf = (workspace: string, id: string): string[] => [
  runFolderOf(workspace, id),
  namesFolderOf(workspace, id)
]

const drop = async (folders: readonly string[]): Promise<void> => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
}

export const runMethods = {
  createRun: never([newRun], changing(runs.createRun)),
  /** Oldest first. */
  listRuns: safe([], reading(runs.listRuns)),
  getRun: safe([run], reading(runs.getRun)),
  /**
   * Finds a run by its id, a unique beginning of it, its unique name, or "latest". Throws an `input` error if there
   * is none.
   */
  findRun: safe([z.string()], reading(runs.findRun)),
  renameRun: safe([run, name], changing(runs.renameRun)),
  updateRun: safe([run, runChanges], changing(runs.updateRun)),
  /** Deletes the run, all its results and its files. */
  deleteRun: never([run], async ({ session }, id: string) => {
    const folders = foldersOf(session.folder, id)
    await session.replacing((connection) => runs.deleteRun(connection, id))
    await drop(folders)
  }),
  /**
   * Copies the only run of another workspace's database (an absolute path) under its own id. Returns the existing run
   * if it was copied before.
   */
  copyRun: never([z.string(), z.string()], replacing(runs.copyRun)),
  /** Deletes the runs that are marked as deleted, with their files; returns their ids. */
  purgeDeleted: safe([], async ({ session }) => {
    const purged = await session.replacing(runs.purgeDeleted)
    for (const id of purged) await drop(foldersOf(session.folder, id))
    return purged
  }),
  renameClustering: safe([run, clustering, name], replacing(runs.renameClustering)),
  deleteClustering: never([run, clustering], replacing(runs.deleteClustering))
}
