import { constants } from 'node:fs'
import { copyFile, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { freeName, stamp, writingError } from '../base/files'
import { makePlainFolder } from '../base/plain-files'
import { backupFolder } from './backups'
import { databaseName } from './database'

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

/** Moves a file. Returns false if it does not exist. */
const move = async (from: string, to: string): Promise<boolean> => {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

const copySynced = async (from: string, to: string): Promise<void> => {
  await copyFile(from, to, constants.COPYFILE_EXCL)
  const handle = await open(to, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const logName = `${databaseName}.wal`

export interface ReplacedDatabase {
  /** Folder under backups/ with the previous files. */
  readonly setAside: string
  /** Restores the previous files and removes their replacements. */
  readonly takeBack: () => Promise<void>
}

/**
 * Replaces a workspace's closed database by a copy; null only drops its write-ahead log. The previous files are moved
 * aside, not deleted. Throws a `storage` error and restores the database if it fails.
 */
export const replaceDatabase = async (folder: string, copy: string | null): Promise<ReplacedDatabase> => {
  const [database, log] = [join(folder, databaseName), join(folder, logName)]
  const temporary = join(folder, `.${databaseName}.restored.tmp`)
  try {
    await makePlainFolder(backupFolder(folder))
    const setAside = await freeName(join(backupFolder(folder), `set-aside-${stamp()}`))
    await makePlainFolder(setAside)
    const takeBack = async (): Promise<void> => {
      for (const [path, name] of [
        [database, databaseName],
        [log, logName]
      ]) {
        await rm(path, { force: true })
        await move(join(setAside, name), path)
      }
      await rm(setAside, { recursive: true })
    }
    await rm(temporary, { force: true })
    await copySynced(copy ?? database, temporary)
    const logCopy =
      copy === null
        ? null
        : await copyFile(`${copy}.wal`, `${temporary}.wal`).then(
            () => `${temporary}.wal`,
            () => null
          )
    await move(log, join(setAside, logName))
    await move(database, join(setAside, databaseName))
    if (logCopy !== null) await rename(logCopy, log)
    await rename(temporary, database)
    return { setAside, takeBack }
  } catch (error) {
    await rm(temporary, { force: true })
    throw writingError(folder, error)
  }
}
