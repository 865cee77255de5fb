import { lstat, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { resourcePath } from '../base/entries'
import { faultCode } from '../base/faults'

/** Where the window of `serve` reads and writes files; other windows have the system's own dialogs for that. */
export interface Reach {
  /** Throws an `input` error that names `--folder` where a path, or what its links lead to, is not within reach. */
  check(path: string): Promise<void>
  has(path: string): Promise<boolean>
  /** Folders that were named: those of `--folder`, and of the settings. */
  readonly places: readonly string[]
}

/**
 * A path without links, whether or not its last parts are there yet. Undefined for a link that leads nowhere, as
 * writing to it would make a file elsewhere.
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

/** What programs keep in a home folder: keys, settings, and what starts by itself. */
const isPrivate = (parts: readonly string[]): boolean =>
  parts.some((part) => part.startsWith('.')) || ['library', 'appdata'].includes(parts[0].toLowerCase())

/** Hugging Face's cache of models, hidden as it is. */
const modelCache = join('.cache', 'huggingface', 'hub')

export interface ReachSettings {
  /** The open workspace, and the one that was asked for. */
  readonly workspaces: () => readonly string[]
  readonly places: () => readonly string[]
}

/**
 * Reach of a window that has no dialogs of the system: the workspace, the home folder but for what programs keep
 * there, the program's own demonstration, and the folders that were named.
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
      const where = `${briefly(resolve(path))} is in no folder that this window reaches`
      throw new SpectroscopeError('input', `${where}; \`spectroscope serve --folder DIR\` adds one.`)
    }
  }
}

/** Of windows that have the system's own dialogs. */
export const everywhere: Reach = { check: async () => {}, has: async () => true, places: [] }

type Named = Pick<RunConfiguration, 'model'> & Partial<Pick<RunConfiguration, 'weights' | 'rows' | 'corpus'>>

/** Checks all paths that a configuration names. Throws as `check`, with the place in the configuration first. */
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
