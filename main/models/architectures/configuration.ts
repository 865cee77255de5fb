import { z } from 'zod'
import { SpectroscopeError } from '../../../preload/errors'
import { briefly } from '../../../preload/quoting'
import type { Activation } from '../architecture'

/** Limits far above any trained model, and low enough that the names and shapes alone cannot fill memory. */
const most = { size: 2 ** 24, heads: 2 ** 17 } as const

/** A positive count. */
export const size = z
  .int()
  .min(1)
  .max(most.size, `must be ${most.size.toLocaleString('en')} at most`)
export const endOfTextSchema = z.union([z.int(), z.array(z.int()).min(1)]).nullish()

const activations: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_accurate: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  silu: 'silu',
  swish: 'silu'
}

export const remedy = 'use the config.json that came with the model'

/** An `input` error that says what is wrong with a file. */
export const refusal = (name: string, what: string): SpectroscopeError =>
  new SpectroscopeError('input', `${name}: ${what}.`)

/** Throws an `input` error that names a setting and its value, which models of this title may not have here. */
export const refuse = (name: string, title: string, key: string, value: unknown, supported?: string): never => {
  const given = `"${key}" is ${briefly(JSON.stringify(value))}, which is not supported for ${title}`
  throw refusal(name, `${given}; ${supported ?? 'choose a model without it'}`)
}

export const refuseOddRotation = (name: string, key: string, share: number, dimensions: number): void => {
  if (dimensions % 2 === 0) return
  const fault = `"${key}" of ${share} rotates ${dimensions} dimensions of a head`
  throw refusal(name, `${fault}, and they must be even in number; ${remedy}`)
}

/** Settings that change what some families compute, and that others ignore or do not have. */
const particular = [
  'attn_logit_softcapping',
  'final_logit_softcapping',
  'clip_qkv',
  'qk_layernorm',
  'use_bidirectional_attention',
  'add_cross_attention'
]

/** Throws an `input` error if the configuration has one of these settings, but for those that the family reads. */
export const refuseParticular = (
  name: string,
  title: string,
  config: Readonly<Record<string, unknown>>,
  reads: readonly string[] = []
): void => {
  for (const key of particular)
    if (!reads.includes(key) && config[key] !== undefined && config[key] !== null && config[key] !== false)
      refuse(name, title, key, config[key])
}

/** A configuration as the schema gives it. Throws an `input` error that names the file and the key. */
export const check = <T extends z.ZodType>(schema: T, value: unknown, name: string): z.output<T> => {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const key = String(issue.path[0])
  const given = (value as Readonly<Record<string, unknown>>)[key]
  const asked = typeof given === 'number' ? ` is ${given}` : ''
  throw refusal(name, `"${issue.path.join('.')}"${asked}: ${briefly(issue.message)}; ${remedy}`)
}

export const activationOf = (name: string, key: string, given: string): Activation => {
  const activation = activations[given]
  if (activation === undefined) {
    const supported = Object.keys(activations).join(', ')
    throw refusal(name, `"${key}": the activation "${briefly(given)}" is not supported; ${supported} are`)
  }
  return activation
}

/** End-of-text token as the file gives it, or else `usual`, the family's default. Only a corpus needs it. */
export const endOfTextOf = (given: z.output<typeof endOfTextSchema>, usual: number, vocabulary: number): number =>
  (Array.isArray(given) ? given[0] : given) ?? Math.min(usual, vocabulary - 1)

export const checkHeadCount = (name: string, layers: number, heads: number): void => {
  if (layers * heads > most.heads) {
    const [asked, there] = [layers * heads, most.heads].map((count) => count.toLocaleString('en'))
    const fault = `${layers} layers of ${heads} heads are ${asked} heads, and ${there} at most are read`
    throw refusal(name, `${fault}; ${remedy}`)
  }
}

/** The same, and that the width is divided among the heads. */
export const checkHeads = (name: string, hidden: number, layers: number, heads: number): void => {
  checkHeadCount(name, layers, heads)
  if (hidden % heads !== 0)
    throw refusal(name, `a width of ${hidden} cannot be divided among ${heads} heads; ${remedy}`)
}
