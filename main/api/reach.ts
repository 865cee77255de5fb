import { lstat, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { resourcePath } from '../base/entries'
import { faultCode } from '../base/faults'

/** Paths that the window of `serve` may read and write. Electron's window uses system dialogs instead. */
export interface Reach {
  /** Throws an `input` error that mentions `--folder` if a path, or the target of its links, is out of reach. */
  check(path: string): Promise<void>
  has(path: string): Promise<boolean>
  /** Additional folders, from `--folder` and from the settings. */
  readonly places: readonly string[]
}

/**
 * Resolves links in a path, whose last parts need not exist. Undefined for a broken link, because writing to it would
 * create a file elsewhere.
 */
const realOf = async (path: string): Promise<string | undefined> => {
  try {
    return await realpath(path)
  } catch (error) {
    if (faultCode(error) === 'ELOOP') return undefined
    const found = await lstat(path).catch(() => undefined)
    if (found?.isSymbolicLink() === true) return undefined
    const parent = dirname(path)
    const above = parent === path ? path : await realOf(parent)
    return above === undefined ? undefined : join(above, basename(path))
  }
}

const partsBelow = (folder: string, path: string): readonly string[] | undefined => {
  const way = relative(folder, path)
  if (isAbsolute(way) || way.split(sep)[0] === '..') return undefined
  return way.split(sep)
}

/** Hidden and library folders in a home folder, which hold keys, settings and autostart entries. */
const isPrivate = (parts: readonly string[]): boolean =>
  parts.some((part) => part.startsWith('.')) || ['library', 'appdata'].includes(parts[0].toLowerCase())

/** Hugging Face's model cache, allowed although hidden. */
const modelCache = join('.cache', 'huggingface', 'hub')

export interface ReachSettings {
  /** The open workspace, and the one requested at the start. */
  readonly workspaces: () => readonly string[]
  readonly places: () => readonly string[]
}

/**
 * Reach of a window without system dialogs: the workspace, the home folder except private parts, the program's
 * demonstration, and additional folders.
 */
export const reachOf = ({ workspaces, places }: ReachSettings): Reach => {
  const isWithin = async (real: string): Promise<boolean> => {
    const home = await realOf(homedir())
    const below = home === undefined ? undefined : partsBelow(home, real)
    if (below !== undefined && !isPrivate(below)) return true
    const roots = [...places(), ...workspaces(), resourcePath('demo'), join(homedir(), modelCache)]
    for (const root of roots) {
      const folder = await realOf(resolve(root))
      if (folder !== undefined && partsBelow(folder, real) !== undefined) return true
    }
    return false
  }
  const has = async (path: string): Promise<boolean> => {
    const real = await realOf(resolve(path))
    return real !== undefined && isWithin(real)
  }
  return {
    has,
    get places() {
      return places()
    },
    check: async (path) => {
      if (await has(path)) return
      const where = `${briefly(resolve(path))} is outside the folders that this window may access`
      throw new SpectroscopeError('input', `${where}; \`spectroscope serve --folder DIR\` adds one.`)
    }
  }
}

/** Reach of windows with system dialogs: everything. */
export const everywhere: Reach = { check: async () => {}, has: async () => true, places: [] }

type Named = Pick<RunConfiguration, 'model'> & Partial<Pick<RunConfiguration, 'weights' | 'rows' | 'corpus'>>

/** Checks all paths in a configuration. Throws the errors of `check`, with the configuration key first. */
export const checkNamed = async (
  reach: Reach,
  { model, weights, rows, corpus }: Named,
  baseFolder: string
): Promise<void> => {
  const named: [string, string | undefined][] = [
    ['model', model],
    ['weights', weights],
    ['rows', rows],
    ...(corpus?.files ?? []).map((file, at): [string, string] => [`corpus.files[${at}]`, file])
  ]
  for (const [place, path] of named) {
    if (path === undefined) continue
    await reach.check(resolve(baseFolder, path)).catch((error: unknown) => {
      if (!(error instanceof SpectroscopeError)) throw error
      throw new SpectroscopeError(error.kind, `"${place}": ${error.message}`, { cause: error })
    })
  }
}
