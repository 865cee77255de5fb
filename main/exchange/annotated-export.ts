import { dirname, resolve } from 'node:path'
import { groupKinds, leftoverCluster } from '../../preload/records'
import type { ClusterNumber, ClusterSummary, GroupKind } from '../../preload/records'
import { makeFolder, writeIdentified } from '../base/files'
import type { FileIdentity } from '../base/files'
import type { Workspace } from '../store/store'
import type { SetBlock, SetCluster, SetMember } from './annotated-set'
import { StudyTexts } from './contexts'
import { jsonArray, pretty, rounded } from './json'
import { momentsOf } from './moments'
import type { MatrixMoments } from './moments'
import { refuseToReplace } from './output'
import type { Overwrite } from './output'
import { chosenClusters, clusteringOf, groupNumbers } from './selection'
import type { Selection } from './selection'
import { Source, contextTokens } from './annotated-source'
import { labelInFile, momentsInFile, headOf } from './annotated-head'

export interface AnnotatedExportOptions {
  readonly file: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly overwrite?: Overwrite
  /** Name and version of the program, for the file's header. */
  readonly program: string
}

const topTokens = 20
const tokensPerBlock = 4096

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')

const memberInFile = (
  { texts, numbers, strengths, tree }: Source,
  token: number,
  cluster: ClusterNumber,
  above: readonly ClusterNumber[]
): SetMember => {
  const id = texts.idOf(token)
  const document = texts.documentOf(token)
  const strengthIn = (group: ClusterNumber): number | null => {
    const strength = group === leftoverCluster ? undefined : strengths.get(tree.kindOf(group))?.[token]
    return strength === undefined || Number.isNaN(strength) ? null : rounded(strength)
  }
  const strengthsAbove = above.map(strengthIn).filter((strength) => strength !== null)
  return {
    token: numbers[token],
    row: texts.rows[token],
    position: texts.positions[token],
    id,
    ...texts.around(token, contextTokens),
    subset: texts.subsetOf(token),
    document: document === undefined ? null : { file: document.file, record: document.record },
    strength: strengthIn(cluster),
    strengthsAbove: strengthsAbove.length === above.length ? strengthsAbove : []
  }
}

const clusterEntry = async function* (
  source: Source,
  summary: ClusterSummary,
  moments: MatrixMoments
): AsyncGenerator<string> {
  const { cluster, kind, size, conductance, conductanceWhenCut, seed, stability, rule, uncaught, distinctTokens } =
    summary
  const annotation = source.annotations.get(`cluster:${cluster}`)
  const start = seed === null ? -1 : source.numbers[seed]
  const profile = moments.groups.get(cluster) ?? { mean: new Float64Array(0), standardDeviation: new Float64Array(0) }
  const above = source.above(cluster)
  const entry: SetCluster = {
    cluster,
    kind,
    parent: above.at(0) ?? null,
    size,
    conductance,
    conductanceWhenCut,
    seed: start < 0 ? null : start,
    stability,
    rule: rule === null ? null : { ...rule, conditions: [...rule.conditions] },
    uncaught,
    label: annotation === undefined ? null : labelInFile(annotation),
    distinctTokens,
    topTokens: [...summary.topTokens],
    subsets: [...summary.subsets],
    profile: momentsInFile(profile)
  }
  yield `${pretty(entry, 4).slice(0, -6)},\n      "members": `
  const members = function* (): Generator<string> {
    const tokens = source.members.get(cluster) ?? []
    for (const token of tokens) yield JSON.stringify(memberInFile(source, token, cluster, above))
  }
  yield* jsonArray(members(), '        ')
  yield '\n    }'
}

const matrixBlocks = async function* ({ workspace, run, numbers }: Source): AsyncGenerator<string> {
  const width = run.components.length
  const [chi, errors] = [new Float32Array(tokensPerBlock * width), new Float32Array(tokensPerBlock * width)]
  let [first, count] = [0, 0]
  const block = (): string => {
    const entry: SetBlock = {
      first,
      count,
      susceptibilities: base64(chi.subarray(0, count * width)),
      standardErrors: base64(errors.subarray(0, count * width))
    }
    first += count
    count = 0
    return JSON.stringify(entry)
  }
  for (let start = 0; start < run.tokens; start += tokensPerBlock) {
    const { tokens, susceptibilities, standardErrors } = await workspace.readSusceptibilities(
      run.id,
      start,
      tokensPerBlock
    )
    for (let i = 0; i < tokens; i++) {
      if (numbers[start + i] < 0) continue
      chi.set(susceptibilities.subarray(i * width, (i + 1) * width), count * width)
      errors.set(standardErrors.subarray(i * width, (i + 1) * width), count * width)
      if (++count === tokensPerBlock) yield block()
    }
  }
  if (count > 0) yield block()
}

