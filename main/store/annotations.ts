import type { DuckDBConnection } from '@duckdb/node-api'
import type {
  Annotation,
  AnnotationBody,
  AnnotationsChanged,
  AnnotationTarget,
  JournalStep,
  LabelStatus,
  RunMarks,
  UndoState
} from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { clusterOf, parseTarget } from '../../preload/label-rules'
import { countStatuses } from '../../preload/labels'
import { hasGroup } from '../base/group-tree'
import type { AnnotationEdit, NextNumbers } from '../labels/annotations'
import { select } from './database'
import { knownClustering, knownRun } from './facts'
import type { JournalFile } from './journal'
import { jsonOf } from './json'
import {
  annotationOf,
  ofClusteringOrRun,
  journaled,
  labelChangesOf,
  stepColumns,
  stepOf,
  texts,
  turned
} from './replay'
import { getRun } from './runs'

export interface AnnotationsOrder {
  readonly run: string
  readonly clustering: number
  /** Describes the step in the menu: "label 3 clusters “closing brackets”". */
  readonly words: string
  readonly author: string
  readonly edits: readonly AnnotationEdit[]
  readonly id?: string | undefined
}

export interface ClusteringAnnotations {
  readonly clustering: number
  readonly annotations: readonly Annotation[]
}

/**
 * Number of clusters by label status. A merged cluster counts with the status of its merge. Clusters without a label
 * are not counted.
 */
export interface LabelCounts {
  readonly run: string
  readonly clustering: number
  readonly counts: Readonly<Partial<Record<LabelStatus, number>>>
}

/** Result of undo or redo: changed annotations of one clustering, changed marks of a run, or neither. */
export interface Undone {
  readonly changed: AnnotationsChanged | null
  readonly run: string | null
  readonly undo: UndoState
}

const kinds = ['cluster', 'merge', 'part', 'selection'] as const
const sortKey = (target: AnnotationTarget): number[] => {
  const { kind, number } = parseTarget(target)
  return [kinds.indexOf(kind), number]
}
const byTarget = (a: { target: AnnotationTarget }, b: { target: AnnotationTarget }): number => {
  const [[kind, number], [otherKind, otherNumber]] = [sortKey(a.target), sortKey(b.target)]
  return kind - otherKind || number - otherNumber
}

/** Annotations of a clustering: clusters, merges, parts, then the run's selections, each by number. */
export const getAnnotations = async (
  connection: DuckDBConnection,
  run: string,
  clustering: number
): Promise<Annotation[]> => {
  const known = await knownClustering(connection, run, clustering)
  const values = [known.number, known.clustering.number]
  return (
    await select(connection, `SELECT target, body FROM annotations WHERE run = $1 AND ${ofClusteringOrRun}`, values)
  )
    .map(annotationOf)
    .sort(byTarget)
}

export const getAllAnnotations = async (
  connection: DuckDBConnection,
  run: string
): Promise<ClusteringAnnotations[]> => {
  const rows = await select(
    connection,
    'SELECT clustering, target, body FROM annotations WHERE run = $1 ORDER BY clustering',
    [(await knownRun(connection, run)).number]
  )
  const clusterings = new Map<number, Annotation[]>()
  for (const row of rows) {
    const clustering = row.clustering as number
    clusterings.set(clustering, [...(clusterings.get(clustering) ?? []), annotationOf(row)])
  }
  return [...clusterings].map(([clustering, annotations]) => ({ clustering, annotations: annotations.sort(byTarget) }))
}

export const countLabels = async (connection: DuckDBConnection): Promise<LabelCounts[]> => {
  const rows = await select(
    connection,
    `SELECT id, clustering, clusters, target, body FROM annotations JOIN clusterings USING (run, clustering)
     JOIN runs ON run = runs.number ORDER BY runs.number, clustering`
  )
  const groups = new Map<string, { run: string; clustering: number; clusters: number; annotations: Annotation[] }>()
  for (const row of rows) {
    const [run, clustering] = [row.id as string, row.clustering as number]
    const key = `${run} ${clustering}`
    const group = groups.get(key) ?? { run, clustering, clusters: row.clusters as number, annotations: [] }
    groups.set(key, group)
    group.annotations.push(annotationOf(row))
  }
  return [...groups.values()].map(({ run, clustering, clusters, annotations }) => ({
    run,
    clustering,
    counts: countStatuses(annotations, clusters)
  }))
}

