import type {
  ClusterNumber, ClusterProfile, ClusteringRecord, ClusterSummary, DiagnosticsRecord, NeighboursRecord, NewClustering, NewRun, RunChanges, RunRecord,
  StageRecord, StudyRecord, SusceptibilityRecord, TokenInContext, TracePointRecord, TraceRecord
} from '../../preload/records'

/** What a transaction can write; nothing of it is seen by anyone before it commits, and all of it from then on. */
export interface RunWriter {
  /** Replaces the run's study. `tokenText` gives the text of one token id; null where there is no tokenizer. */
  saveStudy(study: StudyRecord, tokenText: ((id: number) => string) | null): Promise<void>
  /** Starts the run's matrix anew: `components` in order of the columns, initialLoss = L(w*). Then append every block in order of tokens. */
  beginSusceptibilities(components: readonly string[], initialLoss: number): Promise<void>
  /** Rows of the next tokens, both [n, components]. Any n; blocks of some megabytes are best. */
  appendSusceptibilities(susceptibilities: Float32Array, standardErrors: Float32Array): Promise<void>
  /** Replaces the run's diagnostics; in order of components, then `full` where it was sampled. */
  saveDiagnostics(diagnostics: readonly DiagnosticsRecord[]): Promise<void>
  /** Replaces the run's traces, those of `appendTrace` too. */
  saveTraces(traces: readonly TraceRecord[]): Promise<void>
  /** Starts the neighbours for one preprocessing anew (one k of each is kept). Then append every block in order of tokens. */
  beginNeighbours(k: number, whiten: boolean): Promise<void>
  /** Neighbours of the next tokens, both [n, k], nearest first. */
  appendNeighbours(indices: Int32Array, distances: Float32Array): Promise<void>
  /** Adds a clustering beside those there are. */
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

/** Tables that `exportTable` can write. Those of clusters need a clustering; `tokens` then has a column `cluster` too. */
export type ExportedTable = 'tokens' | 'susceptibilities' | 'standard_errors' | 'diagnostics' | 'traces' | 'clusters' | 'cluster_tokens' | 'documents'

/**
 * A folder with a DuckDB file of runs, held open by a process of its own. Every method rejects with a `SpectroscopeError` that names the
 * workspace; when the store process dies, pending calls reject and the workspace can be opened again with all that was acknowledged.
 * Runs are named by their id; `clustering` by its number within the run, the latest by default.
 */
export interface Workspace {
  readonly folder: string
  readonly readOnly: boolean
  /** Process id of the store process. */
  readonly pid: number
  /** Folder for a run's transient files (checkpoints); deleted with the run. */
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

  /** Runs `write` in one transaction: committed when it resolves, rolled back when it rejects. One at a time in a workspace. */
  transaction<T>(run: string, write: (writer: RunWriter) => Promise<T>): Promise<T>
  /** Trace points as they arise, outside of any transaction; they replace those of the same component and chain from the first one's draw on. */
  appendTrace(run: string, points: readonly TracePointRecord[]): Promise<void>

  getStudy(run: string): Promise<StudyRecord>
  /** Both arrays are backed by SharedArrayBuffer. */
  getSusceptibilities(run: string): Promise<SusceptibilityRecord>
  /** Rows [first, first + count) of the matrix. */
  readSusceptibilities(run: string, first: number, count: number): Promise<SusceptibilityRecord>
  getDiagnostics(run: string): Promise<DiagnosticsRecord[]>
  getTraces(run: string): Promise<TraceRecord[]>
  /** Stored neighbours cut down to k; undefined when none of at least k are stored for this preprocessing. Backed by SharedArrayBuffer. */
  getNeighbours(run: string, k: number, whiten: boolean): Promise<NeighboursRecord | undefined>

  renameClustering(run: string, clustering: number, name: string): Promise<ClusteringRecord>
  deleteClustering(run: string, clustering: number): Promise<void>
  /** In order of discovery, what is left over last. */
  getClusterSummaries(run: string, options?: { readonly clustering?: number; readonly topTokens?: number }): Promise<ClusterSummary[]>
  getClusterSummary(run: string, cluster: ClusterNumber, options?: { readonly clustering?: number; readonly topTokens?: number }): Promise<ClusterSummary>
  getClusterMembers(run: string, cluster: ClusterNumber, options?: { readonly clustering?: number }): Promise<Int32Array>
  getClusterProfile(run: string, cluster: ClusterNumber, options?: { readonly clustering?: number }): Promise<ClusterProfile>
  getClusterTokens(run: string, cluster: ClusterNumber, query?: ClusterTokensQuery & { readonly clustering?: number }): Promise<TokenInContext[]>
  getTokens(run: string, tokens: ArrayLike<number>, query?: Pick<ClusterTokensQuery, 'before' | 'after'>): Promise<TokenInContext[]>
  /** Cluster of every token: its order of discovery, or -1. */
  getMembership(run: string, options?: { readonly clustering?: number }): Promise<Int32Array>

  /** Writes one table to a file, by streaming. */
  exportTable(run: string, table: ExportedTable, format: 'csv' | 'parquet', file: string, options?: { readonly clustering?: number }): Promise<void>
  /** Size of the database on disk, bytes. */
  size(): Promise<number>
  /** Closes the database and ends the store process. */
  close(): Promise<void>
}
