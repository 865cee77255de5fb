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

/** Where the sums of a run are kept, and those of the run that it continues. */
export const keptPath = (runFolder: string): string => join(runFolder, keptName)
export const begunPath = (runFolder: string): string => join(runFolder, begunName)

interface About {
  readonly basis: string
}

/** What decides the numbers of sums, whatever the number of rounds and the target. */
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
 * Keeps sums so that a run can be continued; whole or not at all. Answers their bytes. Throws a `storage` error when
 * they can't be written.
 */
export const keepSums = async (path: string, basis: string, sampled: Sampled): Promise<number> => {
  await writeSampled<About>(path, { basis }, sampled)
  return (await stat(path)).size
}

/**
 * The sums of the run that is continued. Throws an `input` error where they are gone, damaged, or of other settings.
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

/** Gives the folder of a new run the sums of the run that it continues, which may be deleted then. */
export const adoptSums = async (from: string, to: string): Promise<void> => {
  await makePlainFolder(to)
  await link(keptPath(from), begunPath(to)).catch(() => copyFile(keptPath(from), begunPath(to)))
}

/** Removes what is left of a finished run's checkpoints; its kept sums stay. */
export const removeCheckpoints = async (runFolder: string): Promise<void> => {
  const names = await readdir(runFolder).catch((): string[] => [])
  for (const name of names) if (name !== keptName) await rm(join(runFolder, name), { recursive: true, force: true })
  if (!names.includes(keptName)) await rm(runFolder, { recursive: true, force: true })
}
