import { randomUUID } from 'node:crypto'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { AnnotationsStep, Act, JournalContent, JournalFile, JournalLine, MarksStep, PlacedLine } from './journal'
import type {
  Annotation,
  AnnotationBody,
  AnnotationTarget,
  JournalStep,
  RunMarks
} from '../../preload/contract-annotations'
import { briefly } from '../../preload/quoting'
import { inTransaction, select } from './database'
import type { Row } from './database'
import { fitting, parsed } from './fitting'
import { jsonOf } from './json'
import { annotationRow, labelChanges, runChanges, stepRow } from './row-schemas'
import { iso } from './runs'

/** SQL that turns a JSON parameter into a list of texts. */
export const texts = (parameter: string): string => `(SELECT unnest(from_json(${parameter}::JSON, '["VARCHAR"]')))`

/**
 * SQL that finds the annotations of a clustering, `$2`, among those of its run. A selection belongs to the run: its
 * row is with the clustering in which it was changed last, and counts for all.
 */
export const ofClusteringOrRun = "(clustering = $2 OR starts_with(target, 'selection:'))"

export const stepColumns = `number, words, author, ${iso('made_at')}, run, clustering, undone`
export const stepOf = (row: Row): JournalStep =>
  fitting('journal', `step ${String(row.number)}`, stepRow, {
    number: Number(row.number),
    words: row.words as string,
    author: row.author as string,
    at: row.made_at as string,
    run: row.run as string,
    clustering: row.clustering as number | null,
    undone: row.undone as boolean
  })

export const annotationOf = (row: Row): Annotation => {
  const where = `target ${JSON.stringify(briefly(String(row.target)))}`
  const body = parsed<AnnotationBody>('annotations', where, row.body)
  return fitting('annotations', where, annotationRow, { target: row.target as AnnotationTarget, ...body })
}

/** Changes made by a step of labels. */
export const labelChangesOf = (row: Row, number: number): AnnotationsStep['changes'] => {
  const where = `step ${number}`
  return fitting('journal', where, labelChanges, parsed<AnnotationsStep['changes']>('journal', where, row.changes))
}

const runChangeOf = (row: Row, number: number): MarksStep['changes'][0] => {
  const where = `step ${number}`
  return fitting('journal', where, runChanges, parsed<MarksStep['changes']>('journal', where, row.changes))[0]
}

/** A journal step as an act that undoes or redoes it. */
export const turned = (row: Row, kind: JournalLine['kind'], at: string): Act => {
  const { number, words, author, run } = stepOf(row)
  const head = { kind, number, words, author, run, at }
  const turn = <T extends { before: unknown; after: unknown }>(change: T): T =>
    kind === 'undo' ? { ...change, before: change.after, after: change.before } : change
  if (row.clustering === null) {
    return { ...head, clustering: null, changes: [turn(runChangeOf(row, number))] }
  }
  return {
    ...head,
    clustering: row.clustering as number,
    changes: labelChangesOf(row, number).map(turn)
  }
}

const writeAnnotations = async (
  connection: DuckDBConnection,
  run: number,
  { clustering, changes }: AnnotationsStep
): Promise<void> => {
  const targets = jsonOf(changes.map(({ target }) => target))
  await connection.run(`DELETE FROM annotations WHERE run = $1 AND ${ofClusteringOrRun} AND target IN ${texts('$3')}`, [
    run,
    clustering,
    targets
  ])
  const present = changes.flatMap(({ target, after }) => (after === null ? [] : [{ target, body: jsonOf(after) }]))
  // An appender would fail here: a database opened for reading refuses it even for temporary tables.
  await connection.run(
    `INSERT INTO annotations
      SELECT $1, $2, unnest(from_json($3::JSON, '["VARCHAR"]')), unnest(from_json($4::JSON, '["VARCHAR"]'))::JSON`,
    [run, clustering, jsonOf(present.map(({ target }) => target)), jsonOf(present.map(({ body }) => body))]
  )
}

const writeMarks = async (
  connection: DuckDBConnection,
  run: number,
  { name, archived, deleted }: RunMarks
): Promise<void> => {
  await connection.run('UPDATE runs SET name = $2 WHERE number = $1', [run, name])
  await connection.run('DELETE FROM run_marks WHERE run = $1', [run])
  await connection.run('INSERT INTO run_marks VALUES ($1, $2, CASE WHEN $3 THEN $4::TIMESTAMP END)', [
    run,
    archived,
    deleted,
    new Date().toISOString()
  ])
}

/** Number of the run that an act writes to; undefined if the run or its clustering no longer exists. */
const runOf = async (connection: DuckDBConnection, { run, clustering }: Act): Promise<number | undefined> => {
  const [row] = await select(
    connection,
    `SELECT runs.number FROM runs WHERE id = $1
      AND ($2 IS NULL OR EXISTS (FROM clusterings c WHERE c.run = runs.number AND c.clustering = $2))`,
    [run, clustering]
  )
  return row?.number as number | undefined
}

