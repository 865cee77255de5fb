// npm run fuzz: opens 2,000 hostile workspaces, in separate processes. `npm run fuzz -- --seed 7 --first 123 --count
// 1 --all` repeats one of them; the seed is printed at the start.
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, root, run } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureBuilt()
const { build } = await import('vite')
const input = Object.fromEntries(['fuzz', 'visitor'].map((name) => [name, join(root, 'test', 'fuzz', `${name}.ts`)]))
const outDir = join(root, 'out', 'fuzz')
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  build: { ssr: true, outDir, target: 'node20', rolldownOptions: { input, output: { entryFileNames: '[name].js' } } }
})
const options = ['--visitor', join(outDir, 'visitor.js'), ...process.argv.slice(2)]
process.exitCode = run([process.execPath, join(outDir, 'fuzz.js'), ...options])
