import { existsSync } from 'node:fs'
import { type BlockConfiguration, roundsOf, blockCount, type RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import type { RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { createRun } from './create-run'
import { keptPath, adoptSums } from './kept-sums'

/**
 * Goal of a continued run: a total number of rounds, or a reliability for every component (within `rounds`, if
 * given).
 */
export interface Continuation {
  readonly rounds?: number | undefined
  readonly reliability?: number | undefined
  readonly name?: string | undefined
}

const continuedSampler = (
  { configuration: { sampler }, id }: RunRecord,
  { rounds, reliability }: Continuation
): BlockConfiguration => {
  if (sampler.method === 'psgld')
    throw new SpectroscopeError(
      'usage',
      `Run ${id} uses the method "psgld", but only "first-order" and "gradient" can be continued; start a new run.`
    )
  if (rounds === undefined && reliability === undefined)
    throw new SpectroscopeError('usage', 'Give a target: --rounds N (in total) or --reliability R.')
  const most = Math.max(rounds ?? 0, roundsOf(sampler))
  const targetReliability = reliability ?? false
  const limit = reliability === undefined ? rounds! : most
  return sampler.method === 'first-order'
    ? { ...sampler, targetReliability, rounds: limit }
    : { ...sampler, targetReliability, draws: blockCount * limit }
}

const continued = ', continued'

/**
 * Creates a run that starts from the sums of a finished one; `resumeRun` then runs it. Its numbers equal, bit for
 * bit, those of a run made at once. Throws a `usage` error if the run cannot be continued or already has as many
 * rounds.
 */
export const createContinuation = async (
  workspace: Workspace,
  run: RunRecord,
  continuation: Continuation
): Promise<RunRecord> => {
  const sampler = continuedSampler(run, continuation)
  if (!run.stages.some(({ stage }) => stage === 'sample'))
    throw new SpectroscopeError('usage', `Run ${run.id} is not fully sampled; resume it first.`)
  if (run.provenance.keptSums == null || !existsSync(keptPath(workspace.runFolder(run.id)))) {
    throw new SpectroscopeError(
      'usage',
      `The sums of run ${run.id} were not saved, so it cannot be continued; start a new run with ` +
        '"sampler.keepSums": true.'
    )
  }
  const done = (await workspace.getDiagnostics(run.id)).reduce(
    (most, { blocks }) => Math.max(most, blocks?.rounds ?? 0),
    0
  )
  if (continuation.reliability === undefined && roundsOf(sampler) <= done)
    throw new SpectroscopeError('usage', `Run ${run.id} already has ${done} rounds; ask for more.`)
  const engine = run.provenance.engine?.name ?? run.configuration.engine
  const configuration: RunConfiguration = { ...run.configuration, sampler, engine }
  const name = continuation.name ?? `${run.name.slice(0, limits.runName - continued.length)}${continued}`
  const provenance = { continued: { run: run.id, name: run.name } }
  const made = await createRun(workspace, configuration, run.baseFolder, name, provenance)
  try {
    await adoptSums(workspace.runFolder(run.id), workspace.runFolder(made.id))
  } catch (error) {
    await workspace.deleteRun(made.id)
    throw error
  }
  return made
}
