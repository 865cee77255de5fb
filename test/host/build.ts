import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Bundles the stand-in into a folder; gives the path of its electron module. */
export const buildHost = async (folder: string): Promise<string> => {
  const common = { configFile: false, logLevel: 'error', publicDir: false } as const
  await build({
    ...common,
    ssr: { noExternal: true, external: ['playwright-core', 'ws', 'electron'] },
    build: {
      ssr: here('./electron.ts'),
      outDir: folder,
      emptyOutDir: true,
      target: 'node20',
      rolldownOptions: { output: { entryFileNames: 'electron.mjs' } }
    }
  })
  await build({
    ...common,
    build: {
      lib: { entry: here('./page/page.ts'), formats: ['iife'], name: 'hostPageModule', fileName: () => 'page.js' },
      outDir: folder,
      emptyOutDir: false,
      target: 'chrome120',
      minify: false
    }
  })
  return join(folder, 'electron.mjs')
}
