import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { setFormat } from './annotated-set'
import { html } from './html'

/** Whether a file that is there may be replaced: any export of this program by `true`, any other by its own name. */
export type Overwrite = boolean | string

/** Element by which a report is known again. */
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

/** Throws a `usage` error where there is a folder of that name, or a file that must not be replaced. */
export const refuseToReplace = async (file: string, overwrite: Overwrite): Promise<void> => {
  const there = await stat(file).catch(() => undefined)
  if (there === undefined) return
  if (there.isDirectory()) throw new SpectroscopeError('usage', `${file} is a folder; give the name of a file in it.`)
  const name = basename(file)
  if (overwrite === name) return
  if (!there.isFile() || !(await isExport(file).catch(() => false))) {
    throw new SpectroscopeError(
      'usage',
      `${file} is there already, and is not known as an export of this program; ` +
        `choose another name, or allow by its name that it is replaced (--overwrite-file ${name}).`
    )
  }
  if (overwrite !== true) {
    const remedy = 'choose another name, or allow that it is replaced (--overwrite)'
    throw new SpectroscopeError('usage', `${file} is there already; ${remedy}.`)
  }
}
