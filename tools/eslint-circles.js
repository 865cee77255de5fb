// Forbids circular imports, including those of types, which couple files as much.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

const importOf = /^\s*(?:import|export)\s[^'"`;]*?\bfrom\s+'(\.[^']+)'|^\s*import\s+'(\.[^']+)'/gm

/** @param {string} path */
const isFile = (path) => existsSync(path) && statSync(path).isFile()

/** @type {Map<string, readonly string[]>} */
const known = new Map()

/** Project files imported by a file, by path. @param {string} file */
const importsOf = (file) => {
  const found = known.get(file)
  if (found !== undefined) return found
  const imports = [...readFileSync(file, 'utf8').matchAll(importOf)].flatMap(([, from, alone]) => {
    const base = resolve(dirname(file), from ?? alone)
    return [base, `${base}.ts`].filter(isFile).slice(0, 1)
  })
  known.set(file, imports)
  return imports
}

/**
 * A chain of imports from one file to another; undefined if there is none. @param {string} from @param {string} to
 */
const wayBetween = (from, to) => {
  const seen = new Set([from])
  const ways = [[from]]
  for (const way of ways) {
    const last = way[way.length - 1]
    if (last === to) return way
    for (const next of importsOf(last)) {
      if (seen.has(next)) continue
      seen.add(next)
      ways.push([...way, next])
    }
  }
  return undefined
}

/** @type {import('eslint').Rule.RuleModule} */
export default {
  meta: { type: 'problem', schema: [], messages: { circle: 'This import closes a circle: {{way}}.' } },
  create(context) {
    /** @param {any} node */
    const check = (node) => {
      const source = node.source?.value
      if (typeof source !== 'string' || !source.startsWith('.')) return
      const base = resolve(dirname(context.filename), source)
      const target = [base, `${base}.ts`].find(isFile)
      const way = target === undefined ? undefined : wayBetween(target, context.filename)
      if (way === undefined) return
      const names = way.map((path) => path.slice(context.cwd.length + 1)).join(' → ')
      context.report({ node, messageId: 'circle', data: { way: names } })
    }
    return { ImportDeclaration: check, ExportNamedDeclaration: check, ExportAllDeclaration: check }
  }
}
