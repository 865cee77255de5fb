import { existsSync } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Annotation } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { isSelection } from '../../preload/label-rules'
import type { RunRecord } from '../../preload/records'
import { checkContents } from '../base/plain-files'
import { annotationsOf } from '../exchange/annotated-labels'
import { readAnnotatedSet } from '../exchange/annotated-read'
import { setFormat } from '../exchange/annotated-set'
import type { AnnotationEdit } from '../labels/annotations'
import { backupFolder } from '../store/backups'
import { databaseName, isDamage } from '../store/database'
import { journalPath } from '../store/journal'
import { replaceDatabase } from '../store/restore-database'
import { readJournalLabels, readLabelBackup } from '../store/saved-labels'
import type { SavedLabels } from '../store/saved-labels'
import { openWorkspace } from '../store/store'
import type { Workspace } from '../store/store'
import { importRun } from './imports'
import { applyEdits } from './label-transfer'
import { accountName } from './run-labels'
import { refuseForeign } from './trust'
import { withWorkspace } from './workspaces'

/** A file from which a workspace can be restored. */
export interface RestoreSource {
  /** Value for `--from`: the path within backups/ or journal/. */
  readonly name: string
  readonly kind: 'labels' | 'database' | 'journal'
  /** Time of last change, ISO 8601 in UTC. */
  readonly changedAt: string
  readonly bytes: number
}

export interface Restored {
  /** Null if no file was chosen and nothing needed restoring. */
  readonly from: string | null
  /** Folder with the previous database; null if it was not replaced. */
  readonly setAside: string | null
  /** Backup of the previous labels; null if none were changed. */
  readonly labelsBefore: string | null
  /** Number of labels restored, and of their clusterings. */
  readonly labels: number
  readonly clusterings: number
  /** The new run made from an annotated set whose run is not here. */
  readonly imported: string | null
  /** Sentences about labels that could not be restored. */
  readonly left: readonly string[]
}

const nothing: Restored = {
  from: null,
  setAside: null,
  labelsBefore: null,
  labels: 0,
  clusterings: 0,
  imported: null,
  left: []
}

