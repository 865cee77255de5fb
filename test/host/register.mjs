// node --import test/host/register.mjs out/main/index.js: the built shell on the stand-in, whose bundle
// SPECTROSCOPE_HOST names.
import { register } from 'node:module'

register('./resolve.mjs', import.meta.url)
