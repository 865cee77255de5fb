import { briefly } from '../../preload/quoting'
import { families, refusal } from './architectures'

/** Kinds of models that are not read, whatever their family: each is refused with what it is and what to do. */

type Config = Readonly<Record<string, unknown>>

const expertKeys = ['num_local_experts', 'num_experts', 'n_routed_experts', 'moe_num_experts']

const text = (value: unknown): string => briefly(typeof value === 'string' ? value : JSON.stringify(value))

const experts = (config: Config, type: string): string | undefined => {
  const key = expertKeys.find((each) => typeof config[each] === 'number' && config[each] > 0)
  if (key === undefined && !/moe|mixtral/i.test(type)) return undefined
  const said = key === undefined ? `"model_type": "${briefly(type)}"` : `"${key}": ${text(config[key])}`
  return `a mixture of experts (${said}) is not supported; choose a dense model`
}

const quantised = ({ quantization_config: given }: Config): string | undefined => {
  if (given === undefined || given === null) return undefined
  const method = typeof given === 'object' && 'quant_method' in given ? given.quant_method : given
  const said = `the weights are quantised ("quantization_config": ${text(method)})`
  return `${said}, which is not supported; use the model that they were made from`
}

const ownCode = ({ auto_map: given }: Config, type: string): string | undefined => {
  if (given === undefined || given === null) return undefined
  const remedy = Object.hasOwn(families, type)
    ? `if it computes what ${families[type].title} does, remove "auto_map"`
    : 'choose a model of a type that transformers has itself'
  return `"auto_map" says that the model comes with code of its own (trust_remote_code), which is never run; ${remedy}`
}

const encoderDecoder = (config: Config, type: string): string | undefined => {
  if (config.is_encoder_decoder !== true) return undefined
  const said = `"${briefly(type)}" is an encoder-decoder ("is_encoder_decoder")`
  return `${said}; choose a model that only predicts the next token`
}

/** Throws an `input` error if a configuration is of such a model. */
export const refuseKind = (name: string, config: Config, type: string): void => {
  for (const kind of [encoderDecoder, experts, quantised, ownCode]) {
    const fault = kind(config, type)
    if (fault !== undefined) throw refusal(name, fault)
  }
}

const mergeRemedy = "merge it into its base model with peft's merge_and_unload(), and save that"

/** What a folder is that has an adapter in place of a model's files. */
export const adapterFault = `an adapter (adapter_config.json) without its base model; ${mergeRemedy}`

/** What is wrong with weights whose tensors are those of an adapter, or quantised. */
export const tensorFault = (names: readonly string[]): string | undefined => {
  const find = (pattern: RegExp): string | undefined => names.find((name) => pattern.test(name))
  const adapter = find(/(^|\.)(lora_[AB]|lora_embedding_[AB]|adapter|ia3_l)(\.|$)/)
  if (adapter !== undefined) return `"${briefly(adapter)}" is part of an adapter; ${mergeRemedy}`
  const packed = find(/\.(qweight|qzeros|g_idx|absmax|quant_map|SCB|weight_format)$|\.quant_state\./)
  if (packed === undefined) return undefined
  const said = `"${briefly(packed)}" is part of quantised weights, which are not supported`
  return `${said}; use the model that they were made from`
}
