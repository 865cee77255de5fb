import { constants, mkdtempSync, rmSync } from 'node:fs'
import { access, copyFile, open, rename, rm, stat } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from '@duckdb/node-api'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { openConfined } from '../base/confined-duckdb'
import { faultCode } from '../base/faults'
import { makeFolder, stamp, writeFileAtomically, writingError } from '../base/files'
import { checkContents, makePlainFolder, readPlain } from '../base/plain-files'
import { UnfitRows } from './fitting'
import { applyMigrations, readSchema } from './own-schema'
import { migrations as ownMigrations } from './schema'
import type { Migration } from './schema'
import { checkedRunId } from './workspace-paths'

export const markerName = 'spectroscope-workspace.json'
export const databaseName = 'workspace.duckdb'
/** Permissions of a new workspace folder. Its files and folders inherit them. */
export const privateMode = 0o700
const markerFormat = 'spectroscope-workspace'
const markerVersion = 1

export interface OpenOptions {
  readonly create: boolean
  readonly readOnly: boolean
}

export type Row = Readonly<Record<string, unknown>>

/** Rows of a query as plain objects. Lists become arrays; timestamps stay as selected. */
export const select = async (
  connection: DuckDBConnection,
  sql: string,
  values: readonly DuckDBValue[] = []
): Promise<Row[]> => (await connection.runAndReadAll(sql, [...values])).getRowObjectsJS()

/** A DuckDB error with a known cause and remedy, as a sentence that names the workspace. */
const knownError = (folder: string, error: unknown): SpectroscopeError | undefined => {
  if (error instanceof SpectroscopeError) return error
  if (error instanceof UnfitRows) return workspaceError(folder, `${databaseName}: ${error.message}; ${remedy}`, error)
  const message = messageOf(error)
  const of = (kind: 'workspace' | 'storage', sentence: string): SpectroscopeError =>
    new SpectroscopeError(kind, `${folder}: ${sentence}.`, { cause: error })
  const holder = /Conflicting lock is held in .*?\(PID (\d+)\)/.exec(message)?.[1]
  if (holder !== undefined || /Could not set lock on file|being used by another process/.test(message)) {
    return of(
      'workspace',
      `the workspace is open in another program${holder === undefined ? '' : ` (process ${holder})`}; close ` +
        'that one first, or use another workspace'
    )
  }
  if (/No space left on device|not enough space|Disk quota exceeded/i.test(message)) {
    return of('storage', 'no space is left on the device; free some space and try again. Saved data is safe')
  }
  if (/failed to offload data block|Out of Memory Error/i.test(message))
    return of('storage', 'there is not enough memory or temporary disk space for this; free some and try again')
  if (/newer version of DuckDB|different version of DuckDB|storage version/i.test(message))
    return of('workspace', `${databaseName} was written by a newer version of the program; update this one`)
  if (
    /not a valid DuckDB database|Corrupt|checksum|Serialization Error|deserializ|Failure while replaying WAL/i.test(
      message
    )
  ) {
    return of('workspace', `${databaseName} is damaged or not a database; ${remedy}`)
  }
  if (/^(Conversion|Out of Range) Error|Malformed JSON/.test(message)) {
    return of(
      'workspace',
      `${databaseName} contains a value that this program did not write (${firstLine(error)}); ${remedy}`
    )
  }
  if (/read-only mode/.test(message))
    return of('workspace', 'the workspace is open for reading only; open it for writing to change it')
  if (/database has been invalidated/.test(message))
    return of('storage', 'the database stopped after an earlier error; open the workspace again. Saved data is safe')
  return undefined
}

const firstLine = (error: unknown): string => messageOf(error).split('\n')[0].replace(/\.$/, '')

/** A DuckDB error as a sentence that names the workspace. Other errors are returned unchanged. */
export const databaseError = (folder: string, error: unknown): unknown =>
  knownError(folder, error) ??
  (/^IO Error/.test(messageOf(error))
    ? new SpectroscopeError('storage', `${folder}: the database cannot be read or written (${firstLine(error)}).`, {
        cause: error
      })
    : error)

/** Remedy for a database that cannot be opened. */
const remedy = '`spectroscope restore` restores a copy and the labels'

/** Whether a workspace could not be opened because its database is damaged or missing. */
export const isDamage = (error: unknown): boolean =>
  error instanceof SpectroscopeError && error.message.includes(remedy)

const upgrading = 'open it once for writing, which upgrades it'

/** Whether a workspace could not be read because it must be upgraded first. */
export const isOlder = (error: unknown): boolean =>
  error instanceof SpectroscopeError && error.message.includes(upgrading)

const workspaceError = (folder: string, sentence: string, cause?: unknown): SpectroscopeError =>
  new SpectroscopeError('workspace', `${folder}: ${sentence}.`, { cause })

