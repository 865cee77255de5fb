import { existsSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { SpectroscopeError } from '../../preload/errors'
import { backUpChangedLabels, beforeUpgrade } from './backups'
import { forgetOrders } from './clusters'
import {
  databaseError,
  databaseName,
  openDatabase,
  privateMode,
  temporaryFolder,
  UnwritableWorkspace,
  unwritableOr
} from './database'
import { forgetFacts, knownRun } from './facts'
import { JournalFile, journalPath, readJournal } from './journal'
import { forgetNeighbours } from './neighbour-memory'
import { rebuildAnnotations, replayForReading } from './replay'
import { runNumber } from './runs'
import type { MatrixWriter, NeighboursWriter } from './writes'

export interface OpenOptions {
  readonly folder: string
  /** Create the workspace if it does not exist. */
  readonly create: boolean
  readonly readOnly: boolean
  /** Open for reading if it cannot be written. */
  readonly orRead: boolean
}

export interface Opened {
  /** Why it was opened for reading instead of writing; null otherwise. */
  readonly unwritable: string | null
  /** Notes for the user. */
  readonly notes: readonly string[]
}

/** Transaction of a run, and the writers of data that arrives in blocks. */
export interface Transaction {
  readonly connection: DuckDBConnection
  readonly runId: string
  readonly run: number
  matrix?: MatrixWriter
  neighbours?: NeighboursWriter
}

type Work<T> = (connection: DuckDBConnection) => Promise<T>

/** Makes this process create files no more accessible than the workspace, including those made by DuckDB. */
const beAsOpenAs = (folder: string): void => {
  const { mode } = statSync(folder, { throwIfNoEntry: false }) ?? { mode: privateMode }
  const before = process.umask(0o777)
  process.umask(before | (0o077 & ~mode))
}

/** Clears all caches. Call it after results of a run are stored, replaced or deleted. */
const forget = (): void => {
  forgetOrders()
  forgetFacts()
  forgetNeighbours()
}

/** The open workspace of a store process: its database and journal, and the order of access to them. */
export class StoreSession {
  #options: OpenOptions = { folder: '', create: false, readOnly: false, orRead: false }
  #instance: DuckDBInstance | undefined
  #journal: JournalFile | undefined
  /** Connection shared by all readers, if only it shows labels replayed from the journal. */
  #shared: DuckDBConnection | undefined
  #lastRead: Promise<unknown> = Promise.resolve()
  /**
   * Set when DuckDB invalidates the database because a commit could not be written (a full disk). Reopening restores
   * everything committed.
   */
  #outOfService = false
  #recovery: Promise<void> | undefined
  readonly #working = new Set<Promise<unknown>>()
  #transaction: Transaction | undefined
  #writing: Promise<unknown> = Promise.resolve()

  get folder(): string {
    return this.#options.folder
  }

  /** Folder that DuckDB may write to; '' if there is none. */
  get temporaryFolder(): string {
    return temporaryFolder(this.folder, this.#options.readOnly)
  }

  get transaction(): Transaction {
    if (this.#transaction === undefined) throw new Error('no transaction is open')
    return this.#transaction
  }

  /** Throws a `workspace` error if the workspace is open for reading only. */
  get journal(): JournalFile {
    if (this.#journal === undefined) throw this.#readOnlyError()
    return this.#journal
  }

  #readOnlyError(): SpectroscopeError {
    const what = 'the workspace is open for reading only; open it for writing to change it'
    return new SpectroscopeError('workspace', `${this.folder}: ${what}.`)
  }

  #opened(): DuckDBInstance {
    if (this.#instance === undefined) throw new Error('the workspace is not open')
    return this.#instance
  }

  async open(options: OpenOptions): Promise<Opened> {
    this.#options = options
    beAsOpenAs(options.folder)
    try {
      return { unwritable: null, notes: await this.#openBoth(options) }
    } catch (error) {
      if (!existsSync(join(options.folder, databaseName))) throw error
      const refused = unwritableOr(options.folder, error)
      if (!(refused instanceof UnwritableWorkspace) || !options.orRead) throw refused
      this.#options = { ...options, create: false, readOnly: true }
      return { unwritable: refused.why, notes: await this.#openBoth(this.#options) }
    }
  }

  /** Opens the database and the journal, and synchronises them. Returns notes for the user. */
  async #openBoth(options: OpenOptions): Promise<string[]> {
    this.#instance = await openDatabase(options.folder, options, undefined, beforeUpgrade(options.folder))
    const connection = await this.#instance.connect()
    if (options.readOnly) return this.#readJournalToo(connection)
    try {
      this.#journal ??= await JournalFile.open(options.folder)
      const notes = await rebuildAnnotations(connection, this.#journal)
      connection.closeSync()
      return notes
    } catch (error) {
      connection.closeSync()
      this.#instance.closeSync()
      this.#instance = undefined
      throw error
    }
  }

  /** If a read-only database lacks labels of the journal, replays them and makes all readers share a connection. */
  async #readJournalToo(connection: DuckDBConnection): Promise<string[]> {
    const path = journalPath(this.folder)
    const { replayed, notes } = await replayForReading(connection, path, await readJournal(path))
    if (replayed) this.#shared = connection
    else connection.closeSync()
    return notes
  }

  async #reopen(): Promise<void> {
    await Promise.allSettled(this.#working)
    this.#instance?.closeSync()
    this.#instance = undefined
    await this.#openBoth({ ...this.#options, create: false })
    forget()
    this.#outOfService = false
  }

  async #inService(): Promise<void> {
    if (!this.#outOfService || this.#transaction !== undefined) return
    this.#recovery ??= this.#reopen().finally(() => (this.#recovery = undefined))
    await this.#recovery
  }

  /** An error of a call as a sentence. If DuckDB invalidated the database, the next call reopens it. */
  failed(error: unknown): unknown {
    if (error instanceof Error && /database has been invalidated|^FATAL Error/.test(error.message))
      this.#outOfService = true
    return databaseError(this.folder, error)
  }

  /** Runs `work` after earlier work on the connection, because a streamed result must be read completely first. */
  #oneByOne<T>(connection: DuckDBConnection, work: Work<T>): Promise<T> {
    const result = this.#lastRead.then(() => work(connection))
    this.#lastRead = result.catch(() => {})
    return result
  }

  /** Runs `work` with its own connection. It sees committed data, whatever is being written meanwhile. */
  async connected<T>(work: Work<T>): Promise<T> {
    await this.#inService()
    if (this.#shared !== undefined) return this.#oneByOne(this.#shared, work)
    const connection = await this.#opened().connect()
    const result = work(connection)
    this.#working.add(result)
    try {
      return await result
    } finally {
      connection.closeSync()
      this.#working.delete(result)
    }
  }

  /** Runs `work` with the run's number, by which the large tables refer to it. */
  onRun<T>(run: string, work: (connection: DuckDBConnection, number: number) => Promise<T>): Promise<T> {
    return this.connected(async (connection) => work(connection, (await knownRun(connection, run)).number))
  }

  /** Runs writes outside the transaction, and its commit, one after another. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(work)
    this.#writing = result.catch(() => {})
    return result
  }

  changing<T>(work: Work<T>): Promise<T> {
    return this.#exclusively(() => {
      if (this.#options.readOnly) throw this.#readOnlyError()
      return this.connected(work)
    })
  }

  /** A change of data that readers cache. */
  async replacing<T>(work: Work<T>): Promise<T> {
    try {
      return await this.changing(work)
    } finally {
      forget()
    }
  }

  /** A long change in its own transaction. Other calls continue until it commits. */
  changingInParallel<T>(work: Work<T>): Promise<T> {
    return this.connected(async (connection) => {
      if (this.#options.readOnly) throw this.#readOnlyError()
      await connection.run('BEGIN TRANSACTION')
      try {
        const result = await work(connection)
        await this.#exclusively(() => connection.run('COMMIT'))
        return result
      } catch (error) {
        await connection.run('ROLLBACK').catch(() => {})
        throw error
      } finally {
        forget()
      }
    })
  }

  async begin(run: string): Promise<void> {
    if (this.#transaction !== undefined) throw new Error('a transaction is open already')
    if (this.#options.readOnly) throw this.#readOnlyError()
    await this.#inService()
    const connection = await this.#opened().connect()
    try {
      const number = await runNumber(connection, run)
      await connection.run('BEGIN TRANSACTION')
      this.#transaction = { connection, runId: run, run: number }
    } catch (error) {
      connection.closeSync()
      throw error
    }
  }

  commit(): Promise<void> {
    return this.#exclusively(async () => {
      const { matrix, neighbours } = this.transaction
      await matrix?.finish()
      await neighbours?.finish()
      await this.#endTransaction('COMMIT')
    })
  }

  async rollback(): Promise<void> {
    if (this.#transaction !== undefined) await this.#endTransaction('ROLLBACK')
  }

  async #endTransaction(statement: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const { connection } = this.transaction
    this.#transaction = undefined
    try {
      await connection.run(statement)
    } finally {
      connection.closeSync()
      forget()
    }
  }

  async close(): Promise<void> {
    await this.#writing
    await this.rollback()
    // Labels are on disk twice already. If the backup fails (a full disk), the database must still be closed.
    if (this.#journal !== undefined && this.#instance !== undefined && !this.#outOfService)
      await this.connected((connection) => backUpChangedLabels(connection, this.folder)).catch(() => {})
    await this.#journal?.close()
    this.#shared?.closeSync()
    this.#instance?.closeSync()
    if (this.#instance !== undefined && !this.#options.readOnly) {
      await rm(this.temporaryFolder, { recursive: true, force: true }).catch(() => {})
    }
    this.#instance = undefined
  }
}
