import { dirname, resolve } from 'node:path'
import type { Annotation, AnnotationTarget } from '../../preload/contract-annotations'
import { groupKinds, leftoverCluster } from '../../preload/records'
import type {
  BlockDiagnostics,
  ClusteringRecord,
  ClusterNumber,
  ClusterSummary,
  GroupKind,
  RunRecord
} from '../../preload/records'
import { makeFolder, writeIdentified } from '../base/files'
import type { FileIdentity } from '../base/files'
import type { GroupTree } from '../base/group-tree'
import { labelOf, parseTarget } from '../../preload/label-rules'
import type { Workspace } from '../store/store'
import { markedName, provenanceSchema, setFormat, setVersion } from './annotated-set'
import type { SetBlock, SetCluster, SetHead, SetLabel, SetMember } from './annotated-set'
import { StudyTexts } from './contexts'
import { jsonArray, pretty, rounded } from './json'
import { momentsOf } from './moments'
import type { MatrixMoments, Moments } from './moments'
import { refuseToReplace } from './output'
import type { Overwrite } from './output'
import { chosenClusters, clusteringOf, groupsOf } from './selection'
import type { Selection } from './selection'

export interface AnnotatedExportOptions {
  readonly file: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly overwrite?: Overwrite
  /** Name and version of the program, for the file's header. */
  readonly program: string
}

const topTokens = 20
const contextTokens = 16
const tokensPerBlock = 4096

const finite = (values: Iterable<number>): (number | null)[] =>
  Array.from(values, (value) => (Number.isFinite(value) ? value : null))
const momentsInFile = ({
  mean,
  standardDeviation
}: Moments): { mean: (number | null)[]; standardDeviation: (number | null)[] } => ({
  mean: finite(mean),
  standardDeviation: finite(standardDeviation)
})

const labelInFile = (annotation: Annotation): SetLabel => ({
  ...labelOf(annotation),
  author: annotation.author,
  changedAt: annotation.changedAt
})

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')

/** Strength of every token in its group, by level; empty if the draws were not split. */
type Strengths = ReadonlyMap<GroupKind, Float32Array>

/** Data for the file that is held in memory. The rest is read while the file is written. */
class Source {
  /** Members of every exported cluster as token indices of the run, ascending. The groups above have no entry. */
  readonly members: ReadonlyMap<ClusterNumber, readonly number[]>
  /** Number in the file of every token of the run; -1 for tokens left out. */
  readonly numbers: Int32Array
  readonly annotations: ReadonlyMap<AnnotationTarget, Annotation>

  constructor(
    readonly workspace: Workspace,
    readonly run: RunRecord,
    readonly clustering: ClusteringRecord,
    readonly selection: readonly ClusterNumber[] | null,
    readonly groups: readonly ClusterNumber[],
    readonly tree: GroupTree,
    membership: Int32Array,
    readonly strengths: Strengths,
    annotations: readonly Annotation[],
    readonly texts: StudyTexts
  ) {
    const members = new Map<ClusterNumber, number[]>(groups.map((cluster) => [cluster, []]))
    this.numbers = new Int32Array(membership.length).fill(-1)
    let next = 0
    for (const [token, cluster] of membership.entries()) {
      const group = members.get(cluster)
      if (group === undefined) continue
      group.push(token)
      this.numbers[token] = next++
    }
    this.members = members
    this.annotations = new Map(annotations.map((annotation) => [annotation.target, annotation]))
  }

  /** Exported groups above a group, smallest first. */
  above(group: ClusterNumber): ClusterNumber[] {
    return this.tree.pathOf(group).filter((number) => number !== group && this.members.has(number))
  }
}

const number = (value: number): number | null => finite([value])[0]

const blocksInFile = ({
  reliabilityBounds,
  centredReliabilityBounds,
  gradientCosine,
  gradientNorm,
  effectiveShare,
  meanPhi,
  phiDeviation,
  rounds,
  remainder
}: BlockDiagnostics): SetHead['diagnostics'][number]['blocks'] => ({
  rounds,
  reliabilityBounds: [number(reliabilityBounds[0]), number(reliabilityBounds[1])],
  centredReliabilityBounds: [number(centredReliabilityBounds[0]), number(centredReliabilityBounds[1])],
  gradientCosine: gradientCosine === null ? null : number(gradientCosine),
  gradientNorm: number(gradientNorm),
  effectiveShare: number(effectiveShare),
  meanPhi: number(meanPhi),
  phiDeviation: number(phiDeviation),
  remainder:
    remainder === null
      ? null
      : { draws: remainder.draws, share: number(remainder.share), error: number(remainder.error) }
})

