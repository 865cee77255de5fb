import type { DuckDBInstance } from '@duckdb/node-api'

/** DuckDB, loaded when first used: the shell knows a database's errors, and opens none. */
const create = async (...options: Parameters<typeof DuckDBInstance.create>): Promise<DuckDBInstance> =>
  (await import('@duckdb/node-api')).DuckDBInstance.create(...options)

/** DuckDB fetches and loads no extension and reads none of the user's secrets. */
const closed = {
  allow_community_extensions: 'false',
  allow_persistent_secrets: 'false',
  allow_unsigned_extensions: 'false',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false'
} as const

export interface ConfinedOptions {
  readonly readOnly: boolean
  /** "512MiB" */
  readonly memoryLimit: string
  /** Folder for data that does not fit in memory; '' for none. DuckDB creates it when needed. */
  readonly temporaryFolder: string
}

/** Quotes a text as an SQL literal. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/**
 * Locks all options. Runs nothing from the file: a macro in it could replace a built-in function such as the one that
 * makes a list.
 */
const lock = async (instance: DuckDBInstance, before: readonly string[] = []): Promise<DuckDBInstance> => {
  const connection = await instance.connect()
  try {
    for (const statement of before) await connection.run(statement)
    // The one option that an appender sets by itself.
    await connection.run("SET allowed_configs = '[current_transaction_invalidation_policy]'")
    await connection.run('SET lock_configuration = true')
    return instance
  } catch (error) {
    instance.closeSync()
    throw error
  } finally {
    connection.closeSync()
  }
}

/**
 * Opens or creates a database file. Whatever the file contains, its log included, DuckDB can reach only that file,
 * its log and the temporary folder, and no statement can change that. Throws DuckDB's errors.
 */
export const openConfined = async (
  file: string,
  { readOnly, memoryLimit, temporaryFolder }: ConfinedOptions
): Promise<DuckDBInstance> =>
  lock(
    await create(file, {
      ...closed,
      access_mode: readOnly ? 'READ_ONLY' : 'READ_WRITE',
      memory_limit: memoryLimit,
      // Row groups written at a time within a transaction. A single group of a wide matrix is several hundred
      // megabytes.
      write_buffer_row_group_count: '1',
      // Set before access is locked, because that locks this option too.
      temp_directory: temporaryFolder,
      enable_external_access: 'false'
    })
  )

/** Opens an empty in-memory database that can read only the given files, with one thread. Throws DuckDB's errors. */
export const openInMemory = async (files: readonly string[] = []): Promise<DuckDBInstance> =>
  lock(await create(':memory:', { ...closed, temp_directory: '', threads: '1' }), [
    `SET allowed_paths = [${files.map(literal).join(', ')}]`,
    'SET enable_external_access = false'
  ])
