import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { existsSync, readFileSync, truncateSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { literal, openConfined, openInMemory } from '../../main/base/confined-duckdb'
import { openDatabase } from '../../main/store/database'
import { migrations } from '../../main/store/schema'
import { openWorkspace } from '../../main/store/store'
import { storeRun, temporaryFolder } from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder: string
let secret: string

beforeEach(async () => {
  place = await temporaryFolder()
  folder = join(place.folder, 'w')
  secret = join(place.folder, 'secret.txt')
  await writeFile(secret, 'SECRET')
})

afterEach(() => place.remove())

const databaseOf = (workspace: string): string => join(workspace, 'workspace.duckdb')

/** A workspace's database in the hands of somebody who may write anything into it. */
const change = async (...statements: readonly string[]): Promise<void> => {
  const instance = await DuckDBInstance.create(databaseOf(folder))
  const connection = await instance.connect()
  try {
    for (const statement of statements) await connection.run(statement)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const makeEmpty = async (version = migrations.length): Promise<void> => {
  const instance = await openDatabase(folder, { create: true, readOnly: false }, migrations.slice(0, version))
  instance.closeSync()
}

const on = async <T>(instance: DuckDBInstance, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
  const connection = await instance.connect()
  try {
    return await work(connection)
  } finally {
    connection.closeSync()
  }
}

describe('a confined database', () => {
  const options = (): Parameters<typeof openConfined>[1] => ({
    readOnly: false,
    memoryLimit: '128MiB',
    temporaryFolder: join(place.folder, 'temporary')
  })

  test('reaches no other file, by no statement', async () => {
    const outside = join(place.folder, 'outside.duckdb')
    ;(await openConfined(outside, options())).closeSync()
    const before = await readdir(place.folder)
    const instance = await openConfined(join(place.folder, 'own.duckdb'), options())
    const [file, written] = [literal(secret), literal(join(place.folder, 'written'))]
    const refused = [
      ...[
        'read_text',
        'read_blob',
        'read_csv',
        'read_json',
        'read_parquet',
        'sniff_csv',
        'parquet_metadata',
        'glob'
      ].map((name) => `FROM ${name}(${file})`),
      `FROM ${literal(join(place.folder, '*.txt'))}`,
      `FROM ${literal(outside)}`,
      `FROM read_text(${literal(join(place.folder, 'temporary', '..', 'secret.txt'))})`,
      `COPY (SELECT 1) TO ${written}`,
      `COPY (SELECT 1) TO ${written} (FORMAT parquet)`,
      `EXPORT DATABASE ${written}`,
      `IMPORT DATABASE ${literal(place.folder)}`,
      `ATTACH ${literal(outside)} AS other`,
      `ATTACH ${literal(outside)} AS other (READ_ONLY)`,
      `ATTACH ${written} AS other`,
      'INSTALL httpfs',
      'LOAD httpfs',
      `LOAD ${literal(join(place.folder, 'own.duckdb_extension'))}`,
      'SET enable_external_access = true',
      `SET allowed_paths = [${file}]`,
      "SET allowed_directories = ['/']",
      "SET allowed_configs = '[profiling_output]'",
      `SET profiling_output = ${written}`,
      `SET log_query_path = ${written}`,
      `SET temp_directory = ${written}`,
      `PRAGMA temp_directory = ${written}`,
      `SET secret_directory = ${written}`,
      `SET extension_directory = ${written}`,
      'SET autoload_known_extensions = true',
      'SET autoinstall_known_extensions = true',
      'SET threads = 1',
      'RESET lock_configuration',
      'SET lock_configuration = false'
    ]
    await on(instance, async (connection) => {
      for (const statement of refused) await expect(connection.run(statement), statement).rejects.toThrow()
    })
    instance.closeSync()
    expect((await readdir(place.folder)).filter((name) => !name.startsWith('own.duckdb'))).toEqual(before)
    expect(readFileSync(secret, 'utf8')).toBe('SECRET')
  })

  test('puts what does not fit into memory into its temporary folder, and can be appended to', async () => {
    const instance = await openConfined(join(place.folder, 'own.duckdb'), options())
    const spilled = await on(instance, async (connection) => {
      await connection.run('CREATE TABLE numbers (number INTEGER)')
      const appender = await connection.createAppender('numbers')
      appender.appendInteger(7)
      appender.endRow()
      appender.closeSync()
      expect((await connection.runAndReadAll('FROM numbers')).getRowsJS()).toEqual([[7]])
      await connection.run(`CREATE TEMP TABLE large AS
        SELECT range AS number, repeat(random()::VARCHAR, 10) AS text FROM range(1500000)`)
      return (await connection.runAndReadAll('SELECT sum(size) FROM duckdb_temporary_files()')).getRowsJS()[0][0]
    })
    instance.closeSync()
    expect(Number(spilled)).toBeGreaterThan(0)
  })

  test('in memory reads the files that it is given, and no others', async () => {
    const instance = await openInMemory([secret])
    await on(instance, async (connection) => {
      expect((await connection.runAndReadAll(`SELECT content FROM read_text(${literal(secret)})`)).getRowsJS()).toEqual(
        [['SECRET']]
      )
      const other = literal(join(place.folder, 'other.txt'))
      const refused = [`FROM read_text(${other})`, `COPY (SELECT 1) TO ${other}`, `ATTACH ${other} AS other`]
      for (const statement of refused) {
        await expect(connection.run(statement), statement).rejects.toThrow(/disabled by configuration/)
      }
    })
    instance.closeSync()
  })
})

const foreign: readonly (readonly [what: string, statements: readonly string[], words: string])[] = [
  ['a view', ['CREATE VIEW gossip AS SELECT 1'], 'the view "gossip"'],
  ['a macro', ['CREATE MACRO gossip(x) AS x'], 'the macro "gossip"'],
  ['a macro that makes a table', ['CREATE MACRO gossip() AS TABLE SELECT 1'], 'the macro "gossip"'],
  ['a macro in the place of an operator', ['CREATE MACRO "+"(a, b) AS 42'], 'the macro "+"'],
  [
    'a macro in the place of a function of the catalogue',
    ['CREATE MACRO duckdb_tables() AS TABLE SELECT 1', 'CREATE VIEW gossip AS SELECT 1'],
    'the view "gossip"'
  ],
  ['a macro that makes lists', ["CREATE MACRO list_value(x) AS ['threads']"], 'the macro "list_value"'],
  ['a sequence', ['CREATE SEQUENCE gossip'], 'the sequence "gossip"'],
  ['a type', ["CREATE TYPE gossip AS ENUM ('a')"], 'the type "gossip"'],
  ['an index', ['CREATE INDEX gossip ON documents (file)'], 'the index "gossip"'],
  ['a schema', ['CREATE SCHEMA gossip'], 'the schema "gossip"'],
  ['a table', ['CREATE TABLE gossip (x INTEGER)'], 'the table "gossip"'],
  [
    'a table of another schema',
    ['CREATE SCHEMA gossip', 'CREATE TABLE gossip.runs (x INTEGER)'],
    'the schema "gossip"'
  ],
  ['a default', ["ALTER TABLE runs ALTER COLUMN error SET DEFAULT 'a' || 'b'"], 'the table "runs" with other'],
  ['a column', ['ALTER TABLE documents ADD COLUMN gossip VARCHAR'], 'the table "documents" with other'],
  ['a type of a column', ['ALTER TABLE traces ALTER COLUMN chain TYPE VARCHAR'], 'the table "traces" with other'],
  [
    'a rule',
    [
      'DROP TABLE layouts',
      `CREATE TABLE layouts (
    run INTEGER NOT NULL, whiten INTEGER NOT NULL, method VARCHAR NOT NULL, CHECK (run > 0))`
    ],
    'the table "layouts" with other'
  ],
  [
    'a generated column',
    [
      'DROP TABLE layouts',
      `CREATE TABLE layouts (run INTEGER NOT NULL, whiten INTEGER NOT NULL,
    method VARCHAR GENERATED ALWAYS AS ('a' || run))`
    ],
    'the table "layouts" with other'
  ],
  ['a table that is missing', ['DROP TABLE layouts'], 'lacks the table "layouts"']
]

describe('a database that somebody else changed', () => {
  test.each(foreign)('is refused for %s', async (_, statements, words) => {
    await makeEmpty()
    await change(...statements)
    for (const readOnly of [false, true]) {
      await expect(openDatabase(folder, { create: false, readOnly })).rejects.toMatchObject({
        kind: 'workspace',
        message: expect.stringContaining(words)
      })
    }
  })

  test('is refused in every version of the schema, before it is brought up to date', async () => {
    for (let version = 1; version <= migrations.length; version++) {
      folder = join(place.folder, `version-${version}`)
      await makeEmpty(version)
      await change('CREATE VIEW gossip AS SELECT 1')
      const before = readFileSync(databaseOf(folder))
      await expect(openDatabase(folder, { create: false, readOnly: false })).rejects.toThrow('the view "gossip"')
      expect(readFileSync(databaseOf(folder)).equals(before)).toBe(true)
      expect(existsSync(join(folder, 'backups'))).toBe(false)
    }
  })

  test('opens in every version of the schema without such things', async () => {
    for (let version = 1; version <= migrations.length; version++) {
      folder = join(place.folder, `version-${version}`)
      await makeEmpty(version)
      for (const readOnly of [false, true]) (await openDatabase(folder, { create: false, readOnly })).closeSync()
    }
  })

  test('shows no other file by a view in the place of a table', async () => {
    const workspace = await openWorkspace(folder, { create: true })
    await storeRun(workspace)
    await workspace.close()
    await change(
      'ALTER TABLE documents RENAME TO documents_real',
      `CREATE VIEW documents AS
      SELECT run, document, (SELECT content FROM read_text(${literal(secret)})) AS file, record, subset
      FROM documents_real`
    )
    await expect(openWorkspace(folder)).rejects.toMatchObject({
      kind: 'workspace',
      message: expect.stringMatching(/w: workspace\.duckdb has the view "documents".*; .*restore/)
    })
  })

  test('is refused where it is truncated, of another program, or none', async () => {
    const refused = (words: string, about = words): Promise<void> =>
      expect(openWorkspace(folder), about).rejects.toMatchObject({
        kind: 'workspace',
        message: expect.stringContaining(words)
      })
    const workspace = await openWorkspace(folder, { create: true })
    await storeRun(workspace)
    await workspace.close()
    const whole = readFileSync(databaseOf(folder))
    for (const length of [0, 1, 100, 4096, 12_288, 13_000, 300_000]) {
      await writeFile(databaseOf(folder), whole)
      truncateSync(databaseOf(folder), length)
      await refused('workspace.duckdb', `cut to ${length} bytes of ${whole.length}`)
    }
    await writeFile(databaseOf(folder), 'no database'.repeat(10_000))
    await refused('workspace.duckdb is damaged or not a database')
    await writeFile(databaseOf(folder), '')
    await mkdir(join(place.folder, 'other'))
    folder = join(place.folder, 'other')
    await writeFile(join(folder, 'spectroscope-workspace.json'), '{"format":"spectroscope-workspace","version":1}')
    await change('CREATE TABLE accounts (x INTEGER)', 'CREATE TABLE migrations (version VARCHAR, hash BLOB)')
    await refused('workspace.duckdb is a database of another program; choose another folder')
  })
})
