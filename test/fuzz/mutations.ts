import { DuckDBInstance } from '@duckdb/node-api'
import {
  copyFileSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join, relative } from 'node:path'
import { hash } from '../host/random'

/** A number from 0 to below `below`. */
export type Draw = (below: number) => number

/** Numbers of one case of a seed, always the same. */
export const drawsOf = (seed: number, place: number): Draw => {
  let drawn = 0
  return (below) => Math.floor(hash(seed, place, drawn++) * below)
}

const oneOf = <T>(draw: Draw, choices: readonly T[]): T => choices[draw(choices.length)]

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

interface Place {
  readonly workspace: string
  /** A folder outside that nothing may change, with the file `diary.txt`. */
  readonly home: string
}

const hostileTexts = ({ workspace, home }: Place): readonly string[] => [
  '',
  '..',
  '../../home',
  relative(join(workspace, 'runs'), home),
  home,
  '/etc/passwd',
  'a\u0000b',
  '\u001b[2J\u001b]0;x\u0007',
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  "' OR 1=1; --",
  '"',
  '\u202e\u2066',
  'x'.repeat(300_000),
  '[[[[[[[',
  '{"__proto__":{"x":1}}',
  'null',
  '[]',
  '{}',
  '0',
  '[1e999]',
  '{"toString":1}',
  'running',
  'cluster',
  'constructor'
]
const hostileNumbers = ['0', '-1', '1', '7', '2147483647', '-2147483648', '1e308', "'nan'", "'inf'", 'NULL']
const hostileJson = (place: Place): readonly string[] => [
  'null',
  '[]',
  '{}',
  '0',
  '"x"',
  '[null]',
  '{"method": []}',
  '{"sampler": {"method": "x"}}',
  `{"name": ${JSON.stringify(place.home)}}`,
  '{"engine": {"name": {}}}',
  '{"levels": 5}',
  '[{"target": "cluster:1"}]',
  `${'['.repeat(200)}${']'.repeat(200)}`
]

const valueOf = (type: string, draw: Draw, place: Place): string => {
  if (type === 'JSON') return literal(oneOf(draw, hostileJson(place)))
  if (type === 'VARCHAR' && draw(8) === 0) return 'NULL'
  if (type === 'VARCHAR') return literal(oneOf(draw, hostileTexts(place)).replaceAll('\u0000', ''))
  if (type === 'BOOLEAN') return oneOf(draw, ['true', 'false', 'NULL'])
  if (type === 'TIMESTAMP') return oneOf(draw, ["'infinity'", "'290000-01-01'", "'0001-01-01 (BC)'", 'NULL'])
  if (type.endsWith('[]')) {
    const inner = type.slice(0, -2)
    const values = Array.from({ length: draw(4) }, () => valueOf(inner, draw, place))
    return draw(6) === 0 ? 'NULL' : `[${values.join(', ')}]::${type}`
  }
  return oneOf(draw, hostileNumbers)
}

