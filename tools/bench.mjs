// npm run bench: builds test/bench and runs its parts, each in a process of its own so that peak memory is the
// part's. `npm run bench -- speed --shapes fixture` runs one part; `-- speed --help` lists the options, `-- window
// --help` those of the window.
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, root, run } from './ensure.mjs'

const parts = [
  'speed',
  'accuracy',
  'neighbours',
  'clustering',
  'describe',
  'growth',
  'rows',
  'responsiveness',
  'window'
]
// Run only when named, because they need a device, only count operations, or take an hour.
const others = ['device', 'gather', 'launches', 'host', 'loss', 'reliability', 'agreement', 'structure', 'communities']
checkNode()
ensureInstalled()
ensureBuilt()
const { build } = await import('vite')
const input = {
  ...Object.fromEntries(
    ['bench', 'products', 'idle-worker'].map((name) => [name, join(root, 'test', 'bench', `${name}.ts`)])
  ),
  window: join(root, 'test', 'bench', 'window', 'window.ts')
}
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  build: {
    ssr: true,
    outDir: join(root, 'out', 'bench'),
    target: 'node20',
    rolldownOptions: { input, output: { entryFileNames: '[name].js' } }
  }
})
const given = process.argv.slice(2)
const named = [...parts, ...others].includes(given[0])
const chosen = named ? [given[0]] : parts
const options = named ? given.slice(1) : given
for (const part of chosen) {
  const entry =
    part === 'window'
      ? [join('out', 'bench', 'window.js'), ...(chosen.length === 1 ? options : [])]
      : [join('out', 'bench', 'bench.js'), part, ...options]
  const status = run([process.execPath, ...entry])
  if (status !== 0) process.exitCode = status
}
