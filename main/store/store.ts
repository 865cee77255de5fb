import { chmod, open, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import type {
  ClusterNumber,
  ClusterProfile,
  ClusteringRecord,
  ClusterSummary,
  DiagnosticsRecord,
  GroupKind,
  NeighboursRecord,
  NewClustering,
  NewRun,
  RunChanges,
  RunRecord,
  StageRecord,
  StudyRecord,
  SusceptibilityRecord,
  TokenInContext,
  TracePointRecord,
  TraceRecord
} from '../../preload/records'
import { entryPath } from '../base/entries'
import { fileModeIn } from '../base/files'
import { GroupTree } from '../base/group-tree'
import { spawnChild } from '../base/processes'
import type { Child } from '../base/processes'
import type { Method, ParametersOf, StoreCalls } from './calls'
import { explorationOf } from './exploration'
import type { Exploration } from './exploration'
import { labellingOf } from './labelling'
import type { Labelling } from './labelling'
import { runFolderOf } from './workspace-paths'

/** What a transaction can write; nothing of it is seen by anyone before it commits, and all of it from then on. */
export interface RunWriter {
  /** Replaces the run's study. `tokenText` gives the text of one token id; null where there is no tokenizer. */
  saveStudy(study: StudyRecord, tokenText: ((id: number) => string) | null): Promise<void>
  /** Starts the run's matrix anew: `components` in order of the columns, initialLoss = L(w*). Then append every block in order of tokens. */
  beginSusceptibilities(components: readonly string[], initialLoss: number): Promise<void>
  /** Rows of the next tokens, both [n, components]. Any n; blocks of some megabytes are best. */
  appendSusceptibilities(susceptibilities: Float32Array, standardErrors: Float32Array): Promise<void>
  /**
   * Says that the matrix has so many parts (χ̂ from some of the draws each), which then are appended in order of
   * tokens; one that lacks rows fails the transaction. After `beginSusceptibilities`, which drops those there were.
   */
  beginParts(count: number): Promise<void>
  /** Rows of the next tokens of one part, [n, components]; parts are numbered from 0. */
  appendPart(part: number, susceptibilities: Float32Array): Promise<void>
  /** Replaces the run's diagnostics; in order of components, then `full` where it was sampled. */
  saveDiagnostics(diagnostics: readonly DiagnosticsRecord[]): Promise<void>
  /** Replaces the run's traces, those of `appendTrace` too. */
  saveTraces(traces: readonly TraceRecord[]): Promise<void>
  /** Starts the neighbours for one preprocessing anew (one k of each is kept). Then append every block in order of tokens. */
  beginNeighbours(k: number, whiten: boolean): Promise<void>
  /** Neighbours of the next tokens, both [n, k], nearest first. */
  appendNeighbours(indices: Int32Array, distances: Float32Array): Promise<void>
  /** Adds a clustering beside those there are, under a number that none of the run has had. */
  saveClustering(clustering: NewClustering): Promise<ClusteringRecord>
  /** Marks a stage as done. */
  completeStage(stage: Omit<StageRecord, 'finishedAt'>): Promise<void>
}

export interface ClusterTokensQuery {
  /** `token`: by token index; `central`: nearest to the cluster's mean χ̂ first, in columns of standard deviation 1, ties by token index. */
  readonly order?: 'token' | 'central'
  readonly offset?: number
  readonly limit?: number
  /** Token ids of context, 16 on either side by default. */
  readonly before?: number
  readonly after?: number
}

export interface LevelOptions {
  readonly clustering?: number
  /** `cluster` by default. */
  readonly level?: GroupKind
}

/** Tables that `exportTable` can write. Those of clusters and labels need a clustering; `tokens` then says cluster and labels too. */
export type ExportedTable =
  | 'tokens'
  | 'susceptibilities'
  | 'standard_errors'
  | 'diagnostics'
  | 'chains'
  | 'traces'
  | 'clusters'
  | 'cluster_tokens'
  | 'documents'
  | 'labels'

export interface TableOptions {
  readonly clustering?: number
  /** Only these, and their tokens; all by default. */
  readonly clusters?: readonly ClusterNumber[]
  /** Leaves text of CSV as it is, also where a spreadsheet would compute it; not by default. */
  readonly rawCells?: boolean
}

/**
 * A folder with a DuckDB file of runs, held open by a process of its own. Every method rejects with a `SpectroscopeError` that names the
 * workspace; when the store process dies, pending calls reject and the workspace can be opened again with all that was acknowledged.
 * Runs are named by their id; `clustering` by its number within the run, the latest by default.
 */
export interface Workspace extends Exploration, Labelling {
  readonly folder: string
  readonly readOnly: boolean
  /** Why it can only be read though it was to be written: "its file system is read-only"; null otherwise. */
  readonly unwritable: string | null
  /** Sentences about what is not as it should be in the folder, though it could be opened. */
  readonly notes: readonly string[]
  /** Process id of the store process. */
  readonly pid: number
  /** Resolves when the store process is no more, with how it ended in words; every call then rejects with `StoreLost`. */
  readonly ended: Promise<string>
  /** Folder for a run's transient files (checkpoints); deleted with the run. Throws where the id is a foreign one. */
  runFolder(run: string): string

  createRun(run: NewRun): Promise<RunRecord>
  /** Oldest first. */
  listRuns(): Promise<RunRecord[]>
  getRun(run: string): Promise<RunRecord>
  /** A run by its id, the unique beginning of its id, its unique name, or "latest"; an `input` error otherwise. */
  findRun(text: string): Promise<RunRecord>
  renameRun(run: string, name: string): Promise<RunRecord>
  updateRun(run: string, changes: RunChanges): Promise<RunRecord>
  /** Deletes the run, all its results and its transient files. */
  deleteRun(run: string): Promise<void>
  /** Copies the one run of another workspace's database, under its own id; gives it as it is here where it was copied before. */
  copyRun(file: string, baseFolder: string): Promise<RunRecord>
  /** Deletes the runs that are marked as deleted, with their transient files; returns their ids. */
  purgeDeleted(): Promise<string[]>

  /** Runs `write` in one transaction: committed when it resolves, rolled back when it rejects. One at a time in a workspace. */
  transaction<T>(run: string, write: (writer: RunWriter) => Promise<T>): Promise<T>
  /** Trace points as they arise, outside of any transaction; they replace those of the same component and chain from the first one's draw on. */
  appendTrace(run: string, points: readonly TracePointRecord[]): Promise<void>

  getStudy(run: string): Promise<StudyRecord>
  /** Both arrays are backed by SharedArrayBuffer. */
  getSusceptibilities(run: string): Promise<SusceptibilityRecord>
  /** Rows [first, first + count) of the matrix. */
  readSusceptibilities(run: string, first: number, count: number): Promise<SusceptibilityRecord>
  /** Parts of the draws that are kept; 0 for a run that was imported, and for one of an earlier version. */
  countParts(run: string): Promise<number>
  /**
   * χ̂ from some parts of the draws, their mean: rows [first, first + count), [count, components] in nats². Added in
   * float64 in the order given. Throws an `input` error where the run keeps no such part.
   */
  readHalf(run: string, parts: readonly number[], first: number, count: number): Promise<Float32Array>
  getDiagnostics(run: string): Promise<DiagnosticsRecord[]>
  getTraces(run: string): Promise<TraceRecord[]>
  /** Stored neighbours cut down to k; undefined when none of at least k are stored for this preprocessing. Backed by SharedArrayBuffer. */
  getNeighbours(run: string, k: number, whiten: boolean): Promise<NeighboursRecord | undefined>

  renameClustering(run: string, clustering: number, name: string): Promise<ClusteringRecord>
  deleteClustering(run: string, clustering: number): Promise<void>
  /** By number: clusters, then the groups above them; what is left over last. */
  getClusterSummaries(
    run: string,
    options?: { readonly clustering?: number; readonly topTokens?: number }
  ): Promise<ClusterSummary[]>
  getClusterSummary(
    run: string,
    cluster: ClusterNumber,
    options?: { readonly clustering?: number; readonly topTokens?: number }
  ): Promise<ClusterSummary>
  getClusterMembers(
    run: string,
    cluster: ClusterNumber,
    options?: { readonly clustering?: number }
  ): Promise<Int32Array>
  getClusterProfile(
    run: string,
    cluster: ClusterNumber,
    options?: { readonly clustering?: number }
  ): Promise<ClusterProfile>
  getClusterTokens(
    run: string,
    cluster: ClusterNumber,
    query?: ClusterTokensQuery & { readonly clustering?: number }
  ): Promise<TokenInContext[]>
  getTokens(
    run: string,
    tokens: ArrayLike<number>,
    query?: Pick<ClusterTokensQuery, 'before' | 'after'>
  ): Promise<TokenInContext[]>
  /** Number of the cluster of every token, or of its group of another level; -1 for those in none. */
  getMembership(run: string, options?: LevelOptions): Promise<Int32Array>
  /**
   * Strength of every token in its cluster, or in its group of another level, 0 to 1; NaN for those in none, empty
   * where the draws were not split.
   */
  getStrengths(run: string, options?: LevelOptions): Promise<Float32Array>
  /** Clusters and the groups above them. */
  getTree(run: string, options?: { readonly clustering?: number }): Promise<GroupTree>

  /** Writes one table to a file, by streaming. */
  exportTable(
    run: string,
    table: ExportedTable,
    format: 'csv' | 'parquet',
    file: string,
    options?: TableOptions
  ): Promise<void>
  /** Closes the database, after a backup of labels where they changed since the last one, and ends the store process. */
  close(): Promise<void>
}

/** The store process ended before it answered. */
export class StoreLost extends SpectroscopeError {}

type Store = Child<StoreCalls>

const done = async (work: Promise<null>): Promise<void> => {
  await work
}

/** The keys whose values are there, as optional keys must be absent rather than undefined. */
const given = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }

