import { join } from 'node:path'
import type { Annotation, AnnotationTarget } from '../../preload/contract-annotations'
import { ruleWords } from '../../preload/clustering-words'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterNumber, ClusterSummary, GroupKind, RunRecord } from '../../preload/records'
import { SpectroscopeError } from '../../preload/errors'
import { buildFolder, writeFileAtomically, writingError } from '../base/files'
import type { FolderIdentity, Parts } from '../base/files'
import { GroupTree } from '../base/group-tree'
import type { Workspace } from '../store/store'
import type { ExportedTable, TableOptions } from '../store/tables'
import { labelOf, selectionOf } from '../../preload/label-rules'
import { columnsOf } from './export-columns'
import { writeDevinterp } from './devinterp-export'
import { type Members, contexts } from './export-contexts'
import { jsonArray, pretty, rounded } from './json'
import type { Overwrite } from './output'
import { writeNpy } from './npy'
import { checkedTokens, chosenClusters, clusteringOf, clustersAround } from './selection'
import type { Selection } from './selection'

export const exportFormats = ['json', 'csv', 'npy', 'parquet', 'zarr'] as const
export type ExportFormat = (typeof exportFormats)[number]

export interface ExportOptions {
  readonly format: ExportFormat
  /** Folder to create. Refused if it is not empty, unless it holds an earlier export and `overwrite` is set. */
  readonly folder: string
  readonly overwrite?: Overwrite
  /** Number of the clustering; the latest by default. A run without clusterings is exported without clusters. */
  readonly clustering?: number
  /** Clusters whose tokens are written; all tokens by default. */
  readonly clusters?: Selection
  /** Writes only these tokens, and of the clusters only those that they are in; `clusters` does not count then. */
  readonly tokens?: ArrayLike<number> | undefined
  /** Whether text cells of CSV stay unchanged even if a spreadsheet would run them as formulas; false by default. */
  readonly rawCells?: boolean
}

interface Source {
  readonly workspace: Workspace
  readonly run: RunRecord
  readonly clustering: ClusteringRecord | undefined
  readonly tree: GroupTree
  /** By number, unclustered tokens last; undefined for all. */
  readonly chosen: readonly ClusterNumber[] | undefined
  /** Ascending; undefined for all tokens of the chosen clusters. */
  readonly tokens: Int32Array | undefined
  readonly annotations: ReadonlyMap<AnnotationTarget, Annotation>
  readonly rawCells: boolean
}

/** Names of all files that an export writes. A folder with nothing else may be replaced by another export. */
const ownNames =
  'susceptibilities|standard_errors|components|columns|tokens|clusters|cluster_tokens|labels|diagnostics|' +
  'chains|traces|documents|run'
const ownFile = new RegExp(`^((${ownNames})\\.(npy|csv|json|parquet)|zarr\\.json|susceptibilities|context)$`)

const topTokens = 20
/** Rows of the matrix held in memory at once. */
const rowsAtOnce = 65_536

const write = async (folder: string, name: string, parts: Parts): Promise<void> =>
  writeFileAtomically(join(folder, name), parts)

const selection = ({ clustering, chosen, tokens }: Source): Omit<TableOptions, 'rawCells'> => ({
  ...(clustering === undefined ? {} : { clustering: clustering.number }),
  ...(chosen === undefined ? {} : { clusters: chosen }),
  ...(tokens === undefined ? {} : { tokens })
})

const table = async (
  source: Source,
  folder: string,
  name: ExportedTable,
  format: 'csv' | 'parquet',
  file: string
): Promise<void> => {
  const path = join(folder, `${file}.${format}`)
  try {
    const { workspace, run, rawCells } = source
    await workspace.exportTable(run.id, name, format, path, { ...selection(source), rawCells })
  } catch (error) {
    throw error instanceof SpectroscopeError
      ? new SpectroscopeError(error.kind, `${file}.${format} could not be written. ${error.message}`, { cause: error })
      : writingError(path, error)
  }
}