const perform = async (connection: DuckDBConnection, act: Act): Promise<void> => {
  const run = await runOf(connection, act)
  if (run === undefined) return
  const { kind, number, at, author, words, clustering, changes } = act
  if (kind === 'step') {
    await connection.run('DELETE FROM journal WHERE undone')
    await connection.run('INSERT INTO journal VALUES ($1, $2::TIMESTAMP, $3, $4, $5, $6, $7::JSON, false)', [
      number,
      at,
      author,
      words,
      act.run,
      clustering,
      jsonOf(changes)
    ])
  } else {
    await connection.run('UPDATE journal SET undone = $1 WHERE number = $2', [kind === 'undo', number])
  }
  if (act.clustering === null) await writeMarks(connection, run, act.changes[0].after)
  else await writeAnnotations(connection, run, act)
}

/** A line of the journal file that the database has applied. */
interface KnownLine {
  readonly line: number
  readonly ends: number
  readonly id: string | null
  readonly number: number
}

const knownOf = (row: Row): KnownLine => ({
  line: Number(row.line),
  ends: Number(row.ends),
  id: row.id as string | null,
  number: Number(row.number)
})

const keepLine = (connection: DuckDBConnection, { line, ends, id, number }: KnownLine): Promise<unknown> =>
  connection.run('INSERT INTO journal_lines VALUES ($1, $2, $3, $4)', [line, ends, id, number])

/** Applied lines, ordered by number. */
const knownLines = async (connection: DuckDBConnection): Promise<KnownLine[]> =>
  (await select(connection, 'SELECT line, ends, id, number FROM journal_lines ORDER BY line')).map(knownOf)

const lastOf = async (connection: DuckDBConnection): Promise<{ line: number; number: number }> => {
  const [row] = await select(
    connection,
    'SELECT coalesce(max(line), 0) AS line, coalesce(max(number), 0) AS number FROM journal_lines'
  )
  return { line: Number(row.line), number: Number(row.number) }
}

const isSame = (known: KnownLine, { number, id }: JournalLine): boolean =>
  known.number === number && (known.id === id || known.id === null || id === null)

/** Differences between a journal file and a database. */
interface Comparison {
  readonly known: readonly KnownLine[]
  /** Lines in both, by line number. */
  readonly common: ReadonlyMap<number, PlacedLine>
  /** Lines of the file after the last one in the database. */
  readonly ahead: readonly PlacedLine[]
  /** Lines of another copy of the workspace: the database has other changes under their numbers. */
  readonly foreign: readonly PlacedLine[]
}

const compare = async (connection: DuckDBConnection, { lines }: JournalContent): Promise<Comparison> => {
  const known = await knownLines(connection)
  const byLine = new Map(known.map((one) => [one.line, one]))
  const last = known.at(-1)?.line ?? 0
  const common = new Map<number, PlacedLine>()
  const differing: PlacedLine[] = []
  for (const placed of lines) {
    const one = byLine.get(placed.line.line)
    if (one !== undefined && isSame(one, placed.line)) common.set(one.line, placed)
    else if (placed.line.line <= last) differing.push(placed)
  }
  const later = lines.filter(({ line }) => line.line > last)
  return differing.length === 0
    ? { known, common, ahead: later, foreign: [] }
    : { known, common, ahead: [], foreign: [...differing, ...later] }
}

/**
 * Lines reconstructed from the database, by number. Steps that were undone and then dropped cannot be reconstructed.
 */
const rebuiltLines = async (
  connection: DuckDBConnection,
  known: readonly KnownLine[]
): Promise<Map<number, JournalLine>> => {
  const steps = new Map(
    (await select(connection, `SELECT ${stepColumns}, changes FROM journal`)).map((row) => [Number(row.number), row])
  )
  const times = new Map<number, number>()
  const lines = new Map<number, JournalLine>()
  for (const { line, id, number } of known) {
    const time = times.get(number) ?? 0
    times.set(number, time + 1)
    const row = steps.get(number)
    const kind = time === 0 ? 'step' : time % 2 === 1 ? 'undo' : 'redo'
    if (row !== undefined) lines.set(line, { line, id, ...turned(row, kind, stepOf(row).at) })
  }
  return lines
}

const placesText = (places: readonly number[]): string =>
  `line${places.length === 1 ? '' : 's'} ${places.slice(0, 10).join(', ')}${places.length > 10 ? ' …' : ''}`

/**
 * Notes for the user on a journal that does not match its database. `kept` is the path of a copy of the original
 * file, if one was made.
 */
