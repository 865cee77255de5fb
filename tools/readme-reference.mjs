// npm run reference: writes the reference of CONFIG.json into README.md, from the schema in preload/configuration.ts.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runnerImport } from 'vite'
import { root } from './ensure.mjs'

const path = join(root, 'README.md')
const { module } = await runnerImport(join(root, 'tools', 'reference.ts'), { root, configFile: false, logLevel: 'error' })
writeFileSync(path, /** @type {typeof import('./reference')} */ (module).withReference(readFileSync(path, 'utf8')))