/** For each token, whether it is written; undefined if all are. */
const chosenTokens = async (source: Source): Promise<Uint8Array | undefined> => {
  const { workspace, run, clustering, chosen, tokens } = source
  if (tokens !== undefined) {
    const flags = new Uint8Array(run.tokens)
    for (const token of tokens) flags[token] = 1
    return flags
  }
  if (chosen === undefined || clustering === undefined) return undefined
  const clusters = new Set(chosen)
  return Uint8Array.from(await workspace.getMembership(run.id, { clustering: clustering.number }), (cluster) =>
    Number(clusters.has(cluster))
  )
}

/** Moves the rows of selected tokens to the front of a block, in place. Returns them. */
const chosenRows = (block: Float32Array, width: number, first: number, chosen: Uint8Array): Float32Array => {
  let kept = 0
  for (let row = 0; row * width < block.length; row++)
    if (chosen[first + row] === 1) block.copyWithin(kept++ * width, row * width, (row + 1) * width)
  return block.subarray(0, kept * width)
}

const matrixBlocks = async function* (
  { workspace, run }: Source,
  column: 'susceptibilities' | 'standardErrors',
  chosen: Uint8Array | undefined
): AsyncGenerator<Float32Array> {
  for (let first = 0; first < run.tokens; first += rowsAtOnce) {
    const block = (await workspace.readSusceptibilities(run.id, first, rowsAtOnce))[column]
    yield chosen === undefined ? block : chosenRows(block, run.components.length, first, chosen)
  }
}

const summaries = async ({ workspace, run, clustering, chosen }: Source): Promise<ClusterSummary[]> => {
  const all =
    clustering === undefined
      ? []
      : await workspace.getClusterSummaries(run.id, { clustering: clustering.number, topTokens })
  return chosen === undefined ? all : all.filter(({ cluster }) => chosen.includes(cluster))
}

/** Members of every cluster, of the groups above, and of unclustered tokens. */
const membersOf = async (
  source: Source,
  { number: clustering }: ClusteringRecord
): Promise<ReadonlyMap<number, Members>> => {
  const { workspace, run, tree } = source
  const written = source.tokens === undefined ? undefined : await chosenTokens(source)
  const groups = new Map<number, Members>()
  for (const level of new Set<GroupKind>(['cluster', ...tree.nodes.map(({ kind }) => kind)])) {
    const membership = await workspace.getMembership(run.id, { clustering, level })
    const strengths = await workspace.getStrengths(run.id, { clustering, level })
    membership.forEach((group, token) => {
      if (written?.[token] === 0 || (group === leftoverCluster && level !== 'cluster')) return
      const members = groups.get(group) ?? { tokens: [], strengths: [] }
      if (members.tokens.length === 0) groups.set(group, members)
      members.tokens.push(token)
      if (strengths.length > 0 && group !== leftoverCluster) members.strengths.push(rounded(strengths[token]))
    })
  }
  return groups
}

/** Properties of a group in the files. `cluster` is the number in the tables' column `cluster`. */
const describe = ({ annotations }: Source, summary: ClusterSummary): Record<string, unknown> => {
  const {
    cluster,
    kind,
    parent,
    size,
    conductance,
    conductanceWhenCut,
    seed,
    stability,
    rule,
    uncaught,
    distinctTokens,
    subsets
  } = summary
  const annotation = annotations.get(`cluster:${cluster}`)
  const label =
    annotation === undefined
      ? null
      : { ...labelOf(annotation), author: annotation.author, changedAt: annotation.changedAt }
  return {
    cluster,
    kind,
    parent,
    order: kind === 'cluster' ? cluster : null,
    label,
    size,
    conductance,
    conductanceWhenCut,
    seed,
    stability,
    rule: rule === null ? null : { words: ruleWords(rule.conditions), ...rule },
    uncaught,
    distinctTokens,
    topTokens: summary.topTokens,
    subsets
  }
}