const notesOf = (
  path: string,
  { unreadable }: JournalContent,
  { foreign }: Comparison,
  kept: string | null
): string[] => [
  ...(unreadable.length === 0
    ? []
    : [
        `${path}: ${placesText(unreadable)} cannot be read, so labels may be missing` +
          (kept === null ? '.' : `; the original file is kept as ${kept}.`)
      ]),
  ...(foreign.length === 0
    ? []
    : [
        `${path} has ${foreign.length} change${foreign.length === 1 ? '' : 's'} that the database never had, ` +
          'because two copies of a workspace were mixed; the labels shown are those of the database; ' +
          `\`spectroscope restore --from ${kept ?? path}\` adds the others.`
      ])
]

/** Whether the file ends with the database's last line. */
const isInStep = async (connection: DuckDBConnection, journal: JournalFile): Promise<boolean> => {
  const [last, previous] = (
    await select(connection, 'SELECT line, ends, id, number FROM journal_lines ORDER BY line DESC LIMIT 2')
  ).map(knownOf)
  if (last === undefined) return journal.size === 0
  if (journal.size !== last.ends) return false
  const line = await journal.lineBetween(previous?.ends ?? 0, last.ends)
  return line?.line === last.line && isSame(last, line)
}

/** Rewrites the file: lines of both, lines reconstructed from the database, and lines ahead of it. */
const mend = async (
  connection: DuckDBConnection,
  journal: JournalFile,
  { known, common, ahead }: Comparison,
  rebuilt: ReadonlyMap<number, JournalLine>,
  keep: boolean
): Promise<string | null> => {
  const lines = known.flatMap(({ line }) => {
    const [there, one] = [common.get(line), rebuilt.get(line)]
    return there !== undefined ? [{ line, text: there.text }] : one !== undefined ? [{ line, text: jsonOf(one) }] : []
  })
  const all = [...lines, ...ahead.map(({ line, text }) => ({ line: line.line, text }))]
  const kept = await journal.replace(
    all.map(({ text }) => text),
    { keep }
  )
  let ends = journal.size
  for (const { line, text } of all.slice(-2).reverse()) {
    await connection.run('UPDATE journal_lines SET ends = $2 WHERE line = $1', [line, ends])
    ends -= Buffer.byteLength(text) + 1
  }
  return kept
}

/**
 * Synchronises database and journal file. Applies lines that only the file has (after a crash, or when an older
 * database was restored), and writes lines that only the database has. Returns notes for the user on lines that could
 * not be merged; a copy of the original file is kept then.
 */
export const rebuildAnnotations = (connection: DuckDBConnection, journal: JournalFile): Promise<string[]> =>
  inTransaction(connection, async () => {
    if (await isInStep(connection, journal)) return []
    const content = await journal.read()
    const comparison = await compare(connection, content)
    const rebuilt = await rebuiltLines(connection, comparison.known)
    for (const { line, ends } of comparison.ahead) {
      await perform(connection, line)
      await keepLine(connection, { ...line, ends })
    }
    const isDoubtful = content.unreadable.length > 0 || comparison.foreign.length > 0
    const isBehind = [...rebuilt.keys()].some((line) => !comparison.common.has(line))
    if (!isDoubtful && !isBehind) return []
    const kept = await mend(connection, journal, comparison, rebuilt, isDoubtful)
    return kept === null ? [] : notesOf(journal.path, content, comparison, kept)
  })

/** Tables changed by journal lines. */
const changedTables = ['annotations', 'journal', 'run_marks', 'runs']

/**
 * For a read-only database: applies the journal lines that it lacks to temporary tables, which hide the real ones.
 * Returns whether there were any, and notes for the user on lines left out.
 */
export const replayForReading = async (
  connection: DuckDBConnection,
  path: string,
  content: JournalContent
): Promise<{ readonly replayed: boolean; readonly notes: string[] }> => {
  const comparison = await compare(connection, content)
  const replayed = comparison.ahead.length > 0
  if (replayed) {
    for (const table of changedTables) await connection.run(`CREATE TEMP TABLE ${table} AS FROM ${table}`)
    for (const { line } of comparison.ahead) await perform(connection, line)
  }
  return { replayed, notes: notesOf(path, content, comparison, null) }
}

/**
 * Performs an act in both the database and the journal file, or in neither. The file is written first; if a crash
 * follows, the next start applies its line to the database.
 */
export const journaled = async (
  connection: DuckDBConnection,
  journal: JournalFile,
  id: string | undefined,
  decide: (next: number) => Promise<Act | null>
): Promise<Act | null> => {
  const start = journal.size
  try {
    return await inTransaction(connection, async () => {
      const last = await lastOf(connection)
      const act = await decide(last.number + 1)
      if (act === null) return null
      await perform(connection, act)
      // The id tells this workspace's lines from those of a copy, which may have equal numbers.
      const line = { line: last.line + 1, id: id ?? randomUUID(), ...act }
      await keepLine(connection, { ...line, ends: await journal.append(line) })
      return act
    })
  } catch (error) {
    if (journal.size > start) await journal.takeBack(start)
    throw error
  }
}
