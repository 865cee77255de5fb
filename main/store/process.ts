import { existsSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { z } from 'zod'
import { serveParent } from '../base/processes'
import type { Handlers } from '../base/processes'
import { SpectroscopeError } from '../../preload/errors'
import * as annotations from './annotations'
import { backUpChangedLabels, backUpLabels, beforeUpgrade } from './backups'
import { parameterSchemas } from './calls'
import type { Method, ParametersOf, StoreCalls } from './calls'
import * as clusters from './clusters'
import {
  databaseError,
  databaseName,
  inTransaction,
  openDatabase,
  privateMode,
  temporaryFolder,
  UnwritableWorkspace,
  unwritableOr
} from './database'
import { saveDescription } from './descriptions'
import { getEdges } from './edges'
import { forgetFacts, knownClustering, knownRun, knownStudy } from './facts'
import { getGallery, getTokenDetails } from './gallery'
import { JournalFile, journalPath, readJournal } from './journal'
import { forgetNeighbours } from './neighbour-memory'
import * as overview from './overview'
import * as reads from './reads'
import { rebuildAnnotations, replayForReading } from './replay'
import * as runs from './runs'
import { findTokens, searchClusters } from './searches'
import { exportTable } from './tables'
import * as columns from './token-columns'
import * as writes from './writes'

interface Transaction {
  readonly connection: DuckDBConnection
  readonly runId: string
  readonly run: number
  matrix?: writes.MatrixWriter
  neighbours?: writes.NeighboursWriter
}

let location: ParametersOf<'open'> = { folder: '', create: false, readOnly: false, orRead: false }
let instance: DuckDBInstance | undefined
let journalFile: JournalFile | undefined
/** The connection that all readers share where only it shows the labels of the journal. */
let reading: DuckDBConnection | undefined
let lastRead: Promise<unknown> = Promise.resolve()
/** DuckDB takes a database out of service when a commit could not be written (a full disk); opening it again brings back what was committed. */
let outOfService = false
let recovery: Promise<void> | undefined
const working = new Set<Promise<unknown>>()
let transaction: Transaction | undefined
let writing: Promise<unknown> = Promise.resolve()

const opened = (): DuckDBInstance => {
  if (instance === undefined) throw new Error('the workspace is not open')
  return instance
}

const current = (): Transaction => {
  if (transaction === undefined) throw new Error('no transaction is open')
  return transaction
}

const journal = (): JournalFile => {
  if (journalFile === undefined) throw readOnlyError()
  return journalFile
}

const readOnlyError = (): SpectroscopeError =>
  new SpectroscopeError(
    'workspace',
    `${location.folder}: the workspace is open for reading only; open it for writing to change it.`
  )

/** Makes `reading` where the journal has labels that a database which cannot be written lacks. */
const readJournalToo = async (connection: DuckDBConnection): Promise<string[]> => {
  const path = journalPath(location.folder)
  const { replayed, notes } = await replayForReading(connection, path, await readJournal(path))
  if (replayed) reading = connection
  else connection.closeSync()
  return notes
}

/** Has this process make files no more open to others than the workspace, also those that DuckDB makes. */
const beAsOpenAs = (folder: string): void => {
  const { mode } = statSync(folder, { throwIfNoEntry: false }) ?? { mode: privateMode }
  const before = process.umask(0o777)
  process.umask(before | (0o077 & ~mode))
}

/** Opens the database and the journal, and brings them to the same; returns what a person should know. */
const openBoth = async (options: ParametersOf<'open'>): Promise<string[]> => {
  instance = await openDatabase(options.folder, options, undefined, beforeUpgrade(options.folder))
  const connection = await instance.connect()
  if (options.readOnly) return readJournalToo(connection)
  try {
    journalFile ??= await JournalFile.open(options.folder)
    const notes = await rebuildAnnotations(connection, journalFile)
    connection.closeSync()
    return notes
  } catch (error) {
    connection.closeSync()
    instance.closeSync()
    instance = undefined
    throw error
  }
}

/** Opens for reading what cannot be written; gives the reason, null where it can be. */
const openAtLeastToRead = async (options: ParametersOf<'open'>): Promise<StoreCalls['open']['result']> => {
  try {
    return { unwritable: null, notes: await openBoth(options) }
  } catch (error) {
    if (!existsSync(join(options.folder, databaseName))) throw error
    const refused = unwritableOr(options.folder, error)
    if (!(refused instanceof UnwritableWorkspace) || !options.orRead) throw refused
    location = { ...options, create: false, readOnly: true }
    return { unwritable: refused.why, notes: await openBoth(location) }
  }
}

const reopen = async (): Promise<void> => {
  await Promise.allSettled(working)
  instance?.closeSync()
  instance = undefined
  await openBoth({ ...location, create: false })
  forget()
  outOfService = false
}

const inService = async (): Promise<void> => {
  if (!outOfService || transaction !== undefined) return
  recovery ??= reopen().finally(() => (recovery = undefined))
  await recovery
}

/** A result that is read in blocks must be read to its end before the connection is used again. */
const oneByOne = <T>(connection: DuckDBConnection, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
  const result = lastRead.then(() => work(connection))
  lastRead = result.catch(() => {})
  return result
}

/** A connection for one piece of work: readers see what is committed, whatever is being written. */
const connected = async <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
  await inService()
  if (reading !== undefined) return oneByOne(reading, work)
  const connection = await opened().connect()
  const result = work(connection)
  working.add(result)
  try {
    return await result
  } finally {
    connection.closeSync()
    working.delete(result)
  }
}

