import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import MagicString from 'magic-string'
import { parse } from 'svelte/compiler'

const shownFile = resolve(dirname(fileURLToPath(import.meta.url)), '../renderer/ui/shown.ts')

/** Attributes that users read, or that a screen reader speaks. */
const readAttributes = new Set([
  'title',
  'alt',
  'label',
  'placeholder',
  'aria-label',
  'aria-description',
  'aria-roledescription',
  'aria-valuetext',
  'aria-placeholder'
])

/** Elements of the page. Properties of components reach an element in the component's own file. */
const elements = new Set(['RegularElement', 'SvelteElement', 'TitleElement'])

/**
 * Text that is put into the source before a place.
 * @typedef {{ at: number, text: string }} Insertion
 */

/** @typedef {{ type: string, start: number, end: number, [key: string]: unknown }} Node */

/** @type {(value: unknown) => value is Node} */
const isNode = (value) => typeof value === 'object' && value !== null && 'type' in value && 'start' in value

/** @type {(tag: Node) => Insertion[]} */
const wrapped = ({ start, end }) => [
  { at: start + 1, text: '__shown(' },
  { at: end - 1, text: ')' }
]

/** @type {(source: string, attribute: Node) => Insertion[]} */
const attributeInsertions = (source, attribute) => {
  const { type, name, value, start, end } = attribute
  if (type === 'SpreadAttribute') {
    const given = source.slice(start, end)
    throw new Error(`${given}: name the attributes one by one, so that what is read is made visible`)
  }
  if (type !== 'Attribute' || typeof name !== 'string' || !readAttributes.has(name)) return []
  if (source[start] === '{') return [{ at: start, text: `${name}=` }, ...wrapped(attribute)]
  const parts = [value]
    .flat()
    .filter(isNode)
    .filter((part) => part.type === 'ExpressionTag')
  return parts.flatMap(wrapped)
}

/** @type {(source: string, node: unknown, inFragment: boolean) => Insertion[]} */
const insertionsIn = (source, node, inFragment) => {
  if (Array.isArray(node)) return node.flatMap((one) => insertionsIn(source, one, inFragment))
  if (typeof node !== 'object' || node === null) return []
  if (isNode(node)) {
    if (node.type === 'HtmlTag') throw new Error('{@html}: show text, which cannot hold markup')
    if (node.type === 'ExpressionTag') return inFragment ? wrapped(node) : []
  }
  const { type, attributes, ...others } = /** @type {Node} */ (node)
  const isElement = elements.has(type)
  const given = /** @type {Node[]} */ (isElement ? attributes : [])
  const own = given.flatMap((one) => attributeInsertions(source, one))
  const within = Object.values(isElement ? others : { attributes, ...others })
  return [...own, ...within.flatMap((value) => insertionsIn(source, value, type === 'Fragment'))]
}

/** @type {(code: MagicString, filename: string) => { code: string, map: import('magic-string').SourceMap }} */
const withMap = (code, filename) => ({
  code: code.toString(),
  map: code.generateMap({ source: filename, hires: 'boundary' })
})

/**
 * Wraps every text and every readable attribute of a component in `shown` of renderer/ui/shown.ts, so that no
 * component can forget it. Line numbers do not change. @param {{ content: string, filename?: string }} component
 */
export const visibleMarkup = ({ content, filename = shownFile }) => {
  const code = new MagicString(content, { filename })
  // Components of packages show only what our own components pass to them.
  if (filename.includes('node_modules')) return withMap(code, filename)
  const root = parse(content, { modern: true })
  const insertions = insertionsIn(content, root.fragment, false)
  if (insertions.length === 0) return withMap(code, filename)
  const from = relative(dirname(filename), shownFile)
    .replaceAll('\\', '/')
    .replace(/^(?!\.)/, './')
  const statement = `import { shown as __shown } from '${from}';`
  // The content of a script has a position, which its type lacks.
  const at = /** @type {{ start: number } | undefined} */ (/** @type {unknown} */ (root.instance?.content))?.start ?? 0
  code.appendLeft(at, root.instance ? statement : `<script lang="ts">${statement}</script>`)
  for (const { at: place, text } of insertions) code.appendLeft(place, text)
  return withMap(code, filename)
}
