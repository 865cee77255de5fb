import { chmod, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { NeighboursRecord, StudyRecord, SusceptibilityRecord } from '../../preload/records'
import { fileModeIn } from '../base/files'
import { GroupTree } from '../base/group-tree'
import { clientOf, openStore } from './client'
import type { ClientOf, Store, StoreClient } from './client'
import { unpackOverview } from './overview-packing'
import type { Overview } from './overview-packing'
import type { InClustering } from './parameters'
import type { explorationMethods } from './service-exploration'
import type { labelMethods } from './service-labels'
import type { resultMethods } from './service-results'
import type { runMethods } from './service-runs'
import type { writingMethods } from './service-writing'
import type { OpenOptions } from './session'
import type { ExportedTable, TableOptions } from './tables'
import { namesFolderOf, runFolderOf } from './workspace-paths'

export { StoreLost } from './client'

/** Writes within the transaction of a run. */
export interface RunWriter extends ClientOf<typeof writingMethods> {
  /** Replaces the run's study. `tokenText` returns the text of a token id; null without a tokenizer. */
  saveStudy(study: StudyRecord, tokenText: ((id: number) => string) | null): Promise<void>
}

/**
 * A folder with a DuckDB file of runs, held open by its own process. Has the methods of `store/service.ts`, and some
 * composed of them. Every method rejects with a `SpectroscopeError` that names the workspace. When the store process
 * dies, pending calls reject, and the workspace can be opened again with everything that was acknowledged. Runs are
 * identified by id, a `clustering` by its number within the run, the latest by default.
 */
export interface Workspace
  extends
    Pick<Store, 'folder' | 'readOnly' | 'unwritable' | 'notes' | 'pid' | 'ended' | 'close'>,
    ClientOf<typeof runMethods>,
    ClientOf<typeof resultMethods>,
    ClientOf<typeof explorationMethods>,
    ClientOf<typeof labelMethods> {
  /**
   * Folder for a run's transient files (checkpoints), deleted with the run. Throws a `workspace` error for an id of
   * unknown form.
   */
  runFolder(run: string): string
  /** Folder of the names that models suggested; deleted with the run. Throws where the id is a foreign one. */
  namesFolder(run: string): string
  /**
   * Runs `write` in one transaction: commits when it resolves, rolls back when it rejects. One at a time per
   * workspace.
   */
  transaction<T>(run: string, write: (writer: RunWriter) => Promise<T>): Promise<T>
  /** The whole matrix and its standard errors, in shared memory. */
  getSusceptibilities(run: string): Promise<SusceptibilityRecord>
  /** The first k stored neighbours in shared memory; undefined if fewer are stored under this key. */
  getNeighbours(run: string, k: number, key: number): Promise<NeighboursRecord | undefined>
  getOverview(run: string, clustering: number): Promise<Overview>
  /** Clusters and the groups above them. */
  getTree(run: string, options?: InClustering): Promise<GroupTree>
  /** Streams one table into a file. */
  exportTable(
    run: string,
    table: ExportedTable,
    format: 'csv' | 'parquet',
    file: string,
    options?: TableOptions
  ): Promise<void>
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

const writerOf = (client: StoreClient): RunWriter => ({
  ...client,
  saveStudy: ({ contents: _, ...study }, tokenText) => {
    const { ids, texts } = vocabularyOf(study, tokenText)
    return client.saveStudyAndTexts(study, ids, texts)
  }
})

/** Matrix bytes in one call. */
const blockBytes = 16 * 2 ** 20

/** Fills [rows, width] matrices by calls that read some rows each. */
const readInBlocks = async (
  rows: number,
  width: number,
  read: (first: number, count: number) => Promise<void>
): Promise<void> => {
  const step = Math.max(1, Math.floor(blockBytes / (8 * width)))
  for (let first = 0; first < rows; first += step) await read(first, Math.min(step, rows - first))
}

/**
 * Creates the file before the store writes it, because the store would create it with the workspace's restricted
 * permissions, which exports need not have.
 */
const writeOpenly = async (file: string, write: (file: string) => Promise<void>): Promise<void> => {
  const handle = await open(file, 'w', await fileModeIn(dirname(file)))
  const { mode } = await handle.stat().finally(() => handle.close())
  await write(file)
  await chmod(file, mode & 0o777)
}

const shared = (length: number): SharedArrayBuffer => new SharedArrayBuffer(4 * length)

const inTransaction = async <T>(store: Store, run: string, write: (writer: RunWriter) => Promise<T>): Promise<T> => {
  const client = clientOf(store)
  await client.begin(run)
  try {
    const result = await write(writerOf(client))
    await client.commit()
    return result
  } catch (error) {
    await client.rollback().catch(() => {})
    throw error
  }
}

/** The workspace that is open in a store. */
export const workspaceOf = (store: Store): Workspace => {
  const client = clientOf(store)
  let transactions: Promise<unknown> = Promise.resolve()
  return {
    ...client,
    get folder() {
      return store.folder
    },
    get readOnly() {
      return store.readOnly
    },
    get unwritable() {
      return store.unwritable
    },
    get notes() {
      return store.notes
    },
    get pid() {
      return store.pid
    },
    get ended() {
      return store.ended
    },
    close: () => store.close(),
    runFolder: (run) => runFolderOf(store.folder, run),
    namesFolder: (run) => namesFolderOf(store.folder, run),
    transaction: (run, write) => {
      const result = transactions.then(() => store.pinned((one) => inTransaction(one, run, write)))
      transactions = result.catch(() => {})
      return result
    },
    getSusceptibilities: async (run) => {
      const { tokens, components } = await client.getRun(run)
      const width = components.length
      const susceptibilities = new Float32Array(shared(tokens * width))
      const standardErrors = new Float32Array(shared(tokens * width))
      await readInBlocks(width === 0 ? 1 : tokens, Math.max(1, width), async (first, count) => {
        const block = await client.readSusceptibilities(run, first, count)
        susceptibilities.set(block.susceptibilities, first * width)
        standardErrors.set(block.standardErrors, first * width)
      })
      return { tokens, components, susceptibilities, standardErrors }
    },
    getNeighbours: async (run, k, key) => {
      if (!(await client.hasNeighbours(run, k, key))) return undefined
      const { tokens } = await client.getRun(run)
      const indices = new Int32Array(shared(tokens * k))
      const distances = new Float32Array(shared(tokens * k))
      await readInBlocks(tokens, k, async (first, count) => {
        const block = await client.readNeighbours(run, k, key, first, count)
        indices.set(block.indices, first * k)
        distances.set(block.distances, first * k)
      })
      return { k, indices, distances }
    },
    getOverview: async (run, clustering) => unpackOverview(await client.getPackedOverview(run, clustering)),
    getTree: async (run, options) => new GroupTree(await client.getTreeNodes(run, options)),
    exportTable: (run, table, format, file, options) =>
      writeOpenly(resolve(file), (path) => client.writeTable(run, table, format, path, options))
  }
}

/**
 * Opens a workspace folder in a new store process. `create` creates a missing one, `readOnly` changes no files,
 * `orRead` falls back to reading. Throws a `workspace` error that names the folder if it is missing, not a workspace,
 * damaged, newer, not writable, or open elsewhere.
 */
export const openWorkspace = async (
  folder: string,
  options?: Partial<Omit<OpenOptions, 'folder'>>
): Promise<Workspace> => workspaceOf(await openStore(folder, options))
