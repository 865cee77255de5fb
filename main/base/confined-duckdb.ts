import { DuckDBInstance } from '@duckdb/node-api'

/** No extension is fetched or loaded, and no secret of the user is read. */
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
  /** Holds what does not fit into memory; '' for no such folder. DuckDB makes it when needed. */
  readonly temporaryFolder: string
}

/** A text as a literal of SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** Locks all options. Nothing of the file is run: a macro of it could stand for the function that makes a list. */
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
 * Opens a database file, or makes it. Whatever the file says, from its log onwards, DuckDB reaches that file, its log
 * and the temporary folder and nothing else, and no statement can change that. Throws DuckDB's errors.
 */
export const openConfined = async (
  file: string,
  { readOnly, memoryLimit, temporaryFolder }: ConfinedOptions
): Promise<DuckDBInstance> =>
  lock(
    await DuckDBInstance.create(file, {
      ...closed,
      access_mode: readOnly ? 'READ_ONLY' : 'READ_WRITE',
      memory_limit: memoryLimit,
      // Rows of a transaction go to the file by these groups; one of a wide matrix is some hundred megabytes.
      write_buffer_row_group_count: '1',
      // Before access is closed, which closes this option too.
      temp_directory: temporaryFolder,
      enable_external_access: 'false'
    })
  )

/** An empty database in memory that can read the given files and nothing else; one thread. Throws DuckDB's errors. */
export const openInMemory = async (files: readonly string[] = []): Promise<DuckDBInstance> =>
  lock(await DuckDBInstance.create(':memory:', { ...closed, temp_directory: '', threads: '1' }), [
    `SET allowed_paths = [${files.map(literal).join(', ')}]`,
    'SET enable_external_access = false'
  ])
