import { pathToFileURL } from 'node:url'

const standIns = {
  electron: pathToFileURL(process.env['SPECTROSCOPE_HOST'] ?? '').href,
  'original-fs': new URL('./original-fs.mjs', import.meta.url).href
}

/** @type {import('node:module').ResolveHook} */
export const resolve = (specifier, context, next) =>
  specifier === 'electron' || specifier === 'original-fs'
    ? { url: standIns[specifier], shortCircuit: true }
    : next(specifier, context)