/** Undone steps are always the last ones of the journal, because undo goes backwards and a new step deletes them. */
const undoable = 'FROM journal WHERE NOT undone ORDER BY number DESC LIMIT 1'
const redoable = 'FROM journal WHERE undone ORDER BY number LIMIT 1'

export const getUndoState = async (connection: DuckDBConnection): Promise<UndoState> => {
  const [undo] = await select(connection, `SELECT ${stepColumns} ${undoable}`)
  const [redo] = await select(connection, `SELECT ${stepColumns} ${redoable}`)
  return { undo: undo === undefined ? null : stepOf(undo), redo: redo === undefined ? null : stepOf(redo) }
}

/** Steps of the journal, latest first, including undone ones. */
export const getHistory = async (connection: DuckDBConnection, limit: number): Promise<JournalStep[]> =>
  (await select(connection, `SELECT ${stepColumns} FROM journal ORDER BY journal.number DESC LIMIT ${limit}`)).map(
    stepOf
  )

/** The next free numbers for a merge, part and selection, unused in the annotations and the journal. */
export const nextNumbers = async (
  connection: DuckDBConnection,
  run: string,
  clustering: number
): Promise<NextNumbers> => {
  const { number } = await knownRun(connection, run)
  const rows = await select(
    connection,
    `SELECT split_part(target, ':', 1) AS kind, max(split_part(target, ':', 2)::INTEGER) + 1 AS next FROM (
      SELECT clustering, target FROM annotations WHERE run = $1
      UNION ALL SELECT clustering, unnest(from_json(json_extract(changes, '$[*].target')::JSON, '["VARCHAR"]'))
      FROM journal WHERE run = $3)
     WHERE ${ofClusteringOrRun} GROUP BY kind`,
    [number, clustering, run]
  )
  const next = new Map(rows.map((row) => [String(row.kind), Number(row.next)]))
  return {
    nextMerge: next.get('merge') ?? 1,
    nextPart: next.get('part') ?? 1,
    nextSelection: next.get('selection') ?? 1
  }
}

/** Number of the step already made under this id, if its answer was lost. */
const doneBefore = async (connection: DuckDBConnection, id: string | undefined): Promise<number | undefined> => {
  if (id === undefined) return undefined
  const [row] = await select(connection, 'SELECT number FROM journal_lines WHERE id = $1', [id])
  return row === undefined ? undefined : Number(row.number)
}

const bodiesOf = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  targets: readonly AnnotationTarget[]
): Promise<Map<AnnotationTarget, AnnotationBody>> => {
  const rows = await select(
    connection,
    `SELECT target, body FROM annotations WHERE run = $1 AND ${ofClusteringOrRun} AND target IN ${texts('$3')}`,
    [run, clustering, jsonOf(targets)]
  )
  return new Map(rows.map(annotationOf).map(({ target, ...body }) => [target, body]))
}

const changedNow = async (
  connection: DuckDBConnection,
  run: string,
  clustering: number,
  targets: readonly AnnotationTarget[]
): Promise<AnnotationsChanged> => {
  const bodies = await bodiesOf(connection, (await knownRun(connection, run)).number, clustering, targets)
  const changed = targets.map((target) => {
    const body = bodies.get(target)
    return { target, annotation: body === undefined ? null : { target, ...body } }
  })
  return { run, clustering, changed, undo: await getUndoState(connection) }
}

/** The current state of the targets changed under an id; null if no change has this id. */
export const findChange = async (
  connection: DuckDBConnection,
  run: string,
  clustering: number,
  id: string
): Promise<AnnotationsChanged | null> => {
  const number = await doneBefore(connection, id)
  if (number === undefined) return null
  const [step] = await select(connection, 'SELECT changes FROM journal WHERE number = $1 AND clustering IS NOT NULL', [
    number
  ])
  const changes = step === undefined ? [] : labelChangesOf(step, number)
  const targets = changes.map(({ target }) => target)
  return changedNow(connection, run, clustering, targets)
}

