import { fileURLToPath } from 'node:url'
import { defineConfig } from 'electron-vite'

const entry = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Every process and worker thread is an entry of its own, found at run time by its name in `main/base/entries.ts`. */
export default defineConfig({
  main: {
    build: {
      outDir: 'out/main',
      target: 'node20',
      sourcemap: true,
      rolldownOptions: {
        input: {
          cli: entry('main/cli.ts'),
          store: entry('main/store/process.ts'),
          compute: entry('main/pipeline/compute.ts'),
          'sampling-worker': entry('main/sampling/worker.ts'),
          'clustering-worker': entry('main/clustering/worker.ts')
        },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' }
      }
    }
  }
})
