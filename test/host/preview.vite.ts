import { fileURLToPath } from 'node:url'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: at('.'),
  publicDir: at('../../renderer/public'),
  // Several can be at work beside each other.
  cacheDir: at(`../../node_modules/.vite-preview-${process.pid}`),
  plugins: [svelte({ configFile: at('../../svelte.config.js') })],
  // The page stays as it is while files change: a test or a person reloads it.
  server: { fs: { allow: [at('../..')] }, strictPort: true, hmr: false }
})