const kindOf = async (path: string): Promise<'file' | 'folder' | undefined> => {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file'
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return undefined
    if (code === 'ENOTDIR')
      throw workspaceError(path, 'a part of this path is a file, not a folder; choose another path', error)
    throw workspaceError(
      path,
      `it cannot be read (${messageOf(error)}); change its permissions or choose another folder`,
      error
    )
  }
}

const checkMarker = async (folder: string): Promise<void> => {
  const damaged = (cause?: unknown): SpectroscopeError =>
    workspaceError(folder, `${markerName} is damaged, or this is not a workspace; choose another folder`, cause)
  let marker: unknown
  try {
    marker = JSON.parse((await readPlain(join(folder, markerName))).toString('utf8'))
  } catch (error) {
    throw damaged(error)
  }
  if (
    typeof marker !== 'object' ||
    marker === null ||
    !('format' in marker) ||
    marker.format !== markerFormat ||
    !('version' in marker) ||
    typeof marker.version !== 'number'
  )
    throw damaged()
  if (marker.version > markerVersion)
    throw workspaceError(
      folder,
      `the workspace was written by a newer version of the program (format ${marker.version}, this one knows ` +
        `${markerVersion}); update this one`
    )
}

/** A workspace that can only be read. */
export class UnwritableWorkspace extends SpectroscopeError {
  /** Reason as a clause: "its file system is read-only". */
  readonly why: string

  constructor(folder: string, cause: unknown) {
    const isFileSystem = faultCode(cause) === 'EROFS' || /Read-only file system/i.test(messageOf(cause))
    const why = isFileSystem ? 'its file system is read-only' : 'this user may not write to it'
    const remedy = 'change that, or copy the workspace elsewhere'
    super('workspace', `${folder}: the workspace cannot be written, because ${why}; ${remedy}.`, { cause })
    this.why = why
  }
}

const refusalCodes = new Set(['EROFS', 'EACCES', 'EPERM'])

/** Whether the file system refused to write, according to a system call or to DuckDB. */
const isRefusal = (error: unknown): boolean =>
  refusalCodes.has(faultCode(error)) ||
  /^IO Error: .*(Permission denied|Read-only file system|Operation not permitted)/s.test(messageOf(error))

/** An `UnwritableWorkspace` if the file system refused to write, otherwise the error itself. */
export const unwritableOr = (folder: string, error: unknown): unknown => {
  const cause = error instanceof SpectroscopeError ? error.cause : error
  return error instanceof UnwritableWorkspace || !isRefusal(cause) ? error : new UnwritableWorkspace(folder, cause)
}

/** Throws unless the folder, and the files written from the start, are writable. */
const checkWritable = async (folder: string): Promise<void> => {
  for (const part of ['', databaseName, 'journal', join('journal', 'labels.jsonl')]) {
    try {
      await access(join(folder, part), constants.W_OK)
    } catch (error) {
      if (faultCode(error) !== 'ENOENT') throw new UnwritableWorkspace(folder, error)
    }
  }
}

/** Checks that the folder is a workspace or may become one. Creates it if `create` allows. */
const prepareFolder = async (folder: string, { create, readOnly }: OpenOptions): Promise<void> => {
  const kind = await kindOf(folder)
  if (kind === 'file') throw workspaceError(folder, 'this is a file, not a workspace folder; choose a folder')
  if (kind === undefined) {
    if (!create)
      throw workspaceError(folder, 'there is no such workspace; check the path, or start a run there, which creates it')
    await makeFolder(folder, privateMode)
  }
  const marker = await kindOf(join(folder, markerName))
  if (marker !== undefined || create) await checkContents(folder)
  const database = await kindOf(join(folder, databaseName))
  if (marker !== undefined) await checkMarker(folder)
  else if (!create)
    throw workspaceError(
      folder,
      `this folder is not a workspace (it has no ${markerName}); check the path, or start a run there, which ` +
        'makes it one'
    )
  if (marker !== undefined && database === undefined) {
    throw workspaceError(folder, `${databaseName} is missing; ${remedy}, or choose another workspace`)
  }
  if (!readOnly) await checkWritable(folder)
}

/**
 * DuckDB's default limit is 80 % of the machine's memory, which a run needs itself. Whatever exceeds this limit goes
 * to temporary files.
 */
const mostMemory = (): string => `${Math.round(Math.min(512 * 2 ** 20, totalmem() / 4) / 2 ** 20)}MiB`

let madeForReading: string | undefined

/** Private temporary folder of this process; '' if none can be created. */
const readingFolder = (): string => {
  if (madeForReading !== undefined) return madeForReading
  try {
    const made = mkdtempSync(join(tmpdir(), 'spectroscope-store-'))
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
    return (madeForReading = made)
  } catch {
    return ''
  }
}

