import { resolve } from 'node:path'
import type { RunConfiguration, SamplerConfiguration } from '../../preload/configuration'
import { listCorpusFiles } from '../corpora/files'
import { spreadTargets, prepareStudy, checkRowLength } from '../corpora/study'
import type { Architecture } from '../models/architecture'
import { readModelConfig } from '../models/config'
import { chainNames } from '../sampling/input'
import { componentsOf } from './checks'
import type { Prepared } from './messages'

/** Lengths of the rows of a configuration, in order. */
export interface RowSets {
  readonly sampling: readonly number[]
  readonly observation: readonly number[]
  readonly probe: readonly number[]
  readonly tokens: number
}

/** Everything in a configuration and its model that determines the cost of a run. */
export interface Plan {
  readonly architecture: Architecture
  readonly components: readonly string[]
  readonly rows: RowSets
  readonly corpusBytes: number
}

export const sum = (values: Iterable<number>): number => {
  let total = 0
  for (const value of values) total += value
  return total
}

const rowsOfStudy = ({ sampling, observation, probe, targets }: Prepared['study']): RowSets => {
  const lengths = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)
  return {
    sampling: lengths(sampling),
    observation: lengths(observation),
    probe: lengths(probe),
    tokens: sum(lengths(targets))
  }
}

const rowsOf = async (
  configuration: RunConfiguration,
  baseFolder: string,
  architecture: Architecture
): Promise<RowSets> => {
  const { corpus } = configuration
  if (corpus !== undefined) {
    const rows = (count: number): number[] => new Array<number>(count).fill(corpus.rowLength)
    return {
      sampling: rows(configuration.sampler.method === 'psgld' ? corpus.sampling : 0),
      observation: rows(corpus.observation),
      probe: rows(corpus.probe),
      tokens: corpus.probe * spreadTargets(corpus.rowLength, corpus.probeTokensPerRow).length
    }
  }
  return rowsOfStudy(
    await prepareStudy(
      configuration,
      baseFolder,
      { architecture, folder: resolve(baseFolder, configuration.model) },
      null
    )
  )
}

const architectureOf = async ({ model }: RunConfiguration, baseFolder: string): Promise<Architecture> =>
  (await readModelConfig(resolve(baseFolder, model))).architecture

export const planOf = async (configuration: RunConfiguration, baseFolder: string): Promise<Plan> => {
  const architecture = await architectureOf(configuration, baseFolder)
  if (configuration.corpus !== undefined) checkRowLength(configuration.corpus, architecture)
  const { files } = await listCorpusFiles(configuration.corpus?.files ?? [], baseFolder)
  return {
    architecture,
    components: componentsOf(configuration, architecture),
    rows: await rowsOf(configuration, baseFolder, architecture),
    corpusBytes: sum(files.map(({ bytes }) => bytes))
  }
}

/** Component of every chain. */
export const chainsOf = ({ components }: Plan, sampler: SamplerConfiguration): string[] =>
  chainNames({ components, sampler }).map(({ component }) => component)

export const includesProbe = (corpus: RunConfiguration['corpus']): boolean => corpus?.observationIncludesProbe ?? false

export const preparedPlan = async (
  configuration: RunConfiguration,
  baseFolder: string,
  { components, study }: Pick<Prepared, 'components' | 'study'>
): Promise<Plan> => ({
  architecture: await architectureOf(configuration, baseFolder),
  components,
  rows: rowsOfStudy(study),
  corpusBytes: 0
})