/** JSON for the key `strengths`, to follow `members`; empty if there are none. */
const strengthsIn = (strengths: readonly number[], indent: string): string =>
  strengths.length === 0 ? '' : `,\n${indent}"strengths": [${strengths.join(', ')}]`

const clusterFile = async function* (source: Source): AsyncGenerator<string> {
  const { clustering } = source
  if (clustering === undefined) {
    yield '[]\n'
    return
  }
  const entries = async function* (): AsyncGenerator<string> {
    const members = await membersOf(source, clustering)
    for (const summary of await summaries(source)) {
      const { tokens, strengths } = members.get(summary.cluster)!
      const lists = `"members": [${tokens.join(', ')}]${strengthsIn(strengths, '    ')}`
      yield `${pretty(describe(source, summary), 2).slice(0, -4)},\n    ${lists}\n  }`
    }
  }
  yield* jsonArray(entries(), '  ')
  yield '\n'
}

const npy = async (source: Source, folder: string): Promise<void> => {
  const { run } = source
  const chosen = await chosenTokens(source)
  const shape = [chosen === undefined ? run.tokens : chosen.reduce((sum, one) => sum + one, 0), run.components.length]
  await writeNpy(join(folder, 'susceptibilities.npy'), shape, matrixBlocks(source, 'susceptibilities', chosen))
  await writeNpy(join(folder, 'standard_errors.npy'), shape, matrixBlocks(source, 'standardErrors', chosen))
  await write(folder, 'components.json', `${pretty(run.components)}\n`)
  await write(folder, 'columns.json', `${pretty(await columnsOf(source.workspace, source.run))}\n`)
  await table(source, folder, 'tokens', 'csv', 'tokens')
  await write(folder, 'clusters.json', clusterFile(source))
  await writeHeader(source, folder, 'csv')
}

const zarr = async (source: Source, folder: string): Promise<void> => {
  const chosen = await chosenTokens(source)
  const blocks = matrixBlocks(source, 'susceptibilities', chosen)
  await writeDevinterp(source.workspace, source.run, folder, chosen, blocks)
}

const tables = async (source: Source, folder: string, format: 'csv' | 'parquet'): Promise<void> => {
  const always: ExportedTable[] = [
    'tokens',
    'susceptibilities',
    'standard_errors',
    'diagnostics',
    'chains',
    'traces',
    'documents'
  ]
  for (const name of [
    ...always,
    ...(source.clustering === undefined ? [] : (['clusters', 'cluster_tokens', 'labels'] as const))
  ])
    await table(source, folder, name, format, name)
  await writeHeader(source, folder, format)
}

/** Writes run.json beside tables. For CSV it also says how text is written. */
const writeHeader = (source: Source, folder: string, format: 'csv' | 'parquet'): Promise<void> => {
  const cells = format === 'csv' ? { textCells: source.rawCells ? 'raw' : 'apostrophe' } : {}
  return write(folder, 'run.json', `${pretty({ ...header(source), ...cells })}\n`)
}

/** Everything about the run that is not a table: what produced the numbers, and with which settings. */
const header = (source: Source): Record<string, unknown> => ({
  ...runHeader(source),
  ...(source.tokens === undefined ? {} : { selectedTokens: selectedTokens(source, source.tokens) })
})

/** Number of the tokens that were selected, and their label if they have one. */
const selectedTokens = ({ annotations }: Source, tokens: Int32Array): object => {
  const own = selectionOf(annotations.values(), tokens)
  return {
    count: tokens.length,
    label: own === undefined ? null : { ...labelOf(own), author: own.author, changedAt: own.changedAt }
  }
}

