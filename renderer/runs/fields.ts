import { z } from 'zod'
import { configurationSchema, presets, rangeWords } from '../../preload/contract'

/** One setting as a form shows it; everything in it comes from the schema that checks a configuration. */
export interface Field {
  /** "sampler.draws" */
  readonly path: string
  readonly key: string
  readonly kind: 'number' | 'integer' | 'text' | 'yes-no' | 'choice' | 'list'
  readonly choices: readonly string[]
  /** What is in force where nothing is given; undefined where there is no default, or it depends on the preset. */
  readonly fallback: unknown
  /** What a value may be, in signs: "≥ 1"; empty where anything may be. */
  readonly range: string
  readonly unit: string
  /** The schema's own line on what it does. */
  readonly words: string
  readonly required: boolean
}

interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly unit?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
}

const kindOf = ({ enum: choices, type, anyOf }: JsonSchema): Field['kind'] => {
  if (choices !== undefined) return 'choice'
  if (type === 'number' || type === 'integer') return type
  if (type === 'boolean') return 'yes-no'
  return type === 'array' || anyOf?.some((each) => each.type === 'array') === true ? 'list' : 'text'
}

const sectionOf = (schema: JsonSchema): JsonSchema | undefined => (schema.properties === undefined ? schema.anyOf?.find(({ properties }) => properties !== undefined) : schema)

const fieldsOf = (schema: JsonSchema, prefix: string): Field[] =>
  Object.entries(schema.properties ?? {}).filter(([, inner]) => sectionOf(inner) === undefined).map(([key, inner]) => ({
    path: `${prefix}${key}`,
    key,
    kind: kindOf(inner),
    choices: (inner.enum ?? []).map(String),
    fallback: inner.default,
    range: rangeWords(inner),
    unit: inner.unit ?? '',
    words: inner.description ?? '',
    required: schema.required?.includes(key) === true && inner.default === undefined
  }))

const whole = z.toJSONSchema(configurationSchema, { io: 'input' }) as JsonSchema
const section = (key: string): Field[] => {
  const inner = whole.properties?.[key]
  const found = inner === undefined ? undefined : sectionOf(inner)
  return found === undefined ? [] : fieldsOf(found, `${key}.`)
}

/** Every setting, by section, in the order of the schema. */
export const sections: Readonly<Record<'run' | 'corpus' | 'sampler' | 'clustering', readonly Field[]>> = {
  run: fieldsOf(whole, ''), corpus: section('corpus'), sampler: section('sampler'), clustering: section('clustering')
}

const byPath = new Map(Object.values(sections).flat().map((field) => [field.path, field]))

/** The setting of that path. Throws where the schema has none, which only a mistake in this program can cause. */
export const fieldAt = (path: string): Field => {
  const found = byPath.get(path)
  if (found === undefined) throw new Error(`The configuration has no setting ${path}.`)
  return found
}

export type PresetName = keyof typeof presets
export const presetNames = Object.keys(presets) as readonly PresetName[]

/** What is in force where a setting is not given: its own default, or that of the preset. */
export const fallbackOf = (field: Field, preset: unknown): unknown => {
  if (field.fallback !== undefined) return field.fallback
  const [place, key] = field.path.split('.')
  const values: Readonly<Record<string, unknown>> = presets[presetNames.find((name) => name === preset) ?? 'paper']
  return place === 'sampler' ? values[key] : undefined
}

/** What is in force at a path where nothing is given; undefined for sections, and where there is no default. */
export const fallbackAt = (path: string, preset: unknown): unknown => {
  const field = byPath.get(path)
  return field === undefined ? undefined : fallbackOf(field, preset)
}

/** A value as a field shows it. */
export const shownValue = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number') return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * What a person typed into a field, as the configuration takes it: undefined for an empty one, which asks for the default. Text that is
 * not a number stays text, so that the check can say so in its own words.
 */
export const typedValue = (field: Field, text: string): unknown => {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  if (field.kind === 'number' || field.kind === 'integer') {
    const value = Number(trimmed)
    return Number.isFinite(value) ? value : text
  }
  return text
}
