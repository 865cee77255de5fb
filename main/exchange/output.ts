import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { setFormat } from './annotated-set'
import { html } from './html'

/**
 * Whether an existing file may be replaced. With `true`, any earlier export of this program; with a name, also any
 * other file of that name.
 */
export type Overwrite = boolean | string

/** Element that identifies a report of this program. */
export const reportGenerator = html`<meta name="generator" content="Spectroscope">`

const headBytes = 1024

const isExport = async (file: string): Promise<boolean> => {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    const head = buffer.toString('utf8', 0, bytesRead)
    const format = /^\s*\{\s*"format"\s*:\s*"([^"]*)"/.exec(head)?.[1]
    return format === setFormat || (head.startsWith('<!doctype html>') && head.includes(reportGenerator.markup))
  } finally {
    await handle.close()
  }
}

/** Throws a `usage` error if the path is a folder, or a file that must not be replaced. */
export const refuseToReplace = async (file: string, overwrite: Overwrite): Promise<void> => {
  const there = await stat(file).catch(() => undefined)
  if (there === undefined) return
  if (there.isDirectory()) throw new SpectroscopeError('usage', `${file} is a folder; give the name of a file in it.`)
  const name = basename(file)
  if (overwrite === name) return
  if (!there.isFile() || !(await isExport(file).catch(() => false))) {
    throw new SpectroscopeError(
      'usage',
      `${file} exists already and is not an export of this program; ` +
        `choose another name, or allow replacing it by name (--overwrite-file ${name}).`
    )
  }
  if (overwrite !== true) {
    const remedy = 'choose another name, or allow replacing it (--overwrite)'
    throw new SpectroscopeError('usage', `${file} exists already; ${remedy}.`)
  }
}
