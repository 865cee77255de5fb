import { join } from 'node:path'
import type { ClusteringRecord, ClusterSummary, RunRecord, TokenInContext } from '../../preload/records'
import { SpectroscopeError } from '../../preload/errors'
import { buildFolder, writeFileAtomically, writingError } from '../base/files'
import type { Parts } from '../base/files'
import type { ExportedTable, Workspace } from '../store/store'
import { jsonArray, pretty } from './json'
import { writeNpy } from './npy'

export const exportFormats = ['json', 'csv', 'npy', 'parquet'] as const
export type ExportFormat = (typeof exportFormats)[number]

export interface ExportOptions {
  readonly format: ExportFormat
  /** Folder that is made; refused when it holds something, unless that is an earlier export and `overwrite` is set. */
  readonly folder: string
  readonly overwrite?: boolean
  /** Number of the clustering; the latest by default. A run without any is exported without clusters. */
  readonly clustering?: number
}

interface Source {
  readonly workspace: Workspace
  readonly run: RunRecord
  readonly clustering: ClusteringRecord | undefined
}

/** The names of all that an export writes: a folder that holds nothing else may be replaced by another export. */
const ownFile = /^(susceptibilities|standard_errors|components|tokens|clusters|cluster_tokens|diagnostics|chains|traces|documents|run)\.(npy|csv|json|parquet)$/

const topTokens = 20
const contextTokens = 16
/** Rows of the matrix, or tokens in context, that are held at once. */
const rowsAtOnce = 65_536
const contextsAtOnce = 2_000

const write = async (folder: string, name: string, parts: Parts): Promise<void> => writeFileAtomically(join(folder, name), parts)

const selection = ({ clustering }: Source): { readonly clustering?: number } => (clustering === undefined ? {} : { clustering: clustering.number })

const table = async (source: Source, folder: string, name: ExportedTable, format: 'csv' | 'parquet', file: string): Promise<void> => {
  const path = join(folder, `${file}.${format}`)
  try {
    await source.workspace.exportTable(source.run.id, name, format, path, selection(source))
  } catch (error) {
    throw error instanceof SpectroscopeError ? new SpectroscopeError(error.kind, `${file}.${format} could not be written. ${error.message}`, { cause: error }) : writingError(path, error)
  }
}

const matrixBlocks = async function* ({ workspace, run }: Source, column: 'susceptibilities' | 'standardErrors'): AsyncGenerator<Float32Array> {
  for (let first = 0; first < run.tokens; first += rowsAtOnce) yield (await workspace.readSusceptibilities(run.id, first, rowsAtOnce))[column]
}

const summaries = ({ workspace, run, clustering }: Source): Promise<ClusterSummary[]> =>
  clustering === undefined ? Promise.resolve([]) : workspace.getClusterSummaries(run.id, { clustering: clustering.number, topTokens })

/** Ascending token indices of every cluster. */
const membersOf = async ({ workspace, run }: Source, clustering: ClusteringRecord): Promise<ReadonlyMap<number, number[]>> => {
  const clusters = new Map<number, number[]>()
  for (const [token, cluster] of (await workspace.getMembership(run.id, { clustering: clustering.number })).entries()) {
    const members = clusters.get(cluster)
    if (members === undefined) clusters.set(cluster, [token])
    else members.push(token)
  }
  return clusters
}

/** What a cluster is, as the files name it; `cluster` is the number in the tables' column `cluster`. */
const describe = ({ cluster, kind, size, conductance, conductanceWhenCut, seed, distinctTokens, topTokens: top, subsets }: ClusterSummary): Record<string, unknown> => ({
  cluster, kind, order: cluster < 0 ? null : cluster, size, conductance, conductanceWhenCut, seed, distinctTokens, topTokens: top, subsets
})

const clusterFile = async function* (source: Source): AsyncGenerator<string> {
  const { clustering } = source
  if (clustering === undefined) {
    yield '[]\n'
    return
  }
  const entries = async function* (): AsyncGenerator<string> {
    const members = await membersOf(source, clustering)
    for (const summary of await summaries(source)) {
      yield `${pretty(describe(summary), 2).slice(0, -4)},\n    "members": [${members.get(summary.cluster)!.join(', ')}]\n  }`
    }
  }
  yield* jsonArray(entries(), '  ')
  yield '\n'
}

const npy = async (source: Source, folder: string): Promise<void> => {
  const { run } = source
  const shape = [run.tokens, run.components.length]
  await writeNpy(join(folder, 'susceptibilities.npy'), shape, matrixBlocks(source, 'susceptibilities'))
  await writeNpy(join(folder, 'standard_errors.npy'), shape, matrixBlocks(source, 'standardErrors'))
  await write(folder, 'components.json', `${pretty(run.components)}\n`)
  await table(source, folder, 'tokens', 'csv', 'tokens')
  await write(folder, 'clusters.json', clusterFile(source))
}

