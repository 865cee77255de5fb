import { SpectroscopeError } from '../../preload/errors'
import { complain } from '../base/printed'
import type { Workspace } from '../store/store'
import { openWorkspace } from '../store/store'
import { readingOnly, refuseForeign, standingOf, trustWorkspace } from './trust'

export type Access = 'create' | 'write' | 'read'

/**
 * Opens a workspace, runs `work` with it, and closes it in any case. `create` creates a missing one. A workspace that
 * the user neither made nor trusts is opened with a note for `read`, and refused otherwise with a `workspace` error.
 */
export const withWorkspace = async <T>(
  folder: string,
  access: Access,
  work: (workspace: Workspace) => Promise<T>
): Promise<T> => {
  if (folder.trim() === '')
    throw new SpectroscopeError('usage', 'No workspace folder given; set --workspace or SPECTROSCOPE_WORKSPACE.')
  if (access !== 'read') await refuseForeign(folder)
  const standing = await standingOf(folder)
  if (standing === 'foreign') complain(readingOnly(folder))
  const workspace = await openWorkspace(folder, { create: access === 'create', readOnly: access === 'read' })
  try {
    const unkept = standing === 'new' ? await trustWorkspace(folder) : null
    for (const note of [...workspace.notes, ...(unkept === null ? [] : [unkept])]) complain(note)
    return await work(workspace)
  } finally {
    await workspace.close()
  }
}
