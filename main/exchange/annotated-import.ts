import { basename, dirname, resolve } from 'node:path'
import type { Annotation } from '../../preload/contract-annotations'
import { leftoverCluster } from '../../preload/records'
import type {
  ClusteringRecord,
  DiagnosticsRecord,
  ImportedProvenance,
  ReliabilityBounds,
  NewClustering,
  RunRecord,
  StudyRecord
} from '../../preload/records'
import { carryLabels, matchTokens } from '../labels/carry'
import type { CarriedLabels, CarrySource, StudiedRows } from '../labels/carry'
import type { Workspace } from '../store/store'
import { annotationsOf } from './annotated-labels'
import { readSetMatrix } from './annotated-read'
import type { ReadSet } from './annotated-read'
import { markedName } from './annotated-set'

const numberOr = (value: number | null): number => value ?? Number.NaN

/** Rows of the set at their numbers in the original run. Rows without members are empty. */
const studiedRows = ({ head, rows, tokenRows, tokenPositions }: ReadSet): StudiedRows => {
  const targets: number[][] = Array.from({ length: head.run.probeRows }, () => [])
  tokenRows.forEach((row, token) => targets[row].push(tokenPositions[token]))
  return {
    rows: targets.map((_, row) => Int32Array.from(rows.get(row)?.ids ?? [])),
    targets: targets.map((positions) => Int32Array.from(positions))
  }
}

const studyOf = (set: ReadSet): StudyRecord => {
  const { rows, targets } = studiedRows(set)
  const hash = set.head.provenance.studyHash ?? ''
  return {
    sampling: [],
    observation: [],
    probe: rows,
    targets,
    provenance: rows.map((_, row) => ({
      subset: set.rows.get(row)?.subset ?? '',
      segments: set.rows.get(row)?.segments ?? []
    })),
    documents: set.documents,
    // A selection is not the study that it was taken from: its tokens are numbered differently.
    hash: set.head.selection === null ? hash : `${hash} of clusters ${set.head.selection.join(',')}`
  }
}

const clusteringOf = ({ head: { clustering }, tree, groups, leftover }: ReadSet): NewClustering => {
  const { name, configuration, seed, ending, attempts, edges, volume, leftoverKind, stability } = clustering
  const { neighbourRecall, modularity, sweep } = clustering
  return {
    name,
    configuration,
    seed,
    ending,
    attempts,
    edges,
    volume,
    stability,
    neighbourRecall,
    modularity,
    sweep,
    clusters: groups.map(({ summary, members, strengths }, order) => ({
      order,
      kind: tree.kindOf(order),
      parent: tree.parentOf(order),
      seed: summary.seed,
      members,
      strengths,
      conductance: numberOr(summary.conductance),
      conductanceWhenCut: summary.conductanceWhenCut,
      stability: summary.stability
    })),
    leftover: { kind: leftoverKind, members: leftover?.members ?? new Int32Array(0) }
  }
}

const boundsOf = ([low, high]: readonly [number | null, number | null]): ReliabilityBounds => [
  numberOr(low),
  numberOr(high)
]

const diagnosticsOf = ({ head }: ReadSet): DiagnosticsRecord[] =>
  head.diagnostics.map((one) => ({
    ...one,
    learningCoefficient: numberOr(one.learningCoefficient),
    reliability: numberOr(one.reliability),
    centredReliability: numberOr(one.centredReliability),
    meanDistance: one.meanDistance.map(numberOr),
    finalDistance: one.finalDistance.map(numberOr),
    meanLoss: one.meanLoss.map(numberOr),
    lossTrace: {
      first: numberOr(one.lossTrace.first),
      last: numberOr(one.lossTrace.last),
      min: numberOr(one.lossTrace.min),
      max: numberOr(one.lossTrace.max)
    },
    blocks:
      one.blocks === null
        ? null
        : {
            rounds: one.blocks.rounds,
            reliabilityBounds: boundsOf(one.blocks.reliabilityBounds),
            centredReliabilityBounds: boundsOf(one.blocks.centredReliabilityBounds),
            gradientCosine: one.blocks.gradientCosine,
            gradientNorm: numberOr(one.blocks.gradientNorm),
            effectiveShare: numberOr(one.blocks.effectiveShare),
            meanPhi: numberOr(one.blocks.meanPhi),
            phiDeviation: numberOr(one.blocks.phiDeviation),
            remainder:
              one.blocks.remainder === null
                ? null
                : {
                    draws: one.blocks.remainder.draws,
                    share: numberOr(one.blocks.remainder.share),
                    error: numberOr(one.blocks.remainder.error)
                  }
          }
  }))

