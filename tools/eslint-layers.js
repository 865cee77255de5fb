import { dirname, relative, resolve, sep } from 'node:path'

/** Layers of main/, highest first; an import may point to its own layer or further down. */
const layers = [
  'entries',
  'api',
  'pipeline',
  'exchange',
  'store',
  'labels',
  'naming',
  'clustering',
  'sampling',
  'engine',
  'corpora',
  'models',
  'base'
]
/** Folders with parts of an entry beside it, such as main/cli/ and main/cli.ts. */
const entryFolders = new Set(['cli', 'serve', 'index'])
const electronFiles = /^(main|preload)\/index(\/|$)/

/**
 * @typedef {{ side: 'main', layer: string } | { side: 'preload' } | { side: 'renderer' } | { side: 'other' }} Place
 */

/** @param {string} file path from the project's root, with forward slashes @returns {Place} */
const placeOf = (file) => {
  const [side, folder, ...rest] = file.split('/')
  if (side === 'main') return { side, layer: rest.length === 0 || entryFolders.has(folder) ? 'entries' : folder }
  return side === 'preload' || side === 'renderer' ? { side } : { side: 'other' }
}

/**
 * Why `importer` must not import `imported` (paths from the project's root); undefined if it may. @param {string}
 * importer @param {string} imported
 */
const objection = (importer, imported) => {
  const from = placeOf(importer)
  const to = placeOf(imported)
  if (from.side === 'preload' && to.side !== 'preload')
    return 'preload/ imports nothing of the project outside preload/'
  if (from.side === 'renderer' && to.side !== 'renderer' && !/^preload\/(contract(-|$)|wire$)/.test(imported))
    return 'renderer/ imports only preload/contract and preload/wire'
  if (from.side !== 'main') return undefined
  if (to.side === 'preload')
    return imported === 'preload/index' ? 'preload/index is the bridge; import preload/contract' : undefined
  if (to.side !== 'main') return 'main/ imports only main/ and preload/'
  const [importerRank, importedRank] = [layers.indexOf(from.layer), layers.indexOf(to.layer)]
  if (importerRank < 0) return `main/${from.layer} is no layer; tools/eslint-layers.js lists them`
  if (importedRank < 0) return `main/${to.layer} is no layer; tools/eslint-layers.js lists them`
  return importedRank < importerRank
    ? `${from.layer} is below ${to.layer}; imports point down: ${layers.join(' > ')}`
    : undefined
}

/** @type {import('eslint').Rule.RuleModule} */
const rule = {
  meta: {
    type: 'problem',
    schema: [],
    docs: { description: 'imports point down the list of layers in docs/architecture.md' },
    messages: { layer: '{{importer}} must not import {{imported}}: {{reason}}.' }
  },
  create: (context) => {
    const importer = relative(context.cwd, context.filename)
      .split(sep)
      .join('/')
      .replace(/\.[cm]?[jt]s$/, '')
    /** @param {import('estree').Node} node @param {unknown} source */
    const check = (node, source) => {
      if (typeof source !== 'string') return
      const own = source.startsWith('.')
      const imported = own
        ? relative(context.cwd, resolve(dirname(context.filename), source))
            .split(sep)
            .join('/')
            .replace(/\.[cm]?[jt]s$/, '')
        : source
      const electron = source === 'electron' || source.startsWith('electron/')
      const reason = own
        ? objection(importer, imported)
        : electron && !electronFiles.test(importer)
          ? 'only main/index.ts and preload/index.ts import electron'
          : undefined
      if (reason !== undefined) context.report({ node, messageId: 'layer', data: { importer, imported, reason } })
    }
    /** @param {import('estree').Node & { source: { value: unknown } }} node */
    const checkType = (node) => check(node, node.source.value)
    return {
      ImportDeclaration: (node) => check(node, node.source.value),
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ExportNamedDeclaration: (node) => check(node, node.source?.value),
      ImportExpression: (node) => check(node, node.source.type === 'Literal' ? node.source.value : undefined),
      TSImportType: (/** @type {unknown} */ node) =>
        checkType(/** @type {import('estree').Node & { source: { value: unknown } }} */ (node))
    }
  }
}

export default rule