/** Writes outside of the transaction, and its commit, happen one after another. */
const exclusively = <T>(work: () => Promise<T>): Promise<T> => {
  const result = writing.then(work)
  writing = result.catch(() => {})
  return result
}

const changing = <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> =>
  exclusively(() => {
    if (location.readOnly) throw readOnlyError()
    return connected(work)
  })

/** To be called once results of a run were stored, replaced or deleted: nothing that was read before may be remembered. */
const forget = (): void => {
  clusters.forgetOrders()
  forgetFacts()
  forgetNeighbours()
}

/** A change of what readers remember. */
const replacing = async <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
  try {
    return await changing(work)
  } finally {
    forget()
  }
}

/** A long change on a connection of its own: others go on with theirs until it commits. */
const changingBeside = <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> =>
  connected(async (connection) => {
    if (location.readOnly) throw readOnlyError()
    await connection.run('BEGIN TRANSACTION')
    try {
      const result = await work(connection)
      await exclusively(() => connection.run('COMMIT'))
      return result
    } catch (error) {
      await connection.run('ROLLBACK').catch(() => {})
      throw error
    } finally {
      forget()
    }
  })

const onRun = <T>(run: string, work: (connection: DuckDBConnection, number: number) => Promise<T>): Promise<T> =>
  connected(async (connection) => work(connection, (await knownRun(connection, run)).number))

const endTransaction = async (statement: 'COMMIT' | 'ROLLBACK'): Promise<null> => {
  const { connection } = current()
  transaction = undefined
  try {
    await connection.run(statement)
  } finally {
    connection.closeSync()
    forget()
  }
  return null
}

const nothing = async (work: Promise<unknown>): Promise<null> => {
  await work
  return null
}