export const applyAnnotations = async (
  connection: DuckDBConnection,
  journal: JournalFile,
  { run, clustering, words, author, edits, id }: AnnotationsOrder
): Promise<AnnotationsChanged> => {
  const afters = new Map(edits.map(({ target, after }) => [target, after]))
  const targets = [...afters.keys()]
  if ((await doneBefore(connection, id)) !== undefined) return changedNow(connection, run, clustering, targets)
  const { number, clustering: record } = await knownClustering(connection, run, clustering)
  const missing = targets.find((target) => {
    const cluster = clusterOf(target)
    return cluster !== undefined && !hasGroup(record, cluster)
  })
  if (missing !== undefined)
    throw new SpectroscopeError(
      'input',
      `Clustering ${clustering} of run ${run} has no ${missing.replace(':', ' ')}; choose one that it has.`
    )
  await journaled(connection, journal, id, async (next) => {
    const befores = await bodiesOf(connection, number, clustering, targets)
    const changes = targets
      .map((target) => ({ target, before: befores.get(target) ?? null, after: afters.get(target) ?? null }))
      .filter(({ before, after }) => before !== null || after !== null)
    return changes.length === 0
      ? null
      : { kind: 'step', number: next, at: new Date().toISOString(), author, words, run, clustering, changes }
  })
  return changedNow(connection, run, clustering, targets)
}

const marksOf = async (connection: DuckDBConnection, run: string): Promise<RunMarks> => {
  const { name, archived, deleted } = await getRun(connection, run)
  return { name, archived, deleted }
}

const marksWords = (before: RunMarks, after: RunMarks): string =>
  [
    ...(before.name === after.name ? [] : [`rename “${before.name}” to “${after.name}”`]),
    ...(before.archived === after.archived
      ? []
      : [after.archived ? `archive “${after.name}”` : `unarchive “${after.name}”`]),
    ...(before.deleted === after.deleted ? [] : [after.deleted ? `delete “${after.name}”` : `restore “${after.name}”`])
  ].join(', ')

export const changeRun = async (
  connection: DuckDBConnection,
  journal: JournalFile,
  run: string,
  changes: Partial<RunMarks>,
  author: string,
  id?: string
): Promise<{ marks: RunMarks; undo: UndoState }> => {
  if ((await doneBefore(connection, id)) === undefined) {
    const before = await marksOf(connection, run)
    const after = { ...before, ...changes }
    const words = marksWords(before, after)
    if (words !== '') {
      await journaled(connection, journal, id, async (number) => ({
        kind: 'step',
        number,
        at: new Date().toISOString(),
        author,
        words,
        run,
        clustering: null,
        changes: [{ target: 'run', before, after }]
      }))
    }
  }
  return { marks: await marksOf(connection, run), undo: await getUndoState(connection) }
}

export const undoOrRedo = async (
  connection: DuckDBConnection,
  journal: JournalFile,
  kind: 'undo' | 'redo',
  id?: string
): Promise<Undone> => {
  const done = await doneBefore(connection, id)
  const act =
    done === undefined
      ? await journaled(connection, journal, id, async () => {
          const [row] = await select(
            connection,
            `SELECT ${stepColumns}, changes ${kind === 'undo' ? undoable : redoable}`
          )
          return row === undefined ? null : turned(row, kind, new Date().toISOString())
        })
      : ((await select(connection, `SELECT ${stepColumns}, changes FROM journal WHERE number = $1`, [done])).map(
          (row) => turned(row, kind, stepOf(row).at)
        )[0] ?? null)
  const undo = await getUndoState(connection)
  if (act === null) return { changed: null, run: null, undo }
  if (act.clustering === null) return { changed: null, run: act.run, undo }
  return {
    changed: await changedNow(
      connection,
      act.run,
      act.clustering,
      act.changes.map(({ target }) => target)
    ),
    run: null,
    undo
  }
}