const namesIn = async (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

/** All files in a workspace's folder from which it can be restored, latest first. */
export const restoreSources = async (workspace: string): Promise<RestoreSource[]> => {
  await checkContents(workspace)
  const [backups, journal] = [backupFolder(workspace), join(journalPath(workspace), '..')]
  const asides = (await namesIn(backups))
    .filter((name) => name.startsWith('set-aside-'))
    .map((name) => `${name}/${databaseName}`)
  const own = [...(await namesIn(backups)), ...asides]
  const of = (kind: RestoreSource['kind'], folder: string, names: readonly string[], pattern: RegExp) =>
    names.filter((name) => pattern.test(name)).map((name) => ({ kind, folder, name }))
  const candidates = [
    ...of('database', backups, own, /\.duckdb$/),
    ...of('labels', backups, own, /^labels-.*\.json$/),
    ...of('journal', journal, await namesIn(journal), /\.jsonl$/)
  ]
  const sources = await Promise.all(
    candidates.map(async ({ kind, folder, name }) => {
      const found = await lstat(join(folder, name)).catch(() => undefined)
      return found?.isFile() === true ? [{ name, kind, changedAt: found.mtime.toISOString(), bytes: found.size }] : []
    })
  )
  return sources.flat().sort((a, b) => b.changedAt.localeCompare(a.changedAt))
}

/** Finds a file by path, or by name in backups/ or journal/. Throws an `input` error if there is none. */
const fileOf = (workspace: string, from: string): string => {
  const places = [resolve(from), join(backupFolder(workspace), from), join(journalPath(workspace), '..', from)]
  const found = places.find((place) => existsSync(place))
  if (found !== undefined) return found
  throw new SpectroscopeError(
    'input',
    `There is no file ${from} here or in the backups of ${workspace}; \`spectroscope restore --list\` shows them.`
  )
}

const startOf = async (file: string): Promise<string> => {
  const handle = await open(file, 'r')
  try {
    return (await handle.read(Buffer.alloc(4096), 0, 4096, 0)).buffer.toString('utf8')
  } finally {
    await handle.close()
  }
}

/**
 * The run and clustering that saved labels belong to: the original, or a run imported from it. Otherwise a sentence
 * that says why there is none.
 */
const clusteringFor = (
  runs: readonly RunRecord[],
  saved: SavedLabels
): { readonly run: string; readonly clustering: number } | string => {
  const run = runs.find(({ id }) => id === saved.run)
  const imported = runs.find(
    ({ provenance: { imported: origin } }) =>
      origin?.run.id === saved.run && origin.clustering.number === saved.clustering && origin.selection === null
  )
  const count = saved.annotations.length
  const what = `${count} label${count === 1 ? '' : 's'} of clustering ${saved.clustering} of run ${saved.run}`
  if (run === undefined)
    return imported === undefined
      ? `${what} not restored: the run is not here.`
      : { run: imported.id, clustering: imported.clusterings[0].number }
  const clustering = run.clusterings.find(({ number }) => number === saved.clustering)
  if (clustering === undefined) return `${what} not restored: the run has no such clustering.`
  if (saved.clusteredAt !== null && saved.clusteredAt !== clustering.createdAt)
    return `${what} not restored: the clustering of that number is a different one, made at ${clustering.createdAt}.`
  return { run: run.id, clustering: clustering.number }
}

/**
 * Edits that turn the present annotations into the saved ones. The saved ones are of one clustering, and selections are
 * of the run, so a selection that is not among them stays unless the file says that it was cleared.
 */
const editsTo = (present: readonly Annotation[], { annotations, cleared }: SavedLabels): AnnotationEdit[] => {
  const [now, then] = [present, annotations].map((all) => new Map(all.map(({ target, ...body }) => [target, body])))
  const gone = cleared ?? [...now.keys()].filter((target) => !then.has(target) && !isSelection(target))
  return [
    ...[...then].flatMap(([target, after]) => (isDeepStrictEqual(now.get(target), after) ? [] : [{ target, after }])),
    ...gone.filter((target) => now.has(target)).map((target) => ({ target, after: null }))
  ]
}

const restoreLabels = async (workspace: Workspace, file: string, saved: readonly SavedLabels[]): Promise<Restored> => {
  const runs = await workspace.listRuns()
  const left: string[] = []
  let [labels, clusterings] = [0, 0]
  let labelsBefore: string | null = null
  for (const one of saved) {
    const place = clusteringFor(runs, one)
    if (typeof place === 'string') {
      left.push(place)
      continue
    }
    const edits = editsTo(await workspace.getAnnotations(place.run, place.clustering), one)
    if (edits.length > 0) labelsBefore ??= await workspace.backUpLabels()
    await applyEdits(
      workspace,
      place.run,
      place.clustering,
      edits,
      `restore ${one.annotations.length} labels from ${basename(file)}`,
      accountName()
    )
    labels += one.annotations.length
    clusterings++
  }
  return { ...nothing, from: file, labelsBefore, labels, clusterings, left }
}

const restoreSet = async (workspace: Workspace, file: string): Promise<Restored> => {
  const set = await readAnnotatedSet(file)
  const { run, clustering, selection } = set.head
  if (selection !== null) {
    throw new SpectroscopeError(
      'input',
      `${file} contains only some clusters; import their labels with \`spectroscope import FILE --into RUN\`.`
    )
  }
  const saved: SavedLabels = {
    run: run.id,
    clustering: clustering.number,
    clusteredAt: clustering.createdAt,
    annotations: annotationsOf(set),
    cleared: null
  }
  if (typeof clusteringFor(await workspace.listRuns(), saved) !== 'string')
    return restoreLabels(workspace, file, [saved])
  const imported = await importRun(workspace, set, file, accountName())
  return { ...nothing, from: file, labels: saved.annotations.length, clusterings: 1, imported: imported.run }
}

const countLabels = async (workspace: Workspace): Promise<Pick<Restored, 'labels' | 'clusterings'>> => {
  const all = (await Promise.all((await workspace.listRuns()).map(({ id }) => workspace.getAllAnnotations(id)))).flat()
  return { labels: all.reduce((sum, { annotations }) => sum + annotations.length, 0), clusterings: all.length }
}

/** The error when opening a workspace for writing; null if it opens. */
const openingError = async (folder: string): Promise<Error | null> => {
  try {
    await (await openWorkspace(folder)).close()
    return null
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Replaces the database by a copy. Opening it then applies newer lines of the journal. */
const restoreDatabase = async (folder: string, copy: string | null): Promise<Restored> => {
  const { setAside, takeBack } = await replaceDatabase(folder, copy)
  const error = await openingError(folder)
  if (error !== null) {
    await takeBack()
    throw error
  }
  return withWorkspace(folder, 'read', async (workspace) => ({
    ...nothing,
    from: copy ?? join(folder, databaseName),
    setAside,
    ...(await countLabels(workspace))
  }))
}

/** Tries all copies, latest first, until a database can be opened. */
const restoreDamaged = async (folder: string, damage: unknown): Promise<Restored> => {
  const copies = (await restoreSources(folder))
    .filter(({ kind }) => kind === 'database')
    .map(({ name }) => join(backupFolder(folder), name))
  const hasLog = existsSync(join(folder, `${databaseName}.wal`)) && existsSync(join(folder, databaseName))
  for (const copy of [...(hasLog ? [null] : []), ...copies]) {
    try {
      return await restoreDatabase(folder, copy)
    } catch (error) {
      if (!isDamage(error)) throw error
    }
  }
  throw new SpectroscopeError(
    'workspace',
    `${folder}: the database is damaged and backups/ has no copy that opens; ` +
      'to rescue an annotated set, import it into another workspace with `spectroscope import`.',
    { cause: damage }
  )
}

const refuseOpen = async (folder: string): Promise<void> => {
  const error = await openingError(folder)
  if (error !== null && !isDamage(error)) throw error
}

/**
 * Restores a workspace from a label backup, a journal, an annotated set, or a copy of the database. Without `from`,
 * only repairs a damaged database. Previous contents are set aside first. Labels become those of the file, with
 * authors and dates.
 */
export const restoreWorkspace = async (workspace: string, from?: string): Promise<Restored> => {
  const folder = resolve(workspace)
  await checkContents(folder)
  await refuseForeign(folder)
  if (from === undefined) {
    const error = await openingError(folder)
    if (error === null) return nothing
    if (!isDamage(error)) throw error
    return restoreDamaged(folder, error)
  }
  const file = fileOf(folder, from)
  if (file.endsWith('.duckdb')) {
    await refuseOpen(folder)
    return restoreDatabase(folder, file)
  }
  const isJournal = file.endsWith('.jsonl')
  const isSet = !isJournal && (await startOf(file)).includes(`"${setFormat}"`)
  const saved = isSet ? [] : await (isJournal ? readJournalLabels(file) : readLabelBackup(file))
  return withWorkspace(folder, 'write', (opened) =>
    isSet ? restoreSet(opened, file) : restoreLabels(opened, file, saved)
  )
}