const implementation: Handlers<StoreCalls> = {
  open: async (options) => {
    location = options
    beAsOpenAs(options.folder)
    return openAtLeastToRead(options)
  },
  createRun: ({ name, configuration, baseFolder, provenance }) =>
    changing((connection) =>
      runs.createRun(connection, {
        name,
        configuration,
        baseFolder,
        ...(provenance === undefined ? {} : { provenance })
      })
    ),
  listRuns: () => connected(runs.listRuns),
  getRun: ({ run }) => connected((connection) => runs.getRun(connection, run)),
  findRun: ({ text }) => connected((connection) => runs.findRun(connection, text)),
  renameRun: ({ run, name }) => changing((connection) => runs.renameRun(connection, run, name)),
  updateRun: ({ run, changes }) =>
    changing((connection) => runs.updateRun(connection, run, changes as Parameters<typeof runs.updateRun>[2])),
  copyRun: (other) => replacing((connection) => runs.copyRun(connection, other)),
  deleteRun: ({ run }) => nothing(replacing((connection) => runs.deleteRun(connection, run))),

  purgeDeleted: () => replacing(runs.purgeDeleted),

  begin: async ({ run }) => {
    if (transaction !== undefined) throw new Error('a transaction is open already')
    if (location.readOnly) throw readOnlyError()
    await inService()
    const connection = await opened().connect()
    try {
      const number = await runs.runNumber(connection, run)
      await connection.run('BEGIN TRANSACTION')
      transaction = { connection, runId: run, run: number }
    } catch (error) {
      connection.closeSync()
      throw error
    }
    return null
  },
  commit: () =>
    exclusively(async () => {
      const { matrix, neighbours } = current()
      await matrix?.finish()
      await neighbours?.finish()
      return endTransaction('COMMIT')
    }),
  rollback: () => (transaction === undefined ? null : endTransaction('ROLLBACK')),
  saveStudy: ({ study, ids, texts }) =>
    nothing(writes.saveStudy(current().connection, current().run, study, ids, texts)),
  beginSusceptibilities: async ({ components, initialLoss }) => {
    current().matrix = await writes.MatrixWriter.begin(current().connection, current().run, components, initialLoss)
    return null
  },
  appendSusceptibilities: ({ susceptibilities, standardErrors }) =>
    nothing(current().matrix!.append(susceptibilities, standardErrors)),
  beginParts: ({ count }) => {
    current().matrix!.beginParts(count)
    return null
  },
  appendPart: ({ part, susceptibilities }) => nothing(current().matrix!.appendPart(part, susceptibilities)),
  saveDiagnostics: ({ diagnostics }) =>
    nothing(writes.saveDiagnostics(current().connection, current().run, diagnostics)),
  saveTraces: ({ traces }) => nothing(writes.saveTraces(current().connection, current().run, traces)),
  beginNeighbours: async ({ k, whiten }) => {
    current().neighbours = await writes.NeighboursWriter.begin(current().connection, current().run, k, whiten)
    return null
  },
  appendNeighbours: ({ indices, distances }) => nothing(current().neighbours!.append(indices, distances)),
  saveClustering: ({ clustering }) =>
    writes.saveClustering(current().connection, current().runId, current().run, clustering),
  completeStage: ({ stage }) => nothing(runs.saveStage(current().connection, current().run, stage)),
  appendTrace: ({ run, points }) =>
    nothing(
      changing((connection) =>
        inTransaction(connection, async () =>
          writes.appendTrace(connection, await runs.runNumber(connection, run), points)
        )
      )
    ),

  getStudy: ({ run }) => onRun(run, (connection, number) => reads.getStudy(connection, run, number)),
  readSusceptibilities: ({ run, first, count }) =>
    onRun(run, (connection, number) => reads.readSusceptibilities(connection, run, number, first, count)),
  countParts: ({ run }) => onRun(run, reads.countParts),
  readHalf: ({ run, parts, first, count }) =>
    onRun(run, (connection, number) => reads.readHalf(connection, run, number, parts, first, count)),
  getDiagnostics: ({ run }) => onRun(run, reads.getDiagnostics),
  getTraces: ({ run }) => onRun(run, reads.getTraces),
  findNeighbours: ({ run, k, whiten }) =>
    onRun(run, (connection, number) => reads.findNeighbours(connection, number, k, whiten)),
  readNeighbours: ({ run, k, whiten, first, count }) =>
    onRun(run, (connection, number) => reads.readNeighbours(connection, number, k, whiten, first, count)),
  renameClustering: ({ run, clustering, name }) =>
    replacing((connection) => runs.renameClustering(connection, run, clustering, name)),
  deleteClustering: ({ run, clustering }) =>
    nothing(replacing((connection) => runs.deleteClustering(connection, run, clustering))),
  getClusterSummaries: ({ run, clustering, cluster, topTokens }) =>
    connected((connection) => clusters.getClusterSummaries(connection, run, clustering, cluster, topTokens)),
  getClusterMembers: ({ run, clustering, cluster }) =>
    connected((connection) => clusters.getClusterMembers(connection, run, clustering, cluster)),
  getClusterProfile: ({ run, clustering, cluster }) =>
    connected((connection) => clusters.getClusterProfile(connection, run, clustering, cluster)),
  getClusterTokens: ({ run, clustering, cluster, ...page }) =>
    connected((connection) => clusters.getClusterTokens(connection, run, clustering, cluster, page)),
  getTokens: ({ run, tokens, before, after }) =>
    connected((connection) => clusters.getTokens(connection, run, tokens, before, after)),
  getMembership: ({ run, clustering, level }) =>
    connected((connection) => clusters.getMembership(connection, run, clustering, level)),
  getStrengths: ({ run, clustering, level }) =>
    connected((connection) => clusters.getStrengths(connection, run, clustering, level)),
  getTree: ({ run, clustering }) => connected((connection) => clusters.getTree(connection, run, clustering)),

  saveDescription: ({ run, clustering, description }) =>
    nothing(changingBeside((connection) => saveDescription(connection, run, clustering, description))),
  isDescribed: ({ run, clustering }) =>
    connected(async (connection) => ({ described: (await knownClustering(connection, run, clustering)).described })),
  getOverview: async ({ run, clustering }) => {
    const result = await connected((connection) => overview.getOverview(connection, run, clustering))
    // Whoever sees the list opens a gallery next: what that needs is read meanwhile.
    void connected(async (connection) => knownStudy(connection, run, (await knownRun(connection, run)).number)).catch(
      () => {}
    )
    return result
  },
  readAhead: ({ run, clustering }) =>
    connected(async (connection) => {
      const { described, number } = await knownClustering(connection, run, clustering)
      if (!described) return null
      await overview.getOverview(connection, run, clustering)
      await knownStudy(connection, run, number)
      return null
    }),
  getClusterDetails: ({ run, clustering, cluster }) =>
    connected((connection) => overview.getClusterDetails(connection, run, clustering, cluster)),
  getGallery: ({ run, clustering, cluster, query }) =>
    connected((connection) => getGallery(connection, run, clustering, cluster, query)),
  searchClusters: ({ run, clustering, text, regularExpression }) =>
    connected((connection) => searchClusters(connection, run, clustering, text, regularExpression)),
  findTokens: ({ run, text, limit }) => connected((connection) => findTokens(connection, run, text, limit)),
  getTokenDetails: ({ run, clustering, token, before, after }) =>
    connected((connection) => getTokenDetails(connection, run, clustering, token, before, after)),
  getSubsetIndices: ({ run }) => onRun(run, (connection, number) => columns.getSubsetIndices(connection, run, number)),
  getColumnSpreads: ({ run }) => onRun(run, (connection, number) => columns.getColumnSpreads(connection, run, number)),
  getColumn: ({ run, component }) =>
    onRun(run, (connection, number) => columns.getColumn(connection, run, number, component)),
  getClusterLayout: ({ run, clustering }) =>
    connected((connection) => overview.getClusterLayout(connection, run, clustering)),
  getHeatMap: ({ run, clustering, most }) =>
    connected((connection) => overview.getHeatMap(connection, run, clustering, most)),
  saveLayout: ({ run, whiten, layout }) =>
    nothing(
      changingBeside(async (connection) =>
        columns.saveLayout(connection, run, await runs.runNumber(connection, run), whiten, layout)
      )
    ),
  getLayout: ({ run, whiten }) =>
    onRun(run, (connection, number) => columns.getLayout(connection, run, number, whiten)),
  getTexts: ({ run }) => onRun(run, columns.getTexts),
  getEdges: ({ run, ...query }) => onRun(run, (connection, number) => getEdges(connection, run, number, query)),

  getAnnotations: ({ run, clustering }) =>
    connected((connection) => annotations.getAnnotations(connection, run, clustering)),
  getAllAnnotations: ({ run }) => connected((connection) => annotations.getAllAnnotations(connection, run)),
  countLabels: () => connected(annotations.countLabels),
  applyAnnotations: (order) => changing((connection) => annotations.applyAnnotations(connection, journal(), order)),
  changeRun: ({ run, changes, author, id }) =>
    changing((connection) => annotations.changeRun(connection, journal(), run, changes, author, id)),
  findChange: ({ run, clustering, id }) =>
    connected((connection) => annotations.findChange(connection, run, clustering, id)),
  undo: ({ id }) => changing((connection) => annotations.undoOrRedo(connection, journal(), 'undo', id)),
  redo: ({ id }) => changing((connection) => annotations.undoOrRedo(connection, journal(), 'redo', id)),
  getUndoState: () => connected(annotations.getUndoState),
  getHistory: ({ limit }) => connected((connection) => annotations.getHistory(connection, limit)),
  nextTargetNumber: ({ run, clustering, kind }) =>
    connected((connection) => annotations.nextTargetNumber(connection, run, clustering, kind)),
  backUpLabels: () => changing((connection) => backUpLabels(connection, location.folder)),

  exportTable: ({ run, table, format, file, clustering, clusters: chosen, rawCells }) =>
    nothing(
      connected((connection) =>
        exportTable(connection, run, {
          table,
          format,
          file,
          clustering,
          clusters: chosen,
          rawCells,
          temporaryFolder: ownFolder()
        })
      )
    )
}

