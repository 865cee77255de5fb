import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { stamp } from '../base/files'

declare const ofOwnForm: unique symbol

/** The id of a run in the program's own form, which a path can be made from. */
export type RunId = string & { readonly [ofOwnForm]: true }

/** Ids of runs, as every version of the program has given them. */
export const runIdForm = /^\d{8}-\d{6}-[0-9a-z]{4}$/

/** "20261122-101530-k3f9" */
export const newRunId = (now: Date): RunId =>
  `${stamp(now)}-${randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0')}` as RunId

/** The id as one that this program gave. Throws a `workspace` error that names it where it is of another form. */
export const checkedRunId = (workspace: string, id: string): RunId => {
  if (runIdForm.test(id)) return id as RunId
  const what = `${workspace}: the run id "${briefly(id)}" is none that this program gives, so something else wrote it`
  throw new SpectroscopeError('workspace', `${what}; ask for an annotated set of the run, and import that.`)
}

/** Folder of a run's transient files: the only way from an id to a path. */
export const runFolderOf = (workspace: string, id: string): string =>
  join(workspace, 'runs', checkedRunId(workspace, id))

/** Folder of the names that models suggested for a run's clusterings. */
export const namesFolderOf = (workspace: string, id: string): string =>
  join(workspace, 'names', checkedRunId(workspace, id))
