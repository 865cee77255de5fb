import { SpectroscopeError } from '../../preload/errors'
import type { Workspace } from '../store/store'
import { openWorkspace } from '../store/store'

export type Access = 'create' | 'write' | 'read'

/** Opens a workspace, does `work` with it, and closes it whatever happens. `create` makes it if it is not there. */
export const withWorkspace = async <T>(folder: string, access: Access, work: (workspace: Workspace) => Promise<T>): Promise<T> => {
  if (folder.trim() === '') throw new SpectroscopeError('usage', 'The workspace has no name; give --workspace, or SPECTROSCOPE_WORKSPACE, a folder.')
  const workspace = await openWorkspace(folder, { create: access === 'create', readOnly: access === 'read' })
  for (const note of workspace.notes) process.stderr.write(`${note}\n`)
  try {
    return await work(workspace)
  } finally {
    await workspace.close()
  }
}
