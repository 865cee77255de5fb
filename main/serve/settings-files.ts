import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { SettingsFile } from '../api/context'
import { settingsFolder } from '../base/folders'

const read = (path: string): unknown => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // None yet, or one that a person has spoilt: it counts as empty, as in the shell.
    return {}
  }
}

/** After a crash at any moment the old or the new content is there, whole. */
const write = (path: string, text: string): void => {
  const temporary = join(dirname(path), `.settings.${process.pid}-${randomBytes(4).toString('hex')}.tmp`)
  mkdirSync(dirname(path), { recursive: true })
  try {
    const file = openSync(temporary, 'wx')
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

const fileOf = (name: string): SettingsFile => {
  const path = join(settingsFolder(), `${name}.json`)
  return { get: () => read(path), set: (value) => write(path, `${JSON.stringify(value, null, '\t')}\n`) }
}

/**
 * The files that the shell keeps by electron-store, in the same format. Not by its base package, conf: that hooks all signals and sends
 * each one again, which ends a program before its checkpoint is written.
 */
export const settingsFiles = (): { readonly settings: SettingsFile; readonly views: SettingsFile } => ({ settings: fileOf('settings'), views: fileOf('views') })