const ownFolder = (): string => temporaryFolder(location.folder, location.readOnly)

/** Checks parameters before, and turns errors of DuckDB into sentences after. */
const guarded = <M extends Method>(method: M): Handlers<StoreCalls>[M] =>
  (async (parameters: unknown, context: Parameters<Handlers<StoreCalls>[M]>[1]) => {
    const checked = parameterSchemas[method].safeParse(parameters)
    if (!checked.success)
      throw new Error(`The store refused a malformed call of ${method}: ${z.prettifyError(checked.error)}`)
    try {
      return await (implementation[method] as (parameters: ParametersOf<M>, context: unknown) => unknown)(
        checked.data as ParametersOf<M>,
        context
      )
    } catch (error) {
      if (error instanceof Error && /database has been invalidated|^FATAL Error/.test(error.message))
        outOfService = true
      throw databaseError(location.folder, error)
    }
  }) as Handlers<StoreCalls>[M]

const handlers = Object.fromEntries(
  (Object.keys(implementation) as Method[]).map((method) => [method, guarded(method)])
) as unknown as Handlers<StoreCalls>

const close = async (): Promise<void> => {
  await writing
  if (transaction !== undefined) await endTransaction('ROLLBACK')
  // Labels are on the disk twice by now; a backup that fails (a full disk) must not keep the database from closing.
  if (journalFile !== undefined && instance !== undefined && !outOfService)
    await connected((connection) => backUpChangedLabels(connection, location.folder)).catch(() => {})
  await journalFile?.close()
  reading?.closeSync()
  instance?.closeSync()
  if (instance !== undefined && !location.readOnly) {
    await rm(ownFolder(), { recursive: true, force: true }).catch(() => {})
  }
  instance = undefined
}

process.title = 'spectroscope store'
serveParent<StoreCalls>(handlers, close)
