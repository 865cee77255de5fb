import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseConfiguration, suitClustering } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import { componentNamed } from '../../preload/devinterp-names'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { readingFault } from '../base/faults'
import { isLfsPointer, pointerRemedy } from '../base/git-lfs'
import { parseJson } from '../base/json-text'
import { listCorpusFiles } from '../corpora/files'
import { checkRowLength } from '../corpora/study'
import { checkEngine } from '../engine/engines'
import type { Architecture } from '../models/architecture'
import { componentNames, groupedComponentNames } from '../models/components'
import { readModelConfig } from '../models/config'
import { checkStudySize } from './room'

const mostListed = 40

const listed = (names: readonly string[]): string =>
  names.length > mostListed ? `${names.slice(0, mostListed).join(', ')}, …` : names.join(', ')

/**
 * Returns the chosen components in the given order, all of them for `all`, or those with groups for `groups`. A list
 * may have devinterp's names. Throws a `configuration` error that lists the valid names.
 */
export const chooseComponents = (
  asked: RunConfiguration['components'],
  available: readonly string[],
  grouped: readonly string[] = available
): readonly string[] => {
  if (asked === 'all') return available
  if (asked === 'groups') return grouped
  const known = new Set([...available, ...grouped])
  const chosen = asked.map((name) => (known.has(name) ? name : componentNamed(name)))
  const unknown = chosen.find((name) => !known.has(name))
  if (unknown !== undefined) {
    const what = `this model has no component "${briefly(unknown)}"`
    throw new SpectroscopeError('configuration', `"components": ${what}; choose from ${listed(available)}.`)
  }
  const seen = new Set<string>()
  const twice = chosen.find((name) => seen.size === seen.add(name).size)
  if (twice !== undefined) {
    const what = `"components": "${briefly(twice)}" is listed twice`
    throw new SpectroscopeError('configuration', `${what}; list every component once.`)
  }
  return chosen
}

/** Components of a run with this configuration. Throws as `chooseComponents` does. */
export const componentsOf = (
  { components }: Pick<RunConfiguration, 'components'>,
  architecture: Architecture
): readonly string[] => chooseComponents(components, componentNames(architecture), groupedComponentNames(architecture))

const read = async (file: string, remedy: string): Promise<Buffer> => {
  try {
    return await readFile(file)
  } catch (error) {
    throw new SpectroscopeError('input', `${file} ${readingFault(error)}; ${remedy}.`, { cause: error })
  }
}

const mustExist = async (path: string, key: string): Promise<void> => {
  await stat(path).catch((error: unknown) => {
    throw new SpectroscopeError(
      'input',
      `"${key}": ${path} does not exist; correct the path, which starts from the configuration's folder.`,
      { cause: error }
    )
  })
}

const mostConfigurationBytes = 10e6

/**
 * Reads a configuration file as JSON, without checking its content. Throws a `configuration` error that names the
 * file, or an `input` error if there is no such file.
 */
export const readConfigurationFile = async (file: string): Promise<object> => {
  const { size } = await stat(file).catch(() => ({ size: 0 }))
  if (size > mostConfigurationBytes)
    throw new SpectroscopeError(
      'configuration',
      `${file} is too large for a configuration (${Math.round(size / 1e6)} MB); name another file.`
    )
  const bytes = await read(file, 'give the path of a configuration file')
  if (isLfsPointer(bytes, bytes.length)) throw new SpectroscopeError('configuration', `${file} is ${pointerRemedy}.`)
  let value: unknown
  try {
    value = parseJson(bytes)
  } catch (error) {
    const why = (error as Error).message
    throw new SpectroscopeError('configuration', `${file} is ${why}; correct it.`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SpectroscopeError('configuration', `${file} is not a configuration; it must be one JSON object.`)
  return value
}

/**
 * Reads and checks a configuration file. Throws a `configuration` error that names the file and the key, or an
 * `input` error if there is no such file.
 */
export const readConfiguration = async (file: string): Promise<RunConfiguration> => {
  const value = await readConfigurationFile(file)
  if (!('sweep' in value)) return parseConfiguration(value, file)
  const what = `${file} has a "sweep", which is several runs`
  throw new SpectroscopeError('configuration', `${what}; start it with \`spectroscope sweep\`, or remove the section.`)
}

/**
 * Cheap checks of a run before its workspace is created: the files exist and have known types, the model has the
 * components, and the engine exists. Throws an `input`, `configuration` or `engine` error.
 */
export const checkConfiguration = async (configuration: RunConfiguration, baseFolder: string): Promise<void> => {
  const { model, weights, corpus, rows } = configuration
  const { architecture } = await readModelConfig(resolve(baseFolder, model))
  const components = componentsOf(configuration, architecture)
  checkEngine(configuration.engine, configuration.precision)
  if (weights !== undefined) await mustExist(resolve(baseFolder, weights), 'weights')
  if (rows !== undefined) await mustExist(resolve(baseFolder, rows), 'rows')
  const files = corpus?.files ?? []
  for (const [i, file] of files.entries()) await mustExist(resolve(baseFolder, file), `corpus.files[${i}]`)
  await listCorpusFiles(files, baseFolder)
  if (corpus !== undefined) checkRowLength(corpus, architecture)
  checkStudySize(configuration, components.length)
}

/**
 * Throws a `configuration` error if there are too few tokens for the neighbours setting, before hours of sampling
 * rather than after.
 */
export const checkNeighbours = ({ clustering }: RunConfiguration, tokens: number): void => {
  if (clustering === false) return
  const { neighbours } = suitClustering(clustering, tokens)
  if (neighbours < tokens) return
  throw new SpectroscopeError(
    'configuration',
    `"clustering.neighbours" is ${neighbours}, but there are only ${tokens.toLocaleString('en')} studied tokens; ` +
      'lower it, or study more tokens.'
  )
}
