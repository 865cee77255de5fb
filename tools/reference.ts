import { z } from 'zod'
import { configurationSchema, presets, rangeWords } from '../preload/configuration'

interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
}

const code = (value: unknown): string => `\`${JSON.stringify(value)}\``

const typeOf = (schema: JsonSchema): string => {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.const !== undefined) return code(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(code).join(' or ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items!)}s`
  if (schema.type === 'integer' || schema.type === 'number')
    return [schema.type, rangeWords(schema)].filter((part) => part !== '').join(' ')
  return schema.type === 'object' ? 'section' : schema.type!
}

/**
 * Default of a key in the presets that have it: one value if they agree, else the first, and the others by preset.
 */
const presetDefault = (key: string): string | undefined => {
  const values = Object.entries(presets).flatMap(([name, preset]) =>
    Object.entries(preset).flatMap(([own, value]): [string, string][] => (own === key ? [[name, code(value)]] : []))
  )
  if (values.length === 0) return undefined
  const [[, first], ...others] = values
  const differing = others.filter(([, value]) => value !== first)
  return [first, ...differing.map(([name, value]) => `${name}: ${value}`)].join('; ')
}

const section = (schema: JsonSchema): JsonSchema | undefined =>
  schema.properties === undefined ? schema.anyOf?.find(({ properties }) => properties !== undefined) : schema

const table = (
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[],
  fallback: (key: string) => string | undefined
): string => {
  const row = ([key, schema]: [string, JsonSchema]): string => {
    const given = required.includes(key)
      ? 'required'
      : 'default' in schema && typeOf(schema) !== 'section' && !schema.anyOf?.some(({ type }) => type === 'object')
        ? code(schema.default)
        : (fallback(key) ?? '')
    return (
      `| \`${key}\` | ${typeOf(schema)} | ${given} | ` +
      `${schema.description ?? (section(schema) === undefined ? '' : 'its keys are below')} |`
    )
  }
  return ['| key | value | default | |', '|---|---|---|---|', ...Object.entries(properties).map(row)].join('\n')
}

/** Defaults that a section has beside those of its schema. */
const defaultsOf = (key: string): typeof presetDefault => (key === 'sampler' ? presetDefault : () => undefined)

/**
 * Reference of CONFIG.json in Markdown, from the schema that checks it: a table of the top level and one of each
 * section.
 */
export const reference = (): string => {
  const schema = z.toJSONSchema(configurationSchema, { io: 'input' }) as JsonSchema
  const properties = schema.properties!
  const parts = Object.entries(properties).flatMap(([key, value]) => {
    const inner = section(value)
    return inner === undefined
      ? []
      : [`**\`${key}\`**\n\n${table(inner.properties!, inner.required ?? [], defaultsOf(key))}`]
  })
  return [table(properties, schema.required ?? [], () => undefined), ...parts].join('\n\n')
}

const [start, end] = ['<!-- reference: written by `npm run reference` -->', '<!-- end of reference -->']

/** `text` with the part between the markers replaced by the reference. */
export const withReference = (text: string): string => {
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/reference.md lacks the lines ${start} and ${end}.`)
  return `${text.slice(0, from + start.length)}\n\n${reference()}\n\n${text.slice(to)}`
}
