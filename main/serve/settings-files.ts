import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import type { SettingsFile } from '../api/context'
import { faultCode } from '../base/faults'
import { settingsFolder } from '../base/folders'
import { complain } from '../base/printed'

type Entries = Readonly<Record<string, unknown>>

/** Decodes text, removing any byte order mark that an editor may write. Throws if the bytes are not text. */
const textOf = (bytes: Buffer): string => {
  const [first, second] = bytes
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding, { fatal: true }).decode(bytes)
}

/** Parses the entries of a file; undefined if it is not a JSON object, or is truncated. */
const entriesIn = (bytes: Buffer): Entries | undefined => {
  try {
    const value: unknown = JSON.parse(textOf(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Entries) : undefined
  } catch {
    return undefined
  }
}

/** Renames a file to a free name beside it. Returns that name. */
const setAside = (path: string): string => {
  for (let number = 1; ; number++) {
    const kept = `${path}.bad${number === 1 ? '' : `-${number}`}`
    try {
      copyFileSync(path, kept, constants.COPYFILE_EXCL)
    } catch (error) {
      if (faultCode(error) === 'EEXIST') continue
      throw error
    }
    rmSync(path)
    return kept
  }
}

/**
 * Writes atomically: after a crash at any moment, either the old or the new content is there, complete. Only its
 * owner can read the file, as settings may hold a key.
 */
const write = (path: string, text: string): void => {
  const temporary = join(dirname(path), `.settings.${process.pid}-${randomBytes(4).toString('hex')}.tmp`)
  mkdirSync(dirname(path), { recursive: true })
  try {
    const file = openSync(temporary, 'wx', 0o600)
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

/**
 * A JSON settings file. An unreadable file is never overwritten: it is set aside first, and if that fails, nothing is
 * written.
 */
class JsonFile implements SettingsFile {
  readonly #notes = new Set<string>()

  /** `keep` must write the entries atomically. */
  constructor(
    readonly path: string,
    readonly keep: (value: Entries) => void
  ) {}

  get notes(): readonly string[] {
    return [...this.#notes]
  }

  /** Records a note, and reports it the first time. */
  #say(note: string): void {
    if (this.#notes.has(note)) return
    this.#notes.add(note)
    complain(note)
  }

  /** Reads the entries. Returns an error if the file can be neither read nor set aside. */
  #read(): Entries | SpectroscopeError {
    try {
      const entries = entriesIn(readFileSync(this.path))
      if (entries !== undefined) return entries
      this.#say(
        `${this.path} is not valid JSON, so its settings cannot be read; ` +
          `it was renamed to ${setAside(this.path)}, and the defaults apply.`
      )
      return {}
    } catch (error) {
      if (faultCode(error) === 'ENOENT') return {}
      return new SpectroscopeError(
        'storage',
        `${this.path} cannot be read (${messageOf(error)}), so settings are not saved; make it readable.`,
        { cause: error }
      )
    }
  }

  get(): Entries {
    const found = this.#read()
    if (!(found instanceof SpectroscopeError)) return found
    this.#say(found.message)
    return {}
  }

  set(value: Entries): void {
    const found = this.#read()
    if (found instanceof SpectroscopeError) throw found
    this.keep(value)
  }
}

/** A settings file in this user's folder, read here and written by `keep`. */
export const guardedFile = (name: string, keep: (value: Entries, path: string) => void): SettingsFile => {
  const path = join(settingsFolder(), `${name}.json`)
  return new JsonFile(path, (value) => keep(value, path))
}

const settingsFile = (name: string): SettingsFile =>
  guardedFile(name, (value, path) => write(path, `${JSON.stringify(value, null, '\t')}\n`))

/**
 * This user's settings files for `serve`, the same as the desktop shell's. Does not use the package conf: it hooks
 * all signals and raises each again, which would end the program before its checkpoint is written.
 */
export const settingsFiles = (): { readonly settings: SettingsFile; readonly views: SettingsFile } => ({
  settings: settingsFile('settings'),
  views: settingsFile('views')
})
