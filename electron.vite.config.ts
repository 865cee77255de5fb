import { fileURLToPath } from 'node:url'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'electron-vite'

const entry = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/**
 * Packages of JavaScript alone: a process that reads them file by file takes three times as long to start. All that
 * the shell needs is among them, so that its code is in the package's archive.
 */
const bundled = [
  '@duckdb/node-api',
  '@msgpack/msgpack',
  '@noble/hashes',
  'commander',
  'csv-parse',
  'electron-store',
  'protobufjs',
  'ws',
  'yauzl',
  'yazl',
  'zarrita',
  'zod'
]

/**
 * Every process and worker thread is an entry of its own, found at run time by its name in `main/base/entries.ts`.
 */
export default defineConfig({
  main: {
    build: {
      outDir: 'out/main',
      externalizeDeps: { exclude: bundled },
      target: 'node20',
      sourcemap: true,
      rolldownOptions: {
        // Native, as is what is not bundled.
        external: ['@duckdb/node-bindings', 'original-fs'],
        input: {
          cli: entry('main/cli.ts'),
          index: entry('main/index.ts'),
          store: entry('main/store/process.ts'),
          compute: entry('main/pipeline/compute.ts'),
          tfjs: entry('main/engine/devices/tfjs/process.ts'),
          webgpu: entry('main/engine/devices/webgpu/process.ts'),
          'tfjs-install': entry('main/engine/devices/tfjs/install-process.ts'),
          'sampling-worker': entry('main/sampling/worker.ts'),
          'clustering-worker': entry('main/clustering/worker.ts'),
          'matching-worker': entry('main/base/matching-worker.ts')
        },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' }
      }
    }
  },
  // A sandboxed preload script must be one CommonJS file.
  preload: {
    build: {
      outDir: 'out/preload',
      externalizeDeps: false,
      rolldownOptions: {
        input: { index: entry('preload/index.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' }
      }
    }
  },
  renderer: {
    root: entry('renderer'),
    base: './',
    plugins: [svelte({ configFile: entry('svelte.config.js') })],
    build: {
      outDir: entry('out/renderer'),
      emptyOutDir: true,
      target: 'chrome120',
      sourcemap: true,
      // What is inlined as data: would need another rule in the content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: { index: entry('renderer/index.html') },
        checks: { bundlerTimings: false }
      }
    }
  }
})