const tables = async (source: Source, folder: string, format: 'csv' | 'parquet'): Promise<void> => {
  const always: ExportedTable[] = ['tokens', 'susceptibilities', 'standard_errors', 'diagnostics', 'chains', 'traces', 'documents']
  for (const name of [...always, ...(source.clustering === undefined ? [] : (['clusters', 'cluster_tokens'] as const))]) await table(source, folder, name, format, name)
  await write(folder, 'run.json', `${pretty(header(source))}\n`)
}

/** Everything about the run that is no table: what produced the numbers, and with which settings. */
const header = ({ run, clustering }: Source): Record<string, unknown> => ({
  format: 'spectroscope run',
  version: 1,
  run: { id: run.id, name: run.name, status: run.status, createdAt: run.createdAt, startedAt: run.startedAt, finishedAt: run.finishedAt, tokens: run.tokens, initialLoss: run.initialLoss },
  provenance: run.provenance,
  stages: run.stages,
  configuration: run.configuration,
  components: run.components,
  ...(clustering === undefined ? {} : { clustering })
})

const contextEntry = ({ token, row, position, id, text, subset, file, record, before, after }: TokenInContext): string =>
  JSON.stringify({ token, row, position, id, text, subset, document: file === null ? null : { file, record }, before: before.join(''), after: after.join('') })

const contexts = async function* ({ workspace, run }: Source, tokens: readonly number[]): AsyncGenerator<string> {
  for (let first = 0; first < tokens.length; first += contextsAtOnce) {
    const page = await workspace.getTokens(run.id, tokens.slice(first, first + contextsAtOnce), { before: contextTokens, after: contextTokens })
    for (const token of page) yield contextEntry(token)
  }
}

/** The main body and unclustered tokens are listed by number only: they are most of the study, and no finding. */
const clusterEntry = async function* (source: Source, summary: ClusterSummary, tokens: readonly number[]): AsyncGenerator<string> {
  yield `${pretty(describe(summary), 4).slice(0, -6)},\n      "members": `
  if (summary.kind === 'cluster') yield* jsonArray(contexts(source, tokens), '        ')
  else yield `[${tokens.join(', ')}]`
  yield '\n    }'
}

const json = async (source: Source, folder: string): Promise<void> => {
  const { clustering, workspace, run } = source
  const entries = async function* (): AsyncGenerator<AsyncIterable<string>> {
    if (clustering === undefined) return
    const members = await membersOf(source, clustering)
    for (const summary of await summaries(source)) yield clusterEntry(source, summary, members.get(summary.cluster)!)
  }
  const body = async function* (): AsyncGenerator<string> {
    yield pretty({ ...header(source), diagnostics: await workspace.getDiagnostics(run.id) }).slice(0, -2)
    yield ',\n  "clusters": '
    yield* jsonArray(entries(), '    ')
    yield '\n}\n'
  }
  await write(folder, 'run.json', body())
}

const clusteringOf = (run: RunRecord, number: number | undefined): ClusteringRecord | undefined => {
  if (number === undefined) return run.clusterings.at(-1)
  const found = run.clusterings.find((clustering) => clustering.number === number)
  if (found === undefined) throw new SpectroscopeError('input', `Run ${run.id} has no clustering ${number}; it has ${run.clusterings.map((one) => one.number).join(', ') || 'none'}.`)
  return found
}

/**
 * Writes a run into a folder, which appears whole or not at all. json: one readable file, run.json (provenance, configuration,
 * components, diagnostics, clusters with their tokens in context); csv, parquet: tables with names in their headers, and run.json
 * without clusters; npy: susceptibilities.npy and standard_errors.npy (float32 [tokens, components], C order, tokens by probe row,
 * then target position), components.json, tokens.csv, clusters.json. Throws `input` when the run has no susceptibilities yet,
 * or no clusters where its configuration asks for them.
 */
export const exportRun = async (workspace: Workspace, runId: string, { format, folder, overwrite = false, clustering }: ExportOptions): Promise<void> => {
  const run = await workspace.getRun(runId)
  if (run.components.length === 0) throw new SpectroscopeError('input', `Run ${run.id} has no susceptibilities yet; \`resume ${run.id}\` goes on with it.`)
  if (run.configuration.clustering !== false && run.clusterings.length === 0 && !run.stages.some(({ stage }) => stage === 'cluster')) {
    throw new SpectroscopeError('input', `Run ${run.id} is not clustered yet; \`resume ${run.id}\` goes on with it.`)
  }
  const source: Source = { workspace, run, clustering: clusteringOf(run, clustering) }
  await buildFolder(folder, { overwrite: (present) => overwrite && present.every((name) => ownFile.test(name)) }, (temporary) =>
    format === 'json' ? json(source, temporary) : format === 'npy' ? npy(source, temporary) : tables(source, temporary, format))
}