const diagnosticsInFile = async ({ workspace, run }: Source): Promise<SetHead['diagnostics']> =>
  (await workspace.getDiagnostics(run.id)).map(
    (one) =>
      ({
        ...one,
        ...Object.fromEntries(
          (['splitRHat', 'learningCoefficient', 'reliability', 'centredReliability'] as const).map((key) => [
            key,
            finite([one[key] ?? Number.NaN])[0]
          ])
        ),
        meanDistance: finite(one.meanDistance),
        finalDistance: finite(one.finalDistance),
        meanLoss: finite(one.meanLoss),
        lossTrace: Object.fromEntries(Object.entries(one.lossTrace).map(([key, value]) => [key, finite([value])[0]])),
        failedChains: one.failedChains,
        blocks: one.blocks === null ? null : blocksInFile(one.blocks)
      }) as unknown as SetHead['diagnostics'][number]
  )

/** Merges whose clusters are all exported, and parts of exported clusters. */
const groupsInFile = ({ annotations, members, numbers }: Source): Pick<SetHead, 'merges' | 'parts'> => {
  const merges: SetHead['merges'] = []
  const parts: SetHead['parts'] = []
  for (const [target, annotation] of annotations) {
    const { kind, number } = parseTarget(target)
    const { clusters, cluster, tokens } = annotation
    if (kind === 'merge' && clusters?.every((one) => members.has(one)) === true)
      merges.push({ merge: number, clusters, label: labelInFile(annotation) })
    if (kind === 'part' && cluster !== undefined && tokens !== undefined && members.has(cluster)) {
      parts.push({
        part: number,
        cluster,
        tokens: tokens.map((token) => numbers[token]),
        label: labelInFile(annotation)
      })
    }
  }
  return { merges, parts }
}

const recordInFile = ({ stability, sweep, ...clustering }: ClusteringRecord): SetHead['clustering'] => ({
  ...clustering,
  stability: stability === null ? null : { ...stability, levels: [...stability.levels] },
  sweep: [...sweep]
})

/** The run's name as its author gave it, without the mark added by an import here. */
const nameInFile = ({ name, provenance: { imported } }: RunRecord): string => {
  const origin = imported?.name
  const number = / (\d+)$/.exec(name)?.[1]
  return origin !== undefined && name === markedName(origin, Number(number ?? 1)) ? origin : name
}

/** Header of the file. An imported run keeps the identity of its original. */
const headOf = async (source: Source, moments: MatrixMoments, program: string): Promise<SetHead> => {
  const { run, clustering, selection } = source
  const { imported } = run.provenance
  const own = imported !== undefined && clustering.number === 1 ? imported : undefined
  const { id, createdAt, startedAt, finishedAt } = imported?.run ?? run
  return {
    format: setFormat,
    version: setVersion,
    exportedAt: new Date().toISOString(),
    program,
    run: {
      id,
      name: nameInFile(run),
      createdAt,
      startedAt,
      finishedAt,
      tokens: run.tokens,
      probeRows: run.probeRows,
      initialLoss: finite([run.initialLoss ?? Number.NaN])[0]
    },
    provenance: provenanceSchema.parse(run.provenance),
    stages: (imported?.stages ?? run.stages) as SetHead['stages'],
    configuration: run.configuration,
    components: [...run.components],
    diagnostics: await diagnosticsInFile(source),
    clustering: {
      ...recordInFile(clustering),
      ...(own === undefined ? {} : { number: own.clustering.number, createdAt: own.clustering.createdAt })
    },
    selection: selection === null ? null : [...selection],
    columns: momentsInFile(moments.columns),
    context: { before: contextTokens, after: contextTokens },
    ...groupsInFile(source)
  }
}

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
    text: texts.textOf(id),
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
    selection ?? groupsOf(clustering),
    tree,
    membership,
    strengths,
    annotations,
    texts
  )
  await makeFolder(dirname(resolve(file)))
  return writeIdentified(file, content(source, program, membership))
}
