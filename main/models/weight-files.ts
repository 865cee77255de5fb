import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { briefly } from '../../preload/quoting'
import { parseJson } from '../base/json-text'
import { jsonOddities } from '../base/json-tokens'
import { readModelText } from './files'
import { readHeader } from './safetensors'
import { broken, type TensorEntry } from './safetensors-header'
import { isTorchFile, readTorchEntries } from './torch'

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) })

const isBeside = (shard: string): boolean =>
  basename(shard) === shard && !/[\\:]/.test(shard) && /\.(safetensors|bin)$/.test(shard)

/** Names of the weights in a model's folder; the first that is there counts. */
export const weightNames = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json'
]

export interface WeightIndex {
  /** Names of the files, in order. */
  readonly shards: readonly string[]
  /** File of each tensor. */
  readonly shardOf: ReadonlyMap<string, string>
}

const parseIndex = (path: string, text: string): WeightIndex => {
  let parsed: unknown
  try {
    parsed = parseJson(text)
  } catch (error) {
    throw broken(path, `the index is ${(error as Error).message}`, error)
  }
  const checked = indexSchema.safeParse(parsed)
  if (!checked.success) throw broken(path, 'the index has no "weight_map" from tensor names to files')
  const { repeatedKey } = jsonOddities(text, new Set())
  if (repeatedKey !== undefined) throw broken(path, `the index names "${briefly(repeatedKey)}" twice`)
  const shardOf = new Map(Object.entries(checked.data.weight_map))
  const strange = [...shardOf.values()].find((shard) => !isBeside(shard))
  if (strange !== undefined)
    throw broken(path, `the index names "${briefly(strange)}", which is not a file of weights beside it`)
  return { shards: [...new Set(shardOf.values())].sort(), shardOf }
}

/**
 * Reads a model.safetensors.index.json or pytorch_model.bin.index.json. Returns its shards and the shard of each
 * tensor. Throws an `input` error if the index cannot be read, names a tensor twice, or names files that are not
 * beside it.
 */
export const readIndex = async (path: string): Promise<WeightIndex> =>
  parseIndex(path, await readModelText(path, 'check the path of the index and its permissions'))

/** Lists the tensors of one file: of safetensors, or of torch by its name. Throws an `input` error as they do. */
export const readEntries = (path: string): Promise<TensorEntry[]> =>
  isTorchFile(path) ? readTorchEntries(path) : readHeader(path)

/**
 * Finds the weight files of a path, which is one file or the index of several. Returns the tensors of each file.
 */
export const readHeaders = async (path: string): Promise<ReadonlyMap<string, TensorEntry[]>> => {
  if (!path.endsWith('.json')) return new Map([[path, await readEntries(path)]])
  const { shards, shardOf } = await readIndex(path)
  const headers = new Map<string, TensorEntry[]>()
  const holder = new Map<string, string>()
  for (const shard of shards) {
    const file = join(dirname(path), shard)
    const entries = await readEntries(file)
    for (const { name } of entries) {
      const other = holder.get(name)
      if (other !== undefined) throw broken(path, `the tensor "${briefly(name)}" is in ${other} and in ${shard}`)
      if (!shardOf.has(name))
        throw broken(path, `the tensor "${briefly(name)}" is in ${shard}, and the index does not name it`)
      holder.set(name, shard)
    }
    headers.set(file, entries)
  }
  for (const [name, shard] of shardOf) {
    if (holder.get(name) !== shard)
      throw broken(path, `the index places "${briefly(name)}" in ${briefly(shard)}, which does not hold it`)
  }
  return headers
}
