// Compiles main/<layer>/kernels/<name>.ts (AssemblyScript) to out/kernels/<layer>-<name>.wasm. A kernel with a line
// `// @shared-memory` uses a memory created by its caller, which threads share.
import { readdirSync, mkdirSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const root = fileURLToPath(new URL('..', import.meta.url))
const outDir = join(root, 'out', 'kernels')
mkdirSync(outDir, { recursive: true })
const mostPages = '65536'
const sharing = [
  '--importMemory',
  '--sharedMemory',
  '--maximumMemory',
  mostPages,
  '--enable',
  'threads',
  '--enable',
  'bulk-memory'
]

for (const layer of readdirSync(join(root, 'main'))) {
  const folder = join(root, 'main', layer, 'kernels')
  if (!existsSync(folder)) continue
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    const source = join(folder, file)
    const target = join(outDir, `${layer}-${file.replace(/\.ts$/, '')}.wasm`)
    const { error, stderr } = await asc.main([
      source,
      '--outFile',
      target,
      '-O3',
      '--converge',
      '--noAssert',
      '--enable',
      'simd',
      '--runtime',
      'stub',
      ...(readFileSync(source, 'utf8').includes('\n// @shared-memory\n') ? sharing : ['--exportRuntime'])
    ])
    if (error) {
      process.stderr.write(`${stderr.toString()}\n${error.message}\n`)
      process.exit(1)
    }
  }
}
