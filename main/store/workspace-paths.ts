import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { stamp } from '../base/files'

declare const ofOwnForm: unique symbol

/** A run id in this program's form, safe to use in a path. */
export type RunId = string & { readonly [ofOwnForm]: true }

/** Form of run ids in every version of the program. */
export const runIdForm = /^\d{8}-\d{6}-[0-9a-z]{4}$/

/** A new id, such as "20261122-101530-k3f9". */
export const newRunId = (now: Date): RunId =>
  `${stamp(now)}-${randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0')}` as RunId

/** Checks the form of a run id. Throws a `workspace` error that names it if this program cannot have made it. */
export const checkedRunId = (workspace: string, id: string): RunId => {
  if (runIdForm.test(id)) return id as RunId
  const what = `${workspace}: the run id "${briefly(id)}" does not have this program's form, so something else wrote it`
  throw new SpectroscopeError('workspace', `${what}; ask for an annotated set of the run, and import that.`)
}

/** Folder of a run's transient files. All paths made from ids come from here. */
export const runFolderOf = (workspace: string, id: string): string =>
  join(workspace, 'runs', checkedRunId(workspace, id))

/** Folder of the names that models suggested for a run's clusterings. */
export const namesFolderOf = (workspace: string, id: string): string =>
  join(workspace, 'names', checkedRunId(workspace, id))

/** Folder of the records of sweeps. */
export const sweepsFolderOf = (workspace: string): string => join(workspace, 'sweeps')
