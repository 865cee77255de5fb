import type { DuckDBConnection } from '@duckdb/node-api'
import { briefly } from '../../preload/quoting'
import { openInMemory } from '../base/confined-duckdb'
import type { Migration } from './schema'

/** Kinds of objects that a database can hold, with the column of `duckdb_<kinds>()` that names them. */
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
  /** The statement that makes a table, with types, defaults and constraints of its columns; '' for other kinds. */
  readonly sql: string
}

const keyOf = ({ kind, name, sql }: StoredObject): string => JSON.stringify([kind, name, sql])

/**
 * Everything in a database, whoever made it. Nothing of it is run: a macro of the database could stand for any
 * function and even for `+`, so that these queries have names in full and comparisons only.
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

/** Applies migrations to a database that has the versions up to `from`; each in a transaction by `inTransaction`. */
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

/** What a database of some version holds: that of an empty one that these migrations make. */
const expectedObjects = async (steps: readonly Migration[], version: number): Promise<StoredObject[]> => {
  const instance = await openInMemory()
  const connection = await instance.connect()
  try {
    await applyMigrations(
      connection,
      0,
      steps.filter((step) => step.version <= version)
    )
    return await objectsOf(connection)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const named = ({ kind, name }: StoredObject): string => `the ${kind} "${briefly(name)}"`

/** How the objects of a database differ from those expected, in words; undefined where they do not. */
const difference = (found: readonly StoredObject[], expected: readonly StoredObject[]): string | undefined => {
  const own = new Set(expected.map(keyOf))
  const there = new Set(found.map(keyOf))
  const known = new Set(expected.map(named))
  const foreign = found.filter((object) => !own.has(keyOf(object)))
  const other = foreign.find((object) => !known.has(named(object)))
  if (other !== undefined) return `has ${named(other)}, which is not of this program`
  if (foreign.length > 0) return `has ${named(foreign[0])} with other columns, defaults or rules than this program's`
  const missing = expected.find((object) => !there.has(keyOf(object)))
  return missing === undefined ? undefined : `lacks ${named(missing)}`
}

export interface SchemaFound {
  /** 0 for an empty database, undefined for one of another program. */
  readonly version: number | undefined
  /** How it differs from what a database of that version is, in words; undefined where it does not, or is newer. */
  readonly flaw: string | undefined
}

const migrationsTable = (objects: readonly StoredObject[]): string | undefined =>
  objects.find(({ kind, name }) => kind === 'table' && name === 'migrations')?.sql

/** Version of the schema in a database, and whether it is what `steps` make. Runs nothing that is in the database. */
export const readSchema = async (connection: DuckDBConnection, steps: readonly Migration[]): Promise<SchemaFound> => {
  const found = await objectsOf(connection)
  const flawAs = async (version: number): Promise<string | undefined> =>
    difference(found, await expectedObjects(steps, version))
  if (!found.some(({ kind }) => kind === 'table')) return { version: 0, flaw: await flawAs(0) }
  if (migrationsTable(found) !== migrationsTable(await expectedObjects(steps, steps[0].version))) {
    return { version: undefined, flaw: undefined }
  }
  const rows = (await connection.runAndReadAll('SELECT version FROM main.migrations')).getRowsJS()
  const version = Math.max(0, ...rows.map(([each]) => Number(each)))
  return { version, flaw: version > steps.at(-1)!.version ? undefined : await flawAs(version) }
}
