// npm run reference: writes the tables of docs/reference.md from the schema in preload/configuration.ts.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runnerImport } from 'vite'
import { root } from './ensure.mjs'

const path = join(root, 'docs', 'reference.md')
const options = { root, configFile: /** @type {const} */ (false), logLevel: /** @type {const} */ ('error') }
const { module } = await runnerImport(join(root, 'tools', 'reference.ts'), options)
const { withReference } = /** @type {typeof import('./reference')} */ (module)
writeFileSync(path, withReference(readFileSync(path, 'utf8')))