const lists = ({ texts, numbers }: Source): { documents: string[]; vocabulary: string[]; rows: string[] } => {
  const { probe, provenance, documents } = texts.study
  const present = new Set<number>()
  for (const [token, number] of numbers.entries()) if (number >= 0) present.add(texts.rows[token])
  const rows = [...present].sort((a, b) => a - b)
  const named = new Set(rows.flatMap((row) => provenance[row]?.segments.map(({ document }) => document) ?? []))
  const ids = new Set(rows.flatMap((row) => [...probe[row]]))
  return {
    documents: documents.filter(({ id }) => named.has(id)).map((document) => JSON.stringify(document)),
    vocabulary: Array.from(texts.vocabulary.ids).flatMap((id, i) =>
      ids.has(id) ? [JSON.stringify({ id, text: texts.vocabulary.texts[i] })] : []
    ),
    rows: rows.map((row) =>
      JSON.stringify({
        row,
        subset: provenance[row]?.subset ?? '',
        ids: [...probe[row]],
        segments: provenance[row]?.segments ?? []
      })
    )
  }
}

const content = async function* (source: Source, program: string, membership: Int32Array): AsyncGenerator<string> {
  const { workspace, run, clustering, groups } = source
  const moments = await momentsOf(workspace, run.id, membership, source.tree)
  const summaries = new Map(
    (await workspace.getClusterSummaries(run.id, { clustering: clustering.number, topTokens })).map((summary) => [
      summary.cluster,
      summary
    ])
  )
  yield pretty(await headOf(source, moments, program)).slice(0, -2)
  for (const [name, entries] of Object.entries(lists(source))) {
    yield `,\n  "${name}": `
    yield* jsonArray(entries, '    ')
  }
  yield ',\n  "clusters": '
  const clusters = async function* (): AsyncGenerator<AsyncIterable<string>> {
    for (const cluster of groups) {
      const summary = summaries.get(cluster)
      if (summary !== undefined) yield clusterEntry(source, summary, moments)
    }
  }
  yield* jsonArray(clusters(), '    ')
  yield ',\n  "matrix": {\n    "blocks": '
  yield* jsonArray(matrixBlocks(source), '      ')
  yield '\n  }\n}\n'
}

/**
 * Writes an annotated cluster set: a JSON file (resources/schemas/annotated-cluster-set.schema.json) with provenance,
 * settings, clusters and their annotations, tokens in context, and the matrix. Other programs can read it, and
 * another workspace can import it. A selection of clusters includes only their tokens, renumbered. The file appears
 * complete or not at all.
 */
export const exportAnnotatedSet = async (
  workspace: Workspace,
  runId: string,
  { file, clustering: number, clusters, overwrite = false, program }: AnnotatedExportOptions
): Promise<FileIdentity> => {
  const run = await workspace.getRun(runId)
  const clustering = clusteringOf(run, number)
  const annotations = await workspace.getAnnotations(run.id, clustering.number)
  const tree = await workspace.getTree(run.id, { clustering: clustering.number })
  const selection = chosenClusters(run, clustering, tree, clusters, annotations)
  await refuseToReplace(file, overwrite)
  const membership = await workspace.getMembership(run.id, { clustering: clustering.number })
  const strengths = new Map<GroupKind, Float32Array>()
  for (const level of groupKinds) {
    strengths.set(level, await workspace.getStrengths(run.id, { clustering: clustering.number, level }))
  }
  const texts = await StudyTexts.of(workspace, run.id)
  const source = new Source(
    workspace,
    run,
    clustering,
    selection,
    selection ?? groupNumbers(clustering),
    tree,
    membership,
    strengths,
    annotations,
    texts
  )
  await makeFolder(dirname(resolve(file)))
  return writeIdentified(file, content(source, program, membership))
}
