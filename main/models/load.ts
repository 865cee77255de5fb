import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import type { Architecture, Model, Tensor } from './architecture'
import { canonicalName, embeddingTables, familyOf, tensorShapes } from './architectures'
import { readModelConfig } from './config'
import { hashFile, readTensors } from './safetensors'
import type { TensorEntry } from './safetensors-header'
import { isBuffer, withoutWrappers } from './tensor-names'
import { adapterFault, tensorFault } from './unsupported'
import { readHeaders, weightNames } from './weight-files'

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i])

const checkTensors = (source: string, architecture: Architecture, entries: readonly TensorEntry[]): void => {
  const foreign = (what: string): SpectroscopeError =>
    new SpectroscopeError('input', `${source}: ${what}; use weights that belong to this config.json.`)
  const kind = tensorFault(entries.map(({ name }) => name))
  if (kind !== undefined) throw new SpectroscopeError('input', `${source}: ${kind}.`)
  const shapes = tensorShapes(architecture)
  const family = familyOf(architecture)
  const found = new Map(entries.map((entry) => [canonicalName(family, entry.name), entry]))
  for (const [name, shape] of shapes) {
    const entry = found.get(name)
    if (entry === undefined)
      throw new SpectroscopeError(
        'input',
        `${source}: the tensor "${name}" of shape [${shape.join(', ')}] is missing; ` +
          'use weights that belong to this config.json.'
      )
    if (!sameShape(entry.shape, shape)) {
      const [has, should] = [entry.shape, shape].map((sizes) => `[${briefly(sizes.join(', '))}]`)
      throw foreign(`the tensor "${entry.name}" has shape ${has}, and by config.json it should be ${should}`)
    }
  }
  if (found.size !== entries.length) {
    const fault = `a tensor occurs twice, with and without "${family.root}" or "_orig_mod."`
    throw new SpectroscopeError('input', `${source}: ${fault}; use the file as it was published.`)
  }
  const unknown = entries.find(({ name }) => !shapes.has(canonicalName(family, name)))
  if (unknown === undefined) return
  const name = briefly(unknown.name)
  throw foreign(`the tensor "${name}" is not part of the ${family.name} model that config.json describes`)
}

const findWeights = (folder: string): string => {
  const found = weightNames.find((name) => existsSync(join(folder, name)))
  if (found !== undefined) return join(folder, found)
  if (existsSync(join(folder, 'adapter_config.json')))
    throw new SpectroscopeError('input', `${folder} holds ${adapterFault}.`)
  const fault = `the folder has no ${weightNames.slice(0, -1).join(', ')} or ${weightNames.at(-1)!}`
  throw new SpectroscopeError('input', `${folder}: ${fault}: download it with \`spectroscope fetch-model\`.`)
}

const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const equalData = (a: Tensor, b: Tensor): boolean =>
  sameShape(a.shape, b.shape) && a.data.every((value, i) => value === b.data[i])

/** Name of the unembedding where it is not the embedding. */
const unembeddingApart = (architecture: Architecture): string => familyOf(architecture).outer.unembedding

interface Outline {
  /** The weights file, or the index of its shards. */
  readonly source: string
  /** Text of config.json. */
  readonly text: string
  readonly described: Architecture
  /** The model's tensors in each file. */
  readonly kept: ReadonlyMap<string, readonly TensorEntry[]>
  readonly separateHead: boolean
}

/** Reads the configuration and the weight headers, and checks them against each other. */
const readOutline = async (folder: string, weightsFile: string | undefined): Promise<Outline> => {
  const { text, architecture: described } = await readModelConfig(folder)
  const given = weightsFile ?? folder
  const source = (await stat(given).then(
    (found) => found.isDirectory(),
    () => false
  ))
    ? findWeights(given)
    : given
  const headers = await readHeaders(source)
  const located = [...headers].flatMap(([path, own]) => own.map((entry) => ({ ...entry, path })))
  const entries = withoutWrappers(described.family, located).filter(({ name }) => !isBuffer(name))
  const kept = new Map([...headers.keys()].map((path) => [path, entries.filter((entry) => entry.path === path)]))
  const separateHead = described.tiedEmbeddings && entries.some(({ name }) => name === unembeddingApart(described))
  checkTensors(source, { ...described, tiedEmbeddings: described.tiedEmbeddings && !separateHead }, entries)
  return { source, text, described, kept, separateHead }
}

/**
 * A model without its weights. Only the data shows whether GPT-2's separate unembedding equals its embedding; here
 * config.json is believed.
 */
export interface ModelOutline {
  readonly architecture: Architecture
  readonly parameters: number
  /** Total size of the tensors, as stored. */
  readonly bytes: number
  /** Files with the weights. The first is the only file, or the index that names the others. */
  readonly files: readonly string[]
}

/**
 * Describes a model from config.json and the headers of its weight files. Throws as `loadModel` does, except for
 * errors in the weights themselves.
 */
export const outlineModel = async (folder: string, weightsFile?: string): Promise<ModelOutline> => {
  const { source, described, kept } = await readOutline(folder, weightsFile)
  const bytes = [...kept.values()].flat().reduce((sum, { start, end }) => sum + end - start, 0)
  const parameters = [...tensorShapes(described).values()].reduce(
    (sum, shape) => sum + shape.reduce((a, b) => a * b, 1),
    0
  )
  return { architecture: described, parameters, bytes, files: [...new Set([source, ...kept.keys()])] }
}

/**
 * Loads a model from a Hugging Face folder: config.json, and model.safetensors or else pytorch_model.bin, or shards of
 * either. `weightsFile` replaces the weights by another checkpoint of the same architecture: a file of either kind, an
 * index of shards, or a folder with one of them. Weights are float32 in memory that threads share, by canonical name.
 * A GPT-2 file with a separate lm_head.weight counts as tied if it equals wte.weight, and as untied otherwise. Throws
 * an `input` error that names the file, the tensor and what was expected.
 */
export const loadModel = async (folder: string, weightsFile?: string): Promise<Model> => {
  const { text, described, kept, separateHead } = await readOutline(folder, weightsFile)

  const hash = createHash('sha256').update(text)
  const tensors = new Map<string, Tensor>()
  for (const [path, own] of kept) {
    for (const [name, tensor] of await readTensors(path, own)) tensors.set(name, tensor)
    await hashFile(path, hash)
  }
  const names = [...tensors.keys()].sort(byCodePoint)
  const weights = new Map(names.map((name) => [canonicalName(familyOf(described), name), tensors.get(name)!]))
  const apart = unembeddingApart(described)
  const [embedding] = embeddingTables(described)
  const tied = described.tiedEmbeddings && (!separateHead || equalData(weights.get(apart)!, weights.get(embedding)!))
  if (tied) weights.delete(apart)
  return { folder, architecture: { ...described, tiedEmbeddings: tied }, weights, hash: hash.digest('hex') }
}
