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
  /** View state: pane sizes, sort orders, what was open. */
  save: call({ key: name, value: z.json() }, gives<null>())
}

export const workspaceCalls = {
  open: call({ folder: path, create: z.boolean().default(false) }, gives<AppState>()),
  /** Trusts the workspace that `untrusted` names, for good, and opens it for writing. */
  trust: call({ folder: path }, gives<AppState>())
}

export const enginesCalls = {
  measure: call({}, gives<readonly EngineRate[]>()),
  /** What an installation needs and downloads; looks at the server for that. */
  describeInstallation: call({ name }, gives<EngineInstallation>()),
  /** Answers with a job. */
  install: call({ name }, gives<Job>())
}

export const jobsCalls = {
  list: call({}, gives<readonly Job[]>()),
  cancel: call({ job: text(limits.word) }, gives<null>())
}

export const filesCalls = {
  /** A folder of this machine; the home folder where none is given. */
  list: call({ folder: path.optional(), hidden: z.boolean().default(false) }, gives<FolderListing>()),
  /** The system's own dialog; answers null where there is none, and [] where it was dismissed. */
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
  /** Answers with a job. */
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
