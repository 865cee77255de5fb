import { z } from 'zod'
import {
  clusteringMethods,
  clusteringSchema,
  configurationSchema,
  presets,
  rangeWords,
  suitClustering
} from '../../preload/contract'
import type { ClusteringMethod } from '../../preload/contract'
import { clusteringKeys, presetClustering } from './clustering-methods'
import { isPresetName } from './methods'

/** A setting as shown in a form, derived from the configuration's schema. */
export interface Field {
  /** "sampler.draws" */
  readonly path: string
  readonly key: string
  readonly kind: 'number' | 'integer' | 'text' | 'yes-no' | 'choice' | 'list'
  readonly choices: readonly string[]
  /** Alternative to a number: "auto", or false for none. */
  readonly instead?: 'auto' | false
  /** Default value; undefined if there is none or it depends on the preset. */
  readonly fallback: unknown
  /** Valid range, such as "≥ 1"; empty if unrestricted. */
  readonly range: string
  readonly unit: string
  /** The schema's description. */
  readonly words: string
  readonly required: boolean
}

interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly unit?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly multipleOf?: number
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

/** Splits a union of a constant with another schema into the other schema and the constant. */
const alternative = ({
  anyOf = []
}: JsonSchema): { readonly other: JsonSchema; readonly word: unknown } | undefined => {
  const constant = anyOf.find((each) => each.const !== undefined)
  const other = anyOf.find((each) => each !== constant)
  if (constant === undefined || other === undefined || anyOf.length !== 2) return undefined
  return { other, word: constant.const }
}

const wordsOfRange = (schema: JsonSchema): string =>
  [rangeWords(schema), (schema.multipleOf ?? 1) === 1 ? '' : `a multiple of ${schema.multipleOf}`]
    .filter((part) => part !== '')
    .join(', ')

const shapeOf = (schema: JsonSchema): Pick<Field, 'kind' | 'choices' | 'range' | 'instead'> => {
  const union = alternative(schema)
  if (union !== undefined) {
    const { other, word } = union
    const kind = kindOf(other)
    if (kind === 'yes-no') return { kind: 'choice', choices: [String(word), 'true', 'false'], range: '' }
    if ((kind === 'number' || kind === 'integer') && (word === 'auto' || word === false)) {
      return { kind, choices: [], range: wordsOfRange(other), instead: word }
    }
  }
  return { kind: kindOf(schema), choices: (schema.enum ?? []).map(String), range: wordsOfRange(schema) }
}

const sectionOf = (schema: JsonSchema): JsonSchema | undefined =>
  schema.properties === undefined ? schema.anyOf?.find(({ properties }) => properties !== undefined) : schema

const fieldsOf = (schema: JsonSchema, prefix: string): Field[] =>
  Object.entries(schema.properties ?? {})
    .filter(([, inner]) => sectionOf(inner) === undefined)
    .map(([key, inner]) => {
      const shape = shapeOf(inner)
      return {
        path: `${prefix}${key}`,
        key,
        ...shape,
        fallback: inner.default,
        unit: inner.unit ?? '',
        // A form calls it "off".
        words: (inner.description ?? '').replace(/\bfalse\b/, (word) => (shape.instead === false ? '“off”' : word)),
        required: schema.required?.includes(key) === true && inner.default === undefined
      }
    })

const whole = z.toJSONSchema(configurationSchema, { io: 'input' }) as JsonSchema
const section = (key: string): Field[] => {
  const inner = whole.properties?.[key]
  const found = inner === undefined ? undefined : sectionOf(inner)
  return found === undefined ? [] : fieldsOf(found, `${key}.`)
}

/** Every setting, by section, in the order of the schema. */
export const sections: Readonly<Record<'run' | 'corpus' | 'sampler' | 'clustering', readonly Field[]>> = {
  run: fieldsOf(whole, ''),
  corpus: section('corpus'),
  sampler: section('sampler'),
  clustering: section('clustering')
}

/** Settings of a clustering method: the method itself, its own settings, then the common ones. */
export const clusteringFields = (method: ClusteringMethod): readonly Field[] => {
  const own = clusteringKeys(method)
  const others = new Set(clusteringMethods.filter((other) => other !== method).flatMap(clusteringKeys))
  const rank = ({ key }: Field): number => (key === 'method' ? 0 : others.has(key) ? 2 : 1)
  return sections.clustering.filter(({ key }) => own.includes(key)).sort((a, b) => rank(a) - rank(b))
}

const byPath = new Map(
  Object.values(sections)
    .flat()
    .map((field) => [field.path, field])
)

/** The setting at a path. Throws if the schema has none, which would be a mistake in this program. */
export const fieldAt = (path: string): Field => {
  const found = byPath.get(path)
  if (found === undefined) throw new Error(`Unknown setting ${path}.`)
  return found
}

/**
 * Default of a setting: its own or the preset's. For clustering settings, the default of `method`, or of the preset's
 * method.
 */
export const fallbackOf = (field: Field, preset: unknown, method?: ClusteringMethod): unknown => {
  const [place, key] = field.path.split('.')
  const name = isPresetName(preset) ? preset : 'first-order'
  const sampler: Readonly<Record<string, unknown>> = presets[name]
  if (place === 'sampler') return sampler[key] ?? field.fallback
  // The default of the method itself comes from the preset, whatever was chosen.
  return place === 'clustering' ? presetClustering(name, key === 'method' ? undefined : method)[key] : field.fallback
}

/** Default at a path; undefined for sections and for settings without one. */
export const fallbackAt = (path: string, preset: unknown, method?: ClusteringMethod): unknown => {
  const field = byPath.get(path)
  return field === undefined ? undefined : fallbackOf(field, preset, method)
}

/** A value as a field shows it. */
export const shownValue = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number') return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A value in words: "yes", "off", "1e-5". */
export const valueWords = (field: Field, value: unknown): string => {
  if (field.instead === false && value === false) return 'off'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return Array.isArray(value) ? value.join(', ') : shownValue(value)
}

/** One of a field's choices in words. */
export const choiceWords = (choice: string): string => (choice === 'true' ? 'yes' : choice === 'false' ? 'no' : choice)

/**
 * Converts a field's text to a configuration value; empty text becomes undefined, the default. Text that is not a
 * number stays text, so that the check can reject it with its own message.
 */
export const typedValue = (field: Field, text: string): unknown => {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  if (field.kind === 'choice') return trimmed === 'true' ? true : trimmed === 'false' ? false : trimmed
  if (field.kind === 'number' || field.kind === 'integer') {
    if (field.instead === 'auto' && trimmed.toLowerCase() === 'auto') return 'auto'
    if (field.instead === false && /^(off|no|none|false)$/i.test(trimmed)) return false
    const value = Number(trimmed)
    return Number.isFinite(value) ? value : text
  }
  return text
}

/** Values of "auto" settings in a clustering of a number of tokens, by setting. */
export const suitedTo = (tokens: number): Readonly<Record<string, unknown>> => {
  const asked = clusteringSchema.parse({})
  const isAuto = new Map<string, boolean>(Object.entries(asked).map(([key, value]) => [key, value === 'auto']))
  // The resolution is searched during clustering, as it depends on more than the number of tokens.
  return Object.fromEntries(
    Object.entries(suitClustering(asked, tokens)).filter(([key, value]) => isAuto.get(key) === true && value !== 'auto')
  )
}
