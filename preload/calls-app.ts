import { z } from 'zod'
import { call, gives } from './call'
import { configuration, name, runName } from './call-parameters'
import type { Job } from './contract-explore'
import type { EngineInstallation, EngineRate } from './contract-progress'
import type { CorpusPreview, FolderListing, ModelDescription } from './contract-runs'
import { settingsChanges } from './contract-settings'
import type { AppState, Settings } from './contract-settings'
import { index, limits, path, text } from './limits'

export const appCalls = {
  state: call({}, gives<AppState>())
}

export const settingsCalls = {
  change: call({ changes: settingsChanges }, gives<Settings>())
}

export const viewsCalls = {
  /** Saves view state: pane sizes, sort orders, open pages. */
  save: call({ key: name, value: z.json() }, gives<null>())
}

export const workspaceCalls = {
  open: call({ folder: path, create: z.boolean().default(false) }, gives<AppState>()),
  /** Trusts the workspace named by `untrusted` permanently and opens it for writing. */
  trust: call({ folder: path }, gives<AppState>())
}

export const enginesCalls = {
  measure: call({}, gives<readonly EngineRate[]>()),
  /** Describes what an installation needs and downloads. Asks the server. */
  describeInstallation: call({ name }, gives<EngineInstallation>()),
  /** Starts a job. */
  install: call({ name }, gives<Job>())
}

export const jobsCalls = {
  list: call({}, gives<readonly Job[]>()),
  cancel: call({ job: text(limits.word) }, gives<null>())
}

export const filesCalls = {
  /** Lists a folder of this machine; the home folder by default. */
  list: call({ folder: path.optional(), hidden: z.boolean().default(false) }, gives<FolderListing>()),
  /** Shows the system's file dialog. Returns null if there is none, and [] if the user dismissed it. */
  choose: call(
    {
      purpose: z.enum([
        'model',
        'corpus-files',
        'corpus-folder',
        'folder',
        'save',
        'import',
        'workspace',
        'configuration'
      ]),
      title: text(limits.word),
      suggested: text(limits.path).optional()
    },
    gives<readonly string[] | null>()
  )
}

export const modelsCalls = {
  describe: call({ folder: path, weights: path.optional() }, gives<ModelDescription>()),
  /** Starts a job. */
  fetch: call(
    {
      name: runName.min(1),
      revision: text(limits.word).optional(),
      folder: path.optional()
    },
    gives<Job>()
  )
}

export const corporaCalls = {
  preview: call({ configuration, baseFolder: path, rows: index.max(200).default(12) }, gives<CorpusPreview>())
}
