import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'svelte/compiler'

const shownFile = resolve(dirname(fileURLToPath(import.meta.url)), '../renderer/ui/shown.ts')

/** Attributes that a person reads, or that a screen reader says. */
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

/** Elements of the page; what a component is given comes to one of them in the component's own file. */
const elements = new Set(['RegularElement', 'SvelteElement', 'TitleElement'])

/**
 * What is put in place of a stretch of the source.
 * @typedef {{ start: number, end: number, text: string }} Change
 */

/** @typedef {{ type: string, start: number, end: number, [key: string]: unknown }} Node */

/** @type {(value: unknown) => value is Node} */
const isNode = (value) => typeof value === 'object' && value !== null && 'type' in value && 'start' in value

/** @type {(source: string, tag: Node) => Change} */
const wrapped = (source, { start, end }) => ({ start, end, text: `{__shown(${source.slice(start + 1, end - 1)})}` })

/** @type {(source: string, attribute: Node) => Change[]} */
const attributeChanges = (source, attribute) => {
  const { type, name, value, start, end } = attribute
  if (type === 'SpreadAttribute') {
    const given = source.slice(start, end)
    throw new Error(`${given}: name the attributes one by one, so that what is read is made visible`)
  }
  if (type !== 'Attribute' || typeof name !== 'string' || !readAttributes.has(name)) return []
  if (source[start] === '{') return [{ start, end, text: `${name}={__shown(${source.slice(start + 1, end - 1)})}` }]
  const parts = [value]
    .flat()
    .filter(isNode)
    .filter((part) => part.type === 'ExpressionTag')
  return parts.map((part) => wrapped(source, part))
}

/** @type {(source: string, node: unknown, inFragment: boolean) => Change[]} */
const changesIn = (source, node, inFragment) => {
  if (Array.isArray(node)) return node.flatMap((one) => changesIn(source, one, inFragment))
  if (typeof node !== 'object' || node === null) return []
  if (isNode(node)) {
    if (node.type === 'HtmlTag') throw new Error('{@html}: show text, which cannot hold markup')
    if (node.type === 'ExpressionTag') return inFragment ? [wrapped(source, node)] : []
  }
  const { type, attributes, ...others } = /** @type {Node} */ (node)
  const isElement = elements.has(type)
  const given = /** @type {Node[]} */ (isElement ? attributes : [])
  const own = given.flatMap((one) => attributeChanges(source, one))
  const within = Object.values(isElement ? others : { attributes, ...others })
  return [...own, ...within.flatMap((value) => changesIn(source, value, type === 'Fragment'))]
}

/**
 * A component whose every text, and every attribute that is read, goes through `shown` of renderer/ui/shown.ts, so
 * that no component can forget it. Lines stay where they are.
 * @param {{ content: string, filename?: string }} component
 */
export const visibleMarkup = ({ content, filename = shownFile }) => {
  // Those of a package show what they are given by components of our own.
  if (filename.includes('node_modules')) return { code: content }
  const root = parse(content, { modern: true })
  const changes = changesIn(content, root.fragment, false)
  if (changes.length === 0) return { code: content }
  const from = relative(dirname(filename), shownFile)
    .replaceAll('\\', '/')
    .replace(/^(?!\.)/, './')
  const statement = `import { shown as __shown } from '${from}';`
  // The content of a script has a place, which its type does not say.
  const at = /** @type {{ start: number } | undefined} */ (/** @type {unknown} */ (root.instance?.content))?.start ?? 0
  changes.push({ start: at, end: at, text: root.instance ? statement : `<script lang="ts">${statement}</script>` })
  const code = changes
    .sort((a, b) => b.start - a.start)
    .reduce((text, { start, end, text: put }) => `${text.slice(0, start)}${put}${text.slice(end)}`, content)
  return { code }
}