const onDatabase = async (
  workspace: string,
  work: (run: (sql: string) => Promise<unknown[][]>) => Promise<string>
): Promise<string> => {
  const instance = await DuckDBInstance.create(join(workspace, 'workspace.duckdb'))
  const connection = await instance.connect()
  try {
    return await work(async (sql) => (await connection.runAndReadAll(sql)).getRowsJS())
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** A statement that DuckDB takes, of some that are drawn; "" where it takes none. */
const someOf = async (run: (sql: string) => Promise<unknown>, statements: () => string): Promise<string> => {
  for (let tries = 0; tries < 10; tries++) {
    const sql = statements()
    const isTaken = await run(sql).then(
      () => true,
      () => false
    )
    if (isTaken) return sql
  }
  return ''
}

const changeValue = (draw: Draw, place: Place): Promise<string> =>
  onDatabase(place.workspace, async (run) => {
    const columns = await run(`SELECT table_name, column_name, data_type FROM duckdb_columns()
      WHERE NOT internal AND table_name <> 'migrations' ORDER BY ALL`)
    return someOf(run, () => {
      const [table, column, type] = oneOf(draw, columns) as [string, string, string]
      const where = draw(2) === 0 ? '' : ` WHERE rowid % ${1 + draw(3)} = 0`
      return `UPDATE ${table} SET ${column} = ${valueOf(type, draw, place)}${where}`
    })
  })

const changeRows = (draw: Draw, { workspace }: Place): Promise<string> =>
  onDatabase(workspace, async (run) => {
    const tables = (await run('SELECT table_name FROM duckdb_tables() ORDER BY ALL')).map(([name]) => String(name))
    return someOf(run, () => {
      const table = oneOf(draw, tables)
      return oneOf(draw, [
        `DELETE FROM ${table} WHERE rowid % ${1 + draw(3)} = 0`,
        `INSERT INTO ${table} FROM ${table}`,
        'INSERT INTO run_marks SELECT number, false, now()::TIMESTAMP FROM runs',
        'UPDATE migrations SET version = version - 1'
      ])
    })
  })

const changeSchema = (draw: Draw, { workspace, home }: Place): Promise<string> =>
  onDatabase(workspace, async (run) => {
    const columns = await run('SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY ALL')
    const diary = literal(join(home, 'diary.txt'))
    return someOf(run, () => {
      const [table, column] = oneOf(draw, columns) as [string, string]
      return oneOf(draw, [
        `DROP TABLE ${table}`,
        `ALTER TABLE ${table} RENAME TO ${table}_real; CREATE VIEW ${table} AS FROM ${table}_real`,
        `ALTER TABLE ${table} ALTER COLUMN ${column} TYPE VARCHAR`,
        `ALTER TABLE ${table} DROP COLUMN ${column}`,
        `ALTER TABLE ${table} ADD COLUMN extra VARCHAR DEFAULT 'x'`,
        `ALTER TABLE ${table} ALTER COLUMN ${column} SET DEFAULT NULL`,
        `ALTER TABLE ${table} RENAME COLUMN ${column} TO other`,
        `CREATE INDEX extra ON ${table} (${column})`,
        `CREATE VIEW extra AS SELECT content FROM read_text(${diary})`,
        'CREATE SEQUENCE extra',
        'CREATE SCHEMA extra',
        `CREATE MACRO extra() AS TABLE SELECT content FROM read_text(${diary})`,
        'CREATE MACRO max(x) AS 5',
        'CREATE MACRO "+"(a, b) AS 42',
        'CREATE MACRO list_value(x) AS 1',
        "CREATE TYPE extra AS ENUM ('a')",
        'CREATE TABLE extra (x INTEGER)',
        "CREATE MACRO strftime(a, b) AS 'now'"
      ])
    })
  })

/** Changes some bytes of a file, more often near its start. */
const flipBits = (draw: Draw, { workspace }: Place): string => {
  const database = 'workspace.duckdb'
  const others = ['journal/labels.jsonl', 'spectroscope-workspace.json']
  const file = oneOf(draw, [database, database, database, ...others])
  const bytes = readFileSync(join(workspace, file))
  const start = Math.min(20_000, bytes.length)
  const places = Array.from({ length: 1 + draw(8) }, () => draw(draw(2) === 0 ? bytes.length : start))
  for (const at of places) bytes[at] ^= 1 << draw(8)
  writeFileSync(join(workspace, file), bytes)
  return `bits of ${file} at ${places.join(', ')}`
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()

const cutOff = (draw: Draw, { workspace }: Place): string => {
  const file = oneOf(draw, filesOf(workspace))
  const length = draw(readFileSync(join(workspace, file)).length + 1)
  truncateSync(join(workspace, file), length)
  return `${file} cut to ${length} bytes`
}

const swap = (draw: Draw, { workspace }: Place): string => {
  const [from, to] = [oneOf(draw, filesOf(workspace)), oneOf(draw, filesOf(workspace))]
  if (from !== to) copyFileSync(join(workspace, from), join(workspace, to))
  return `${from} in the place of ${to}`
}

/** Puts a hostile value somewhere into a file of JSON, or into a line of the journal. */
const changeJson = (draw: Draw, place: Place): string => {
  const file = oneOf(
    draw,
    filesOf(place.workspace).filter((name) => /\.jsonl?$/.test(name))
  )
  const text = readFileSync(join(place.workspace, file), 'utf8').trimEnd()
  const lines = file.endsWith('.jsonl') ? text.split('\n') : [text]
  const line = draw(lines.length)
  const whole: unknown = JSON.parse(lines[line])
  const value: unknown = JSON.parse(
    draw(2) === 0 ? oneOf(draw, hostileJson(place)) : JSON.stringify(oneOf(draw, hostileTexts(place)))
  )
  const path: string[] = []
  const changed = (at: unknown): unknown => {
    if (typeof at !== 'object' || at === null || Object.keys(at).length === 0) return value
    if (path.length > 0 && draw(5) === 0) return value
    const key = oneOf(draw, Object.keys(at))
    path.push(key)
    if (Array.isArray(at)) return (at as unknown[]).with(Number(key), changed(at[Number(key)]))
    return { ...at, [key]: changed((at as Record<string, unknown>)[key]) }
  }
  writeFileSync(join(place.workspace, file), `${lines.with(line, JSON.stringify(changed(whole))).join('\n')}\n`)
  return `${path.join('.')} of ${file}, line ${line + 1}: ${JSON.stringify(value).slice(0, 60)}`
}

const linkAway = (draw: Draw, { workspace, home }: Place): string => {
  const places = [
    ...filesOf(workspace),
    'workspace.duckdb.wal',
    'workspace.duckdb.tmp',
    'runs',
    'sweeps',
    'names',
    'backups',
    'journal',
    'journal/labels.jsonl'
  ]
  const place = oneOf(draw, places)
  const target = oneOf(draw, [home, join(home, 'diary.txt'), join(home, 'other.duckdb'), join(home, 'nothing.txt')])
  const isHard = draw(3) === 0 && existsSync(target) && target !== home
  rmSync(join(workspace, place), { recursive: true, force: true })
  if (isHard) linkSync(target, join(workspace, place))
  else symlinkSync(target, join(workspace, place))
  return `${place} ${isHard ? 'as a hard link' : 'as a link'} to ${target}`
}

const kinds = [
  changeValue,
  changeValue,
  changeValue,
  changeValue,
  changeRows,
  changeSchema,
  changeSchema,
  flipBits,
  flipBits,
  changeJson,
  changeJson,
  cutOff,
  swap,
  linkAway
] as const

/** Makes a finished workspace hostile, without links where those are not wanted; says how. */
export const mutate = async (draw: Draw, place: Place, links: boolean): Promise<string> =>
  oneOf(draw, links ? kinds : kinds.filter((kind) => kind !== linkAway))(draw, place)
