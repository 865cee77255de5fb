// A room is a folder below main/ with an index.ts. Files outside it import what that index exports, and nothing else.
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

/**
 * Rooms that hold `path`, from the outermost in: absolute paths. @param {string} main @param {string} path
 */
const roomsAround = (main, path) => {
  const rooms = []
  for (let folder = dirname(path); folder.startsWith(main + sep); folder = dirname(folder))
    if (existsSync(join(folder, 'index.ts'))) rooms.unshift(folder)
  return rooms
}

/** @type {import('eslint').Rule.RuleModule} */
export default {
  meta: {
    type: 'problem',
    schema: [],
    docs: { description: 'from outside, a room is imported by its index.ts' },
    messages: { past: 'Import from {{room}}, whose index.ts says what others may use, not from {{imported}}.' }
  },
  create: (context) => {
    const main = join(context.cwd, 'main')
    /** @param {string} path */
    const shown = (path) => relative(context.cwd, path).split(sep).join('/')
    /** @param {import('estree').Node} node @param {unknown} source */
    const check = (node, source) => {
      if (typeof source !== 'string' || !source.startsWith('.')) return
      const imported = resolve(dirname(context.filename), source)
      const room = roomsAround(main, imported).find((folder) => !context.filename.startsWith(folder + sep))
      if (room !== undefined && imported !== join(room, 'index'))
        context.report({ node, messageId: 'past', data: { room: shown(room), imported: shown(imported) } })
    }
    return {
      ImportDeclaration: (node) => check(node, node.source.value),
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ExportNamedDeclaration: (node) => check(node, node.source?.value),
      ImportExpression: (node) => check(node, node.source.type === 'Literal' ? node.source.value : undefined),
      TSImportType: (/** @type {any} */ node) => check(node, node.source.value)
    }
  }
}