const runHeader = ({ run, clustering, chosen }: Source): Record<string, unknown> => ({
  format: 'spectroscope run',
  version: 1,
  run: {
    id: run.id,
    name: run.name,
    status: run.status,
    createdAt: run.createdAt,
    startedAt: run.startedAt,
    finishedAt: run.finishedAt,
    tokens: run.tokens,
    initialLoss: run.initialLoss
  },
  provenance: run.provenance,
  stages: run.stages,
  configuration: run.configuration,
  components: run.components,
  ...(clustering === undefined ? {} : { clustering, selection: chosen ?? null })
})

/**
 * Lists the main body and unclustered tokens by number only, because they are most of the study and no finding.
 * Members of groups above are listed the same way, since their clusters show them.
 */
const clusterEntry = async function* (
  source: Source,
  summary: ClusterSummary,
  members: Members
): AsyncGenerator<string> {
  yield `${pretty(describe(source, summary), 4).slice(0, -6)},\n      "members": `
  if (summary.kind === 'cluster') yield* jsonArray(contexts(source.workspace, source.run.id, members), '        ')
  else yield `[${members.tokens.join(', ')}]${strengthsIn(members.strengths, '      ')}`
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

/**
 * Writes a run to a folder, which appears complete or not at all. Formats:
 * - json: one readable file, run.json (provenance, configuration, components, diagnostics, clusters with their tokens
 * in context).
 * - csv, parquet: tables with names in their headers, and run.json without clusters.
 * - npy: susceptibilities.npy and standard_errors.npy (float32 [tokens, components], C order, tokens by probe row,
 * then target position), components.json, columns.json (reliability of each), tokens.csv, clusters.json, and run.json
 * as for csv.
 * - zarr: the tree that devinterp's `compute_susceptibilities` gives, /susceptibilities and /context.
 *
 * With selected clusters or tokens, only their tokens are included. Returns the identities of the files. Throws an
 * `input` error if the run has no susceptibilities yet, or no clusters although its configuration asks for them.
 */
export const exportRun = async (
  workspace: Workspace,
  runId: string,
  {
    format,
    folder,
    overwrite = false,
    clustering: number,
    clusters = 'all',
    tokens: asked,
    rawCells = false
  }: ExportOptions
): Promise<FolderIdentity> => {
  const run = await workspace.getRun(runId)
  if (run.components.length === 0)
    throw new SpectroscopeError(
      'input',
      `Run ${run.id} has no susceptibilities yet; continue it with \`resume ${run.id}\`.`
    )
  if (
    run.configuration.clustering !== false &&
    run.clusterings.length === 0 &&
    !run.stages.some(({ stage }) => stage === 'cluster')
  ) {
    throw new SpectroscopeError('input', `Run ${run.id} is not clustered yet; continue it with \`resume ${run.id}\`.`)
  }
  const clustering =
    number === undefined && run.clusterings.length === 0 && clusters === 'all' ? undefined : clusteringOf(run, number)
  const annotations = clustering === undefined ? [] : await workspace.getAnnotations(run.id, clustering.number)
  const tree =
    clustering === undefined ? GroupTree.flat(0) : await workspace.getTree(run.id, { clustering: clustering.number })
  const tokens = asked === undefined ? undefined : checkedTokens(run, asked)
  const chosen =
    clustering === undefined
      ? null
      : tokens === undefined
        ? chosenClusters(run, clustering, tree, clusters, annotations)
        : await clustersAround(workspace, run.id, clustering, tokens)
  const source: Source = {
    workspace,
    run,
    clustering,
    tree,
    chosen: chosen ?? undefined,
    tokens,
    rawCells,
    annotations: new Map(annotations.map((annotation) => [annotation.target, annotation]))
  }
  const isOwn = (present: readonly string[]): boolean => present.every((name) => ownFile.test(name))
  return buildFolder(folder, { overwrite: (present) => overwrite !== false && isOwn(present) }, (temporary) =>
    format === 'json'
      ? json(source, temporary)
      : format === 'npy'
        ? npy(source, temporary)
        : format === 'zarr'
          ? zarr(source, temporary)
          : tables(source, temporary, format)
  )
}