const vocabularyOf = (
  study: StudyRecord,
  tokenText: ((id: number) => string) | null
): { ids: Int32Array; texts: string[] } => {
  if (tokenText === null) return { ids: new Int32Array(0), texts: [] }
  const present = new Set<number>()
  for (const row of study.probe) for (const id of row) present.add(id)
  const ids = Int32Array.from(present).sort()
  return { ids, texts: Array.from(ids, tokenText) }
}

const writerOf = (store: Store): RunWriter => ({
  saveStudy: (study, tokenText) => {
    const { sampling, observation, probe, targets, provenance, documents, hash } = study
    return done(
      store.call('saveStudy', {
        study: {
          sampling: [...sampling],
          observation: [...observation],
          probe: [...probe],
          targets: [...targets],
          provenance: [...provenance],
          documents: [...documents],
          hash
        },
        ...vocabularyOf(study, tokenText)
      })
    )
  },
  beginSusceptibilities: (components, initialLoss) =>
    done(store.call('beginSusceptibilities', { components: [...components], initialLoss })),
  appendSusceptibilities: (susceptibilities, standardErrors) =>
    done(store.call('appendSusceptibilities', { susceptibilities, standardErrors })),
  beginParts: (count) => done(store.call('beginParts', { count })),
  appendPart: (part, susceptibilities) => done(store.call('appendPart', { part, susceptibilities })),
  saveDiagnostics: (diagnostics) => done(store.call('saveDiagnostics', { diagnostics: [...diagnostics] })),
  saveTraces: (traces) => done(store.call('saveTraces', { traces: [...traces] })),
  beginNeighbours: (k, whiten) => done(store.call('beginNeighbours', { k, whiten })),
  appendNeighbours: (indices, distances) => done(store.call('appendNeighbours', { indices, distances })),
  saveClustering: (clustering) =>
    store.call('saveClustering', {
      clustering: { ...clustering, clusters: [...clustering.clusters], sweep: [...clustering.sweep] }
    }),
  completeStage: (stage) => done(store.call('completeStage', { stage: { ...stage } }))
})

