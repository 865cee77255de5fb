// Compiles main/<layer>/kernels/<name>.ts (AssemblyScript) to out/kernels/<layer>-<name>.wasm.
import { readdirSync, mkdirSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const root = fileURLToPath(new URL('..', import.meta.url))
const outDir = join(root, 'out', 'kernels')
mkdirSync(outDir, { recursive: true })

for (const layer of readdirSync(join(root, 'main'))) {
  const folder = join(root, 'main', layer, 'kernels')
  if (!existsSync(folder)) continue
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    const source = join(folder, file)
    const target = join(outDir, `${layer}-${file.replace(/\.ts$/, '')}.wasm`)
    const { error, stderr } = await asc.main([
      source, '--outFile', target, '-O3', '--converge', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--exportRuntime'
    ])
    if (error) {
      process.stderr.write(`${stderr.toString()}\n${error.message}\n`)
      process.exit(1)
    }
  }
}