const originOf = ({ head: { run, stages, clustering, selection } }: ReadSet, file: string): ImportedProvenance => ({
  at: new Date().toISOString(),
  file: basename(file),
  name: run.name,
  run: { id: run.id, createdAt: run.createdAt, startedAt: run.startedAt, finishedAt: run.finishedAt },
  stages: stages as ImportedProvenance['stages'],
  clustering: { number: clustering.number, createdAt: clustering.createdAt, clusters: clustering.clusters },
  selection
})

const storeSet = async (workspace: Workspace, run: string, set: ReadSet, file: string): Promise<ClusteringRecord> => {
  const { head, vocabulary } = set
  return workspace.transaction(run, async (writer) => {
    await writer.saveStudy(studyOf(set), vocabulary.size === 0 ? null : (id) => vocabulary.get(id) ?? `⟨${id}⟩`)
    await writer.beginSusceptibilities(head.components, numberOr(head.run.initialLoss))
    await readSetMatrix(file, head.components.length, (susceptibilities, standardErrors) =>
      writer.appendSusceptibilities(susceptibilities, standardErrors)
    )
    await writer.saveDiagnostics(diagnosticsOf(set))
    const clustering = await writer.saveClustering(clusteringOf(set))
    for (const { finishedAt: _, ...stage } of originOf(set, file).stages) await writer.completeStage(stage)
    return clustering
  })
}

/** Name for the set's run, marked as imported if a run here already has it; see `markedName`. */
const nameHere = async (workspace: Workspace, name: string): Promise<string> => {
  const taken = new Set((await workspace.listRuns()).map((run) => run.name))
  for (let number = 0, next = name; ; number++, next = markedName(name, number)) if (!taken.has(next)) return next
}

export interface ImportedRun {
  readonly run: RunRecord
  readonly clustering: ClusteringRecord
  readonly annotations: readonly Annotation[]
}

/**
 * Creates a run from a set: its rows, matrix, clusters and labels, marked as imported. Exporting that run gives the
 * set's own numbers again. The labels are one undo step and keep their authors. `set` is the result of
 * `readAnnotatedSet` for `file`.
 */
export const importAsRun = async (
  workspace: Workspace,
  set: ReadSet,
  file: string,
  author: string
): Promise<ImportedRun> => {
  const { head } = set
  const { id } = await workspace.createRun({
    name: await nameHere(workspace, head.run.name),
    configuration: head.configuration,
    baseFolder: dirname(resolve(file)),
    provenance: { ...(head.provenance as RunRecord['provenance']), imported: originOf(set, file) }
  })
  try {
    const clustering = await storeSet(workspace, id, set, file)
    const annotations = annotationsHere(set)
    const edits = annotations.map(({ target, ...after }) => ({ target, after }))
    if (edits.length > 0)
      await workspace.applyAnnotations({
        run: id,
        clustering: clustering.number,
        words: `import labels of “${head.run.name}”`,
        author,
        edits
      })
    const run = await workspace.updateRun(id, {
      status: 'finished',
      stage: null,
      startedAt: head.run.startedAt,
      finishedAt: head.run.finishedAt
    })
    return { run, clustering, annotations }
  } catch (error) {
    await workspace.deleteRun(id).catch(() => {})
    throw error
  }
}

/** All annotations in a file, with groups numbered as in a workspace. */
const annotationsHere = (set: ReadSet): Annotation[] =>
  annotationsOf(set, (cluster) => set.numbers.get(cluster) ?? cluster)

/** A set as the source of a label transfer, with groups numbered as in a workspace. */
const sourceOf = ({ tree, groups, leftover, tokenRows }: ReadSet, annotations: readonly Annotation[]): CarrySource => {
  const membership = new Int32Array(tokenRows.length)
  groups
    .slice(0, tree.clusters)
    .forEach(({ members }, number) => members.forEach((token) => (membership[token] = number)))
  leftover?.members.forEach((token) => (membership[token] = leftoverCluster))
  return { membership, tree, annotations }
}

/**
 * Transfers the labels of a set to a clustering of the workspace, matching tokens by rows and positions. The caller
 * must still apply `edits`. `left` uses the file's numbers.
 */
export const labelsForClustering = async (
  workspace: Workspace,
  set: ReadSet,
  run: string,
  clustering: number,
  least: number
): Promise<CarriedLabels> => {
  const study = await workspace.getStudy(run)
  const matched = matchTokens(studiedRows(set), { rows: study.probe, targets: study.targets })
  const [inFile, here] = [annotationsOf(set), annotationsHere(set)]
  const carried = carryLabels(
    sourceOf(set, here),
    {
      membership: await workspace.getMembership(run, { clustering }),
      tree: await workspace.getTree(run, { clustering }),
      annotations: await workspace.getAnnotations(run, clustering),
      ...(await workspace.nextNumbers(run, clustering))
    },
    matched,
    least
  )
  return { ...carried, left: carried.left.map((annotation) => inFile[here.indexOf(annotation)]) }
}
