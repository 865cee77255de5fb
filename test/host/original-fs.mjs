// Stands in for Electron's original-fs, to which an archive is a file: the one that SPECTROSCOPE_HOST_ARCHIVE names.
// The folder app.asar has its contents, as Node reads no archive.
import { promises as files } from 'node:fs'

export { createReadStream } from 'node:fs'
export const promises = {
  open: (/** @type {string} */ path, /** @type {string} */ flags) =>
    files.open(/app\.asar$/.test(path) ? (process.env['SPECTROSCOPE_HOST_ARCHIVE'] ?? path) : path, flags)
}
