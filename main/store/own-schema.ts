import type { DuckDBConnection } from '@duckdb/node-api'
import { briefly } from '../../preload/quoting'
import { openInMemory } from '../base/confined-duckdb'
import type { Migration } from './schema'

/** Kinds of database objects, and the column of `duckdb_<kinds>()` with their names. */
const kinds = [
  ['schema', 'schemas', 'schema_name'],
  ['view', 'views', 'view_name'],
  ['macro', 'functions', 'function_name'],
  ['sequence', 'sequences', 'sequence_name'],
  ['type', 'types', 'type_name'],
  ['index', 'indexes', 'index_name'],
  ['table', 'tables', 'table_name']
] as const

interface StoredObject {
  readonly kind: (typeof kinds)[number][0]
  readonly name: string
  /** SQL statement that creates a table; '' for other kinds. */
  readonly sql: string
}

const keyOf = ({ kind, name, sql }: StoredObject): string => JSON.stringify([kind, name, sql])

/**
 * Lists all objects of a database without running any. A macro in it could redefine any function, even `+`, so these
 * queries use only fully qualified names and comparisons.
 */
const objectsOf = async (connection: DuckDBConnection): Promise<StoredObject[]> => {
  const objects: StoredObject[] = []
  for (const [kind, source, column] of kinds) {
    const sql = kind === 'table' ? 'sql' : "''"
    const schema = kind === 'schema' ? "'main'" : 'schema_name'
    const rows = (
      await connection.runAndReadAll(
        `SELECT ${schema}, ${column}, ${sql} FROM system.main.duckdb_${source}()
       WHERE database_name <> 'system' AND database_name <> 'temp'`
      )
    ).getRowsJS() as [string, string, string][]
    for (const [where, name, made] of rows) {
      objects.push({ kind, name: where === 'main' ? name : `${where}.${name}`, sql: made })
    }
  }
  return objects
}

/** Applies the migrations after version `from`, each in a transaction opened by `inTransaction`. */
export const applyMigrations = async (
  connection: DuckDBConnection,
  from: number,
  steps: readonly Migration[],
  inTransaction: (work: () => Promise<void>) => Promise<void> = (work) => work()
): Promise<void> => {
  for (const { version, name, statements } of steps.filter((step) => step.version > from)) {
    await inTransaction(async () => {
      if (version === steps[0].version) {
        await connection.run(`CREATE TABLE migrations (
          version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)`)
      }
      for (const statement of statements) await connection.run(statement)
      const now = new Date().toISOString()
      await connection.run('INSERT INTO migrations VALUES ($1, $2, $3::TIMESTAMP)', [version, name, now])
    })
  }
}

/** Objects by schema version, for each list of migrations. */
const expectations = new WeakMap<readonly Migration[], Map<number, readonly StoredObject[]>>()

/**
 * Objects of databases of some versions: those of an empty one after the same migrations. One is made for this, once in
 * a process, because that takes longer than all else that is done to open a database.
 */
const expectedObjects = async (
  steps: readonly Migration[],
  ...versions: readonly number[]
): Promise<(readonly StoredObject[])[]> => {
  const known = expectations.get(steps) ?? new Map<number, readonly StoredObject[]>()
  expectations.set(steps, known)
  const missing = versions.filter((version) => !known.has(version)).sort((a, b) => a - b)
  if (missing.length > 0) {
    const instance = await openInMemory()
    const connection = await instance.connect()
    try {
      for (const [index, version] of missing.entries()) {
        const next = steps.filter((step) => step.version <= version)
        await applyMigrations(connection, index === 0 ? 0 : missing[index - 1], next)
        known.set(version, await objectsOf(connection))
      }
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  }
  return versions.map((version) => known.get(version)!)
}

const named = ({ kind, name }: StoredObject): string => `the ${kind} "${briefly(name)}"`

/** Describes how objects differ from the expected ones; undefined if they do not. */
const difference = (found: readonly StoredObject[], expected: readonly StoredObject[]): string | undefined => {
  const own = new Set(expected.map(keyOf))
  const there = new Set(found.map(keyOf))
  const known = new Set(expected.map(named))
  const foreign = found.filter((object) => !own.has(keyOf(object)))
  const other = foreign.find((object) => !known.has(named(object)))
  if (other !== undefined) return `has ${named(other)}, which this program did not create`
  if (foreign.length > 0) return `has ${named(foreign[0])} with other columns, defaults or rules than this program's`
  const missing = expected.find((object) => !there.has(keyOf(object)))
  return missing === undefined ? undefined : `lacks ${named(missing)}`
}

export interface SchemaFound {
  /** 0 for an empty database, undefined for one of another program. */
  readonly version: number | undefined
  /** How the database differs from that version's schema; undefined if it does not, or if it is newer. */
  readonly flaw: string | undefined
}

const migrationsTable = (objects: readonly StoredObject[]): string | undefined =>
  objects.find(({ kind, name }) => kind === 'table' && name === 'migrations')?.sql

/**
 * Reads the schema version of a database and compares it with the schema made by `steps`. Runs nothing stored in the
 * database.
 */
export const readSchema = async (connection: DuckDBConnection, steps: readonly Migration[]): Promise<SchemaFound> => {
  const found = await objectsOf(connection)
  const flawAs = async (version: number): Promise<string | undefined> =>
    difference(found, (await expectedObjects(steps, version))[0])
  if (!found.some(({ kind }) => kind === 'table')) return { version: 0, flaw: await flawAs(0) }
  const latest = steps.at(-1)!.version
  const [first] = await expectedObjects(steps, steps[0].version, latest)
  if (migrationsTable(found) !== migrationsTable(first)) return { version: undefined, flaw: undefined }
  const rows = (await connection.runAndReadAll('SELECT version FROM main.migrations')).getRowsJS()
  const version = Math.max(0, ...rows.map(([each]) => Number(each)))
  return { version, flaw: version > latest ? undefined : await flawAs(version) }
}
