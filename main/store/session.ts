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
  /** Makes a workspace where there is none. */
  readonly create: boolean
  readonly readOnly: boolean
  /** Opens for reading what cannot be written. */
  readonly orRead: boolean
}

export interface Opened {
  /** Why it was opened for reading though it was to be written, null where it was not. */
  readonly unwritable: string | null
  /** Sentences about what a person should know of the workspace. */
  readonly notes: readonly string[]
}

/** A run's transaction, and the writers of what comes in blocks. */
export interface Transaction {
  readonly connection: DuckDBConnection
  readonly runId: string
  readonly run: number
  matrix?: MatrixWriter
  neighbours?: NeighboursWriter
}

type Work<T> = (connection: DuckDBConnection) => Promise<T>

/** Has this process make files no more open to others than the workspace, also those that DuckDB makes. */
const beAsOpenAs = (folder: string): void => {
  const { mode } = statSync(folder, { throwIfNoEntry: false }) ?? { mode: privateMode }
  const before = process.umask(0o777)
  process.umask(before | (0o077 & ~mode))
}

/**
 * To be called once results of a run were stored, replaced or deleted: nothing that was read before may be
 * remembered.
 */
const forget = (): void => {
  forgetOrders()
  forgetFacts()
  forgetNeighbours()
}

/** The open workspace of a store process: its database and journal, who may use them, and when. */
export class StoreSession {
  #options: OpenOptions = { folder: '', create: false, readOnly: false, orRead: false }
  #instance: DuckDBInstance | undefined
  #journal: JournalFile | undefined
  /** The connection that all readers share where only it shows the labels of the journal. */
  #shared: DuckDBConnection | undefined
  #lastRead: Promise<unknown> = Promise.resolve()
  /**
   * DuckDB takes a database out of service when a commit could not be written (a full disk); opening it again brings
   * back what was committed.
   */
  #outOfService = false
  #recovery: Promise<void> | undefined
  readonly #working = new Set<Promise<unknown>>()
  #transaction: Transaction | undefined
  #writing: Promise<unknown> = Promise.resolve()

  get folder(): string {
    return this.#options.folder
  }

  /** Folder that DuckDB may write to, '' where there is none. */
  get temporaryFolder(): string {
    return temporaryFolder(this.folder, this.#options.readOnly)
  }

  get transaction(): Transaction {
    if (this.#transaction === undefined) throw new Error('no transaction is open')
    return this.#transaction
  }

  /** Throws a `workspace` error where the workspace is open for reading only. */
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

  /** Opens the database and the journal, and brings them to the same; returns what a person should know. */
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

  /** Has readers share a connection where the journal has labels that a database which cannot be written lacks. */
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

  /** An error of a call as a sentence; the next call opens a database again that this one took out of service. */
  failed(error: unknown): unknown {
    if (error instanceof Error && /database has been invalidated|^FATAL Error/.test(error.message))
      this.#outOfService = true
    return databaseError(this.folder, error)
  }

  /** A result that is read in blocks must be read to its end before the connection is used again. */
  #oneByOne<T>(connection: DuckDBConnection, work: Work<T>): Promise<T> {
    const result = this.#lastRead.then(() => work(connection))
    this.#lastRead = result.catch(() => {})
    return result
  }

  /** A connection for one piece of work: readers see what is committed, whatever is being written. */
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

  /** The same with the run's number, which the large tables carry. */
  onRun<T>(run: string, work: (connection: DuckDBConnection, number: number) => Promise<T>): Promise<T> {
    return this.connected(async (connection) => work(connection, (await knownRun(connection, run)).number))
  }

  /** Writes outside of the transaction, and its commit, happen one after another. */
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

  /** A change of what readers remember. */
  async replacing<T>(work: Work<T>): Promise<T> {
    try {
      return await this.changing(work)
    } finally {
      forget()
    }
  }

  /** A long change on a connection of its own: others go on with theirs until it commits. */
  changingBeside<T>(work: Work<T>): Promise<T> {
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
    // Labels are on the disk twice by now; a backup that fails (a full disk) must not keep the database from closing.
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
