// npm run bench: builds test/bench and runs its parts, each in a process of its own so that peak memory is the part's.
// `npm run bench -- speed --shapes fixture` runs one part; `-- speed --help` lists the options.
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, root, run } from './ensure.mjs'

const parts = ['speed', 'accuracy', 'clustering', 'describe']
checkNode()
ensureInstalled()
ensureBuilt()
const { build } = await import('vite')
const input = Object.fromEntries(['bench', 'products'].map((name) => [name, join(root, 'test', 'bench', `${name}.ts`)]))
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  build: { ssr: true, outDir: join(root, 'out', 'bench'), target: 'node20', rolldownOptions: { input, output: { entryFileNames: '[name].js' } } }
})
const given = process.argv.slice(2)
const chosen = parts.includes(given[0]) ? [given[0]] : parts
const options = parts.includes(given[0]) ? given.slice(1) : given
for (const part of chosen) {
  const status = run([process.execPath, join('out', 'bench', 'bench.js'), part, ...options])
  if (status !== 0) process.exitCode = status
}
