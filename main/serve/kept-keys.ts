import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { linkPrefix } from '../../preload/contract-entry'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'
import { settingsFolder } from '../base/folders'
import { writingError } from '../base/files'
import { secret } from './access'
import { makeLink } from './admission'
import type { Keys } from './admission'

const fileSchema = z.object({
  workspace: z.string(),
  secret: z.string().min(32),
  session: z.string(),
  /** Null once the process has ended. */
  pid: z.int().min(1).nullable(),
  /** Address of the page, without a token. */
  address: z.string()
})
type Kept = z.output<typeof fileSchema>

/** Folder where `serve` keeps the keys of each workspace: in the user's settings, never in the workspace. */
export const keysFolder = (): string => join(settingsFolder(), 'serve')

const fileOf = (folder: string, workspace: string): string =>
  join(folder, `${createHash('sha256').update(workspace).digest('hex').slice(0, 32)}.json`)

/** Content of a file that only this user can access and has created; undefined for any other file. */
const readOwn = (path: string): Kept | undefined => {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch {
    return undefined
  }
  try {
    const { mode, uid } = fstatSync(file)
    if (process.platform !== 'win32' && ((mode & 0o077) !== 0 || uid !== process.getuid?.())) return undefined
    return fileSchema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data
  } catch {
    return undefined
  } finally {
    closeSync(file)
  }
}

const writeOwn = (path: string, kept: Kept): void => {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`
  try {
    writeFileSync(temporary, `${JSON.stringify(kept)}\n`, { flag: 'wx', mode: 0o600 })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** New keys for a process whose pages need not find it again. */
export const passingKeys = (): Keys => ({ secret: secret(), session: secret() })

/** Keys for a workspace: the stored secret, or a new one, with a new session. */
export const keysFor = (folder: string, workspace: string): Keys => {
  const kept = readOwn(fileOf(folder, workspace))
  return { secret: kept?.secret ?? secret(), session: secret() }
}

/** Stores the keys of a workspace that is being served. Throws a `storage` error. */
export const keepKeys = (folder: string, workspace: string, keys: Keys, address: string): void => {
  const path = fileOf(folder, workspace)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeOwn(path, { workspace, ...keys, pid: process.pid, address })
  } catch (error) {
    throw writingError(path, error)
  }
}

/** Records that the process has ended. Leaves keys that another process has stored since. Throws a system error. */
export const releaseKeys = (folder: string, workspace: string, { session }: Keys): void => {
  const path = fileOf(folder, workspace)
  const kept = readOwn(path)
  if (kept?.session === session) writeOwn(path, { ...kept, pid: null })
}

const runs = (pid: number | null): boolean => {
  if (pid === null) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return faultCode(error) === 'EPERM'
  }
}

const served = (folder: string): Kept[] => {
  try {
    return readdirSync(folder)
      .flatMap((name) => (name.endsWith('.json') ? (readOwn(join(folder, name)) ?? []) : []))
      .filter(({ pid }) => runs(pid))
  } catch (error) {
    if (faultCode(error) === 'ENOENT') return []
    throw error
  }
}

export interface FreshLink {
  readonly workspace: string
  readonly address: string
}

/**
 * Makes a new link to the `serve` process of a workspace, by default the only one running. Throws a `usage` error if
 * none runs.
 */
export const linkTo = (workspace: string | undefined, folder = keysFolder()): FreshLink => {
  const all = served(folder)
  const found = workspace === undefined ? all : all.filter((each) => each.workspace === workspace)
  if (found.length === 0) {
    const which = workspace === undefined ? '' : ` for ${workspace}`
    throw new SpectroscopeError(
      'usage',
      `You have no \`spectroscope serve\` running${which} on this machine; start it.`
    )
  }
  if (found.length > 1) {
    const names = found.map((each) => each.workspace).join(', ')
    throw new SpectroscopeError('usage', `Several workspaces are served (${names}); choose one with --workspace.`)
  }
  const [kept] = found
  return { workspace: kept.workspace, address: `${kept.address}${linkPrefix}${makeLink(kept)}` }
}
