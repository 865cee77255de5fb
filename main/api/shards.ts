import { dirname, resolve } from 'node:path'
import type { RunSummary } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { checkConfiguration, readConfiguration } from '../pipeline/checks'
import { runPiece } from '../pipeline/pieces'
import type { PieceOptions, PieceSummary } from '../pipeline/pieces'
import type { StartOptions } from '../pipeline/run-options'
import { checkThreads } from '../pipeline/room'
import { readSet } from '../pipeline/shard-set'
import { defaultShardFolder, gatherRun, shardRun } from '../pipeline/shards'
import type { ShardOptions } from '../pipeline/shards'
import { working } from './runs'
import { withWorkspace } from './workspaces'

export type { PieceSummary } from '../pipeline/pieces'

/** What a run was divided into. */
export interface ShardSummary {
  readonly folder: string
  readonly set: string
  readonly tokens: number
  readonly components: number
  readonly engine: string
  readonly script: string
  readonly pieces: readonly { readonly index: number; readonly chains: number; readonly share: number }[]
}

const named = (folder: string): string => {
  if (folder.trim() === '') throw new SpectroscopeError('usage', 'The folder of the pieces has no name; give its path.')
  return resolve(folder)
}

/** Divides the run of a configuration file into pieces; beside the file where `into` is not given. */
export const shardFromFile = async (file: string, into: string | undefined, options: ShardOptions): Promise<ShardSummary> => {
  const configuration = await readConfiguration(file)
  const baseFolder = dirname(resolve(file))
  await checkConfiguration(configuration, baseFolder)
  const folder = into === undefined ? defaultShardFolder(file) : named(into)
  const { id, tokens, components, engine, pieces } = await shardRun(configuration, baseFolder, folder, options)
  return {
    folder, set: id, tokens, components: components.length, engine: engine.name, script: resolve(folder, 'sbatch.sh'),
    pieces: pieces.map(({ index, chains, share }) => ({ index, chains: chains.length, share }))
  }
}

/** Samples one piece of a run; see `runPiece`. */
export const workOnPiece = async (folder: string, index: number, options: PieceOptions): Promise<PieceSummary> => {
  checkThreads(options.threads, '--threads')
  return runPiece(named(folder), index, options)
}

/** Makes a run of pieces that are done, in a workspace that is made if need be. */
export const gather = async (workspaceFolder: string, folder: string, options: StartOptions): Promise<RunSummary> => {
  const pieces = named(folder)
  await readSet(pieces)
  return withWorkspace(workspaceFolder, 'create', (workspace) => working(workspace, workspaceFolder, options, (relayed) => gatherRun(workspace, pieces, { ...options, ...relayed })))
}
