import { pathToFileURL } from 'node:url'

/** @type {import('node:module').ResolveHook} */
export const resolve = (specifier, context, next) =>
  specifier === 'electron'
    ? { url: pathToFileURL(process.env['SPECTROSCOPE_HOST'] ?? '').href, shortCircuit: true }
    : next(specifier, context)
