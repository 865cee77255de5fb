import { build } from './ensure.mjs'

process.exitCode = build()