/**
 * Folder for DuckDB's temporary files and unfinished exports. '' if there is none; a workspace is still readable
 * without.
 */
export const temporaryFolder = (folder: string, readOnly: boolean): string =>
  readOnly ? readingFolder() : join(folder, `${databaseName}.tmp`)

const connectTo = async (folder: string, readOnly: boolean): Promise<DuckDBInstance> => {
  try {
    return await openConfined(join(folder, databaseName), {
      readOnly,
      memoryLimit: mostMemory(),
      temporaryFolder: temporaryFolder(folder, readOnly)
    })
  } catch (error) {
    const sentence = `${databaseName} cannot be opened, perhaps because it is damaged (${firstLine(error)}); ${remedy}`
    throw knownError(folder, error) ?? workspaceError(folder, sentence, error)
  }
}

/**
 * Schema version of a database before anything else is read from it. Throws if it is not a database of this program.
 */
const checkedVersion = async (
  folder: string,
  connection: DuckDBConnection,
  steps: readonly Migration[]
): Promise<number> => {
  const { version, flaw } = await readSchema(connection, steps)
  if (version === undefined) {
    throw workspaceError(folder, `${databaseName} is a database of another program; choose another folder`)
  }
  if (flaw !== undefined) {
    const caution = 'nothing was read from it'
    throw workspaceError(folder, `${databaseName} ${flaw}, so ${caution}; choose another workspace, or ${remedy}`)
  }
  // The marker is written after the first tables.
  const isLost = version === 0 && (await kindOf(join(folder, markerName))) !== undefined
  if (isLost) throw workspaceError(folder, `${databaseName} is empty; ${remedy}`)
  return version
}

/** Throws if a run id does not have this program's form, because ids become paths. */
const checkRunIds = async (connection: DuckDBConnection, folder: string): Promise<void> => {
  for (const { id } of await select(connection, 'SELECT id FROM runs')) checkedRunId(folder, String(id))
}

/** Copies the closed database to backups/. */
const backUp = async (folder: string, version: number): Promise<void> => {
  const target = join(folder, 'backups', `workspace-schema-${version}-${stamp()}.duckdb`)
  const temporary = `${target}.tmp`
  try {
    await makePlainFolder(join(folder, 'backups'))
    await copyFile(join(folder, databaseName), temporary)
    const handle = await open(temporary, 'r+')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw writingError(target, error)
  }
}

/** Runs `work` in a transaction: commits its result, or rolls back if it throws. */
export const inTransaction = async <T>(connection: DuckDBConnection, work: () => Promise<T>): Promise<T> => {
  await connection.run('BEGIN TRANSACTION')
  let result: T
  try {
    result = await work()
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {})
    throw error
  }
  await connection.run('COMMIT')
  return result
}

/**
 * Opens the database of a workspace folder, creating or upgrading it if `options` allow. Before an upgrade, an
 * existing database is copied to backups/ and passed to `beforeUpgrade`. Throws `workspace` errors that name the
 * folder and the remedy.
 */
export const openDatabase = async (
  folder: string,
  options: OpenOptions,
  steps: readonly Migration[] = ownMigrations,
  beforeUpgrade: (connection: DuckDBConnection, version: number) => Promise<unknown> = async () => {}
): Promise<DuckDBInstance> => {
  await prepareFolder(folder, options)
  const latest = steps[steps.length - 1].version
  let instance = await connectTo(folder, options.readOnly)
  let connection = await instance.connect()
  try {
    const version = await checkedVersion(folder, connection, steps)
    if (version > latest)
      throw workspaceError(
        folder,
        `the workspace was written by a newer version of the program (schema ${version}, this one knows ` +
          `${latest}); update this one`
      )
    if (version > 0) await checkRunIds(connection, folder)
    // Remove files of a killed process, or from somebody else.
    if (!options.readOnly) await rm(temporaryFolder(folder, false), { recursive: true, force: true })
    if (version < latest) {
      if (options.readOnly)
        throw workspaceError(folder, `the workspace was written by an older version of the program; ${upgrading}`)
      if (version > 0) {
        await beforeUpgrade(connection, version)
        await connection.run('CHECKPOINT')
        connection.closeSync()
        instance.closeSync()
        await backUp(folder, version)
        instance = await connectTo(folder, false)
        connection = await instance.connect()
      }
      await applyMigrations(connection, version, steps, (work) => inTransaction(connection, work))
    }
    connection.closeSync()
    if ((await kindOf(join(folder, markerName))) === undefined) {
      const marker = { format: markerFormat, version: markerVersion, createdAt: new Date().toISOString() }
      await writeFileAtomically(join(folder, markerName), `${JSON.stringify(marker, null, 2)}\n`)
    }
    return instance
  } catch (error) {
    connection.closeSync()
    instance.closeSync()
    throw databaseError(folder, error)
  }
}
