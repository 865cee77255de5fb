import { z } from 'zod'
import type { Rotary, RotaryScaling } from '../architecture'
import { check, refuse } from './configuration'

const ropeObject = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  partial_rotary_factor: z.number().min(0).max(1).optional()
})

/** `rope_parameters` of transformers 5, and `rope_scaling` before it. */
export const ropeSchema = ropeObject.nullish()

type Rope = z.output<typeof ropeObject>

const linearSchema = z.looseObject({ factor: z.number().positive() })

const llama3Schema = z.looseObject({
  factor: z.number().positive(),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: z.int().min(1)
})

const scalingOf = (file: string, title: string, key: string, rope: Rope): RotaryScaling | undefined => {
  const kind = rope.rope_type ?? rope.type ?? 'default'
  if (kind === 'default') return undefined
  if (kind === 'linear') return { kind, factor: check(linearSchema, rope, file).factor }
  if (kind !== 'llama3') return refuse(file, title, `${key}.rope_type`, kind, 'default, linear and llama3 are')
  const llama3 = check(llama3Schema, rope, file)
  if (llama3.low_freq_factor >= llama3.high_freq_factor)
    refuse(file, title, `${key}.low_freq_factor`, llama3.low_freq_factor, 'it must be below "high_freq_factor"')
  return {
    kind,
    factor: llama3.factor,
    lowFactor: llama3.low_freq_factor,
    highFactor: llama3.high_freq_factor,
    originalContext: llama3.original_max_position_embeddings
  }
}

/**
 * Rotary embedding as a configuration has it. `usual` holds unless `rope_parameters` says otherwise. Throws an `input`
 * error if it has a type that is not supported.
 */
export const rotaryOf = (
  file: string,
  title: string,
  given: { readonly rope_parameters?: Rope | null | undefined; readonly rope_scaling?: Rope | null | undefined },
  { dimensions, base }: Pick<Rotary, 'dimensions' | 'base'>
): Rotary => {
  const [key, rope] = given.rope_parameters
    ? ['rope_parameters', given.rope_parameters]
    : ['rope_scaling', given.rope_scaling ?? {}]
  return { dimensions, base: rope.rope_theta ?? base, scaling: scalingOf(file, title, key, rope) }
}
