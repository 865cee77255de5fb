import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { parseJson } from '../base/json-text'
import type { Architecture } from './architecture'
import { families, refusal, remedy } from './architectures'
import { readModelText } from './files'
import { adapterFault, refuseKind } from './unsupported'

/**
 * Parses a Hugging Face config.json into an architecture of one of the families. `name` is the file's in messages.
 * Throws an `input` error if the file is not such a configuration or asks for something that the engine does not
 * compute.
 */
export const parseModelConfig = (text: string, name: string): Architecture => {
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    throw new SpectroscopeError('input', `${name}: ${(error as Error).message}; ${remedy}.`, { cause: error })
  }
  const type = z.looseObject({ model_type: z.string() }).safeParse(value).data?.model_type
  if (type === undefined) throw refusal(name, `no "model_type"; ${remedy}`)
  refuseKind(name, value as Readonly<Record<string, unknown>>, type)
  if (Object.hasOwn(families, type)) return families[type].parse(value, name)
  const supported = Object.keys(families).join(', ')
  throw refusal(name, `models of type "${briefly(type)}" are not supported; ${supported} are`)
}

export interface ModelConfig {
  /** Text of config.json, without a byte order mark. */
  readonly text: string
  readonly architecture: Architecture
}

/**
 * Reads and parses the config.json of a model folder. Throws as `parseModelConfig` does, and if the file cannot be
 * read.
 */
export const readModelConfig = async (folder: string): Promise<ModelConfig> => {
  const path = join(folder, 'config.json')
  if (!existsSync(path) && existsSync(join(folder, 'adapter_config.json')))
    throw new SpectroscopeError('input', `${folder} holds ${adapterFault}.`)
  const files = 'config.json, tokenizer.json and model.safetensors or pytorch_model.bin'
  const text = await readModelText(path, `"model" must name a folder with ${files}`)
  return { text, architecture: parseModelConfig(text, path) }
}
