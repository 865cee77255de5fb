import { link, copyFile, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { SamplerConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { EngineProvenance } from '../../preload/records'
import { makePlainFolder } from '../base/plain-files'
import type { Sampled, SampledBlocks } from '../sampling/sampled'
import { type SampledFile, openSampled, writeSampled } from '../sampling/sampled-file'
import { fingerprintOf } from './versions'

const keptName = 'sums'
const begunName = 'begun'

/** File of a run's saved sums, and folder for those of the run that it continues. */
export const keptPath = (runFolder: string): string => join(runFolder, keptName)
export const begunPath = (runFolder: string): string => join(runFolder, begunName)

interface About {
  readonly basis: string
}

/** Hash of everything that determines the sums, except the number of rounds and the target. */
export const basisOf = (
  {
    modelHash,
    study,
    engine
  }: { readonly modelHash: string; readonly study: { readonly hash: string }; readonly engine: EngineProvenance },
  sampler: SamplerConfiguration,
  seed: number,
  observationIncludesProbe: boolean
): string => {
  const { method, nBeta, gamma } = sampler
  const own =
    sampler.method === 'psgld' ? [] : [sampler.observationBatch, sampler.method === 'first-order' ? sampler.pairs : 1]
  return fingerprintOf([
    modelHash,
    study.hash,
    seed,
    observationIncludesProbe,
    engine.name,
    engine.precision,
    method,
    nBeta,
    gamma,
    own
  ])
}

/**
 * Saves sums atomically, so that the run can be continued. Returns their size in bytes. Throws a `storage` error if
 * they cannot be written.
 */
export const keepSums = async (path: string, basis: string, sampled: Sampled): Promise<number> => {
  await writeSampled<About>(path, { basis }, sampled)
  return (await stat(path)).size
}

/**
 * Opens the sums of the run being continued. Throws an `input` error if they are missing, damaged, or from other
 * settings.
 */
export const openSums = async (path: string, basis: string): Promise<SampledFile<SampledBlocks, About>> => {
  const file = await openSampled<SampledBlocks, About>(path)
  if (file.about.basis === basis) return file
  await file.close()
  throw new SpectroscopeError(
    'input',
    `${path} holds sums of another model, corpus, engine or settings; start a new run.`
  )
}

/** Links or copies the sums of a run into the folder of its continuation, so that the first may be deleted. */
export const adoptSums = async (from: string, to: string): Promise<void> => {
  await makePlainFolder(to)
  await link(keptPath(from), begunPath(to)).catch(() => copyFile(keptPath(from), begunPath(to)))
}

/** Deletes the checkpoints of a finished run, but keeps its saved sums. */
export const removeCheckpoints = async (runFolder: string): Promise<void> => {
  const names = await readdir(runFolder).catch((): string[] => [])
  for (const name of names) if (name !== keptName) await rm(join(runFolder, name), { recursive: true, force: true })
  if (!names.includes(keptName)) await rm(runFolder, { recursive: true, force: true })
}