/** Bytes of a matrix that one call carries. */
const blockBytes = 16 * 2 ** 20

/** Fills [rows, width] matrices by calls that give some of their rows each. */
const readInBlocks = async (
  rows: number,
  width: number,
  read: (first: number, count: number) => Promise<void>
): Promise<void> => {
  const step = Math.max(1, Math.floor(blockBytes / (8 * width)))
  for (let first = 0; first < rows; first += step) await read(first, Math.min(step, rows - first))
}

/** Has a table written; the store's own files are as closed to others as the workspace, and exports need not be. */
const exportTable = async (file: string, write: (file: string) => Promise<void>): Promise<void> => {
  const handle = await open(file, 'w', await fileModeIn(dirname(file)))
  const { mode } = await handle.stat().finally(() => handle.close())
  await write(file)
  await chmod(file, mode & 0o777)
}

const shared = (length: number): SharedArrayBuffer => new SharedArrayBuffer(4 * length)

const workspaceOf = (
  store: Store,
  folder: string,
  readOnly: boolean,
  { unwritable, notes }: StoreCalls['open']['result']
): Workspace => {
  let transactions: Promise<unknown> = Promise.resolve()
  const call = <M extends Method>(method: M, parameters: ParametersOf<M>): Promise<StoreCalls[M]['result']> =>
    store.call(method, parameters)
  const getRun = (run: string): Promise<RunRecord> => call('getRun', { run })
  const runFolder = (run: string): string => runFolderOf(folder, run)
  const summaries = (
    run: string,
    cluster: ClusterNumber | undefined,
    { clustering, topTokens = 10 }: { readonly clustering?: number; readonly topTokens?: number } = {}
  ): Promise<ClusterSummary[]> => call('getClusterSummaries', { run, topTokens, ...given({ clustering, cluster }) })

  const inTransaction = async <T>(run: string, write: (writer: RunWriter) => Promise<T>): Promise<T> => {
    await call('begin', { run })
    try {
      const result = await write(writerOf(store))
      await call('commit', {})
      return result
    } catch (error) {
      await call('rollback', {}).catch(() => {})
      throw error
    }
  }

  return {
    ...explorationOf(call),
    ...labellingOf(call),
    folder,
    readOnly,
    unwritable,
    notes,
    pid: store.pid,
    ended: store.exited.then(({ words }) => words),
    runFolder,
    createRun: (run) => call('createRun', { ...run }),
    listRuns: () => call('listRuns', {}),
    getRun,
    findRun: (text) => call('findRun', { text }),
    renameRun: (run, name) => call('renameRun', { run, name }),
    updateRun: (run, changes) => call('updateRun', { run, changes: { ...changes } }),
    copyRun: (file, baseFolder) => call('copyRun', { file: resolve(file), baseFolder }),
    deleteRun: async (run) => {
      const transient = runFolder(run)
      await call('deleteRun', { run })
      await rm(transient, { recursive: true, force: true })
    },
    purgeDeleted: async () => {
      const purged = await call('purgeDeleted', {})
      for (const run of purged) await rm(runFolder(run), { recursive: true, force: true })
      return purged
    },
    transaction: (run, write) => {
      const result = transactions.then(() => inTransaction(run, write))
      transactions = result.catch(() => {})
      return result
    },
    appendTrace: (run, points) => done(call('appendTrace', { run, points: [...points] })),
    getStudy: (run) => call('getStudy', { run }),
    getSusceptibilities: async (run) => {
      const { tokens, components } = await getRun(run)
      const width = components.length
      const susceptibilities = new Float32Array(shared(tokens * width))
      const standardErrors = new Float32Array(shared(tokens * width))
      await readInBlocks(width === 0 ? 1 : tokens, Math.max(1, width), async (first, count) => {
        const block = await call('readSusceptibilities', { run, first, count })
        susceptibilities.set(block.susceptibilities, first * width)
        standardErrors.set(block.standardErrors, first * width)
      })
      return { tokens, components, susceptibilities, standardErrors }
    },
    readSusceptibilities: async (run, first, count) => {
      const block = await call('readSusceptibilities', { run, first, count })
      const { components } = await getRun(run)
      return { tokens: block.susceptibilities.length / components.length, components, ...block }
    },
    countParts: (run) => call('countParts', { run }),
    readHalf: (run, parts, first, count) => call('readHalf', { run, parts: [...parts], first, count }),
    getDiagnostics: (run) => call('getDiagnostics', { run }),
    getTraces: (run) => call('getTraces', { run }),
    getNeighbours: async (run, k, whiten) => {
      if (!(await call('findNeighbours', { run, k, whiten })).stored) return undefined
      const { tokens } = await getRun(run)
      const indices = new Int32Array(shared(tokens * k))
      const distances = new Float32Array(shared(tokens * k))
      await readInBlocks(tokens, k, async (first, count) => {
        const block = await call('readNeighbours', { run, k, whiten, first, count })
        indices.set(block.indices, first * k)
        distances.set(block.distances, first * k)
      })
      return { k, indices, distances }
    },
    renameClustering: (run, clustering, name) => call('renameClustering', { run, clustering, name }),
    deleteClustering: (run, clustering) => done(call('deleteClustering', { run, clustering })),
    getClusterSummaries: (run, options) => summaries(run, undefined, options),
    getClusterSummary: async (run, cluster, options) => (await summaries(run, cluster, options))[0],
    getClusterMembers: (run, cluster, { clustering } = {}) =>
      call('getClusterMembers', { run, cluster, ...given({ clustering }) }),
    getClusterProfile: (run, cluster, { clustering } = {}) =>
      call('getClusterProfile', { run, cluster, ...given({ clustering }) }),
    getClusterTokens: (run, cluster, { order = 'token', offset = 0, limit = 100, ...rest } = {}) =>
      call('getClusterTokens', { run, cluster, order, offset, limit, ...given(rest) }),
    getTokens: (run, tokens, query = {}) =>
      call('getTokens', { run, tokens: Int32Array.from(tokens), ...given(query) }),
    getMembership: (run, { clustering, level = 'cluster' } = {}) =>
      call('getMembership', { run, level, ...given({ clustering }) }),
    getStrengths: (run, { clustering, level = 'cluster' } = {}) =>
      call('getStrengths', { run, level, ...given({ clustering }) }),
    getTree: async (run, { clustering } = {}) =>
      new GroupTree(await call('getTree', { run, ...given({ clustering }) })),
    exportTable: (run, table, format, file, { clustering, clusters, rawCells = false } = {}) =>
      exportTable(resolve(file), async (path) => {
        const chosen = given({ clustering, clusters: clusters === undefined ? undefined : [...clusters] })
        await call('exportTable', { run, table, format, file: path, rawCells, ...chosen })
      }),
    close: async () => {
      await store.disconnect()
    }
  }
}

interface OpeningOptions {
  readonly create?: boolean
  readonly readOnly?: boolean
  readonly orRead?: boolean
}

/**
 * Opens a workspace folder in a store process of its own; `create` makes one where there is none, `readOnly` leaves
 * the files as they are, `orRead` opens for reading what cannot be written. Throws a `workspace` error that names the
 * folder when it is missing, no workspace, damaged, newer, not writable or open elsewhere.
 */
export const openWorkspace = async (
  folder: string,
  { create = false, readOnly = false, orRead = false }: OpeningOptions = {}
): Promise<Workspace> => {
  const path = resolve(folder)
  const store: Store = spawnChild<StoreCalls>(entryPath('store'), {
    lost: (words) =>
      new StoreLost(
        'storage',
        `${folder}: the store process ended unexpectedly (${words}); open the workspace again, what was saved before is kept.`
      )
  })
  try {
    const opened = await store.call('open', { folder: path, create: create && !readOnly, readOnly, orRead })
    return workspaceOf(store, path, readOnly || opened.unwritable !== null, opened)
  } catch (error) {
    await store.disconnect()
    throw error
  }
}
