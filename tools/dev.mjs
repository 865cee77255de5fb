// npm run dev: the window on a synthetic workspace, without a main side. Reloads when files in renderer/ are saved.
import { join } from 'node:path'
import { checkNode, ensureInstalled, root } from './ensure.mjs'

checkNode()
ensureInstalled()
const { createServer } = await import('vite')
const server = await createServer({
  configFile: join(root, 'test', 'host', 'preview.vite.ts'),
  server: { host: '127.0.0.1', strictPort: false, hmr: true }
})
await server.listen()
const [address] = server.resolvedUrls?.local ?? []
process.stdout.write(`The window on a synthetic workspace: ${address}preview.html?clusters=300&tokens=60000\n`)
