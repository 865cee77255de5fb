import type { ClusteringRecord } from '../../preload/clustering-records'
import type { Annotation } from '../../preload/contract-annotations'
import { labelOf, parseTarget } from '../../preload/label-rules'
import type { BlockDiagnostics, RunRecord } from '../../preload/records'
import { provenanceSchema } from './annotated-run'
import { type SetLabel, type SetHead, markedName, setFormat, setVersion } from './annotated-set'
import { finite, type Source, contextTokens } from './annotated-source'
import type { Moments, MatrixMoments } from './moments'

export const momentsInFile = ({
  mean,
  standardDeviation
}: Moments): { mean: (number | null)[]; standardDeviation: (number | null)[] } => ({
  mean: finite(mean),
  standardDeviation: finite(standardDeviation)
})

export const labelInFile = (annotation: Annotation): SetLabel => ({
  ...labelOf(annotation),
  author: annotation.author,
  changedAt: annotation.changedAt
})

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

/** Merges whose clusters are all exported, parts of exported clusters, and selections whose tokens all are. */
const groupsInFile = ({ annotations, members, numbers }: Source): Pick<SetHead, 'merges' | 'parts' | 'selections'> => {
  const merges: SetHead['merges'] = []
  const parts: SetHead['parts'] = []
  const selections: SetHead['selections'] = []
  for (const [target, annotation] of annotations) {
    const { kind, number } = parseTarget(target)
    const { clusters, cluster, tokens } = annotation
    if (kind === 'merge' && clusters?.every((one) => members.has(one)) === true)
      merges.push({ merge: number, clusters, label: labelInFile(annotation) })
    if (kind === 'selection' && tokens?.every((token) => numbers[token] >= 0) === true) {
      const own = tokens.map((token) => numbers[token])
      selections.push({ selection: number, tokens: own, label: labelInFile(annotation) })
    }
    if (kind === 'part' && cluster !== undefined && tokens !== undefined && members.has(cluster)) {
      parts.push({
        part: number,
        cluster,
        tokens: tokens.map((token) => numbers[token]),
        label: labelInFile(annotation)
      })
    }
  }
  return { merges, parts, selections }
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
export const headOf = async (source: Source, moments: MatrixMoments, program: string): Promise<SetHead> => {
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
