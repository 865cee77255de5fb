import { z } from 'zod'
import type { ClusteringConfiguration } from '../../preload/configuration'
import { index, limits, text } from '../../preload/limits'
import { groupKinds, stageNames } from '../../preload/records'
import type {
  DiagnosticsRecord,
  DocumentRecord,
  LeftoverKind,
  NewClustering,
  NewGroup,
  ResolutionPoint,
  RowProvenance,
  StabilityRecord,
  StageRecord,
  TraceRecord
} from '../../preload/records'
import { saveClustering } from './clustering-writes'
import { inRun, never } from './method'
import { doubles, floats, integers, name, object, real } from './parameters'
import * as runs from './runs'
import type { Transaction } from './session'
import * as writes from './writes'

const study = z.object({
  sampling: z.array(integers),
  observation: z.array(integers),
  probe: z.array(integers),
  targets: z.array(integers),
  provenance: z.array(object<RowProvenance>()),
  documents: z.array(object<DocumentRecord>()),
  hash: z.string()
})
const traces = z.array(z.object({ component: z.string(), chain: index, losses: doubles, distances: doubles }))
const newGroup = z.object({
  order: index,
  kind: z.enum(groupKinds),
  parent: index.nullable(),
  seed: index.nullable(),
  members: integers,
  conductance: real,
  conductanceWhenCut: real.nullable(),
  stability: real.nullable(),
  strengths: floats.nullable()
} satisfies Record<keyof NewGroup, z.ZodType>)
const newClustering = z.object({
  name,
  configuration: object<ClusteringConfiguration>(),
  seed: z.int().min(0),
  ending: text(limits.text),
  attempts: index,
  edges: z.int().min(0),
  volume: real,
  clusters: z.array(newGroup),
  leftover: z.object({ kind: z.enum(['main body', 'unclustered'] satisfies LeftoverKind[]), members: integers }),
  stability: object<StabilityRecord>().nullable(),
  neighbourRecall: z.number().min(0).max(1).nullable(),
  modularity: real.nullable(),
  sweep: z.array(object<ResolutionPoint>())
} satisfies Record<keyof NewClustering, z.ZodType>)
const stage = z.looseObject({ stage: z.enum(stageNames), seconds: real })

const begun = ({ matrix }: Transaction): writes.MatrixWriter => {
  if (matrix === undefined) throw new Error('no matrix was begun')
  return matrix
}

/** Writes within the transaction of a run. Others see all of it after the commit, and nothing before. */
export const writingMethods = {
  /** Replaces the run's study. `texts[i]` is the text of token id `ids[i]`. */
  saveStudyAndTexts: never(
    [study, integers, z.array(z.string())],
    inRun(({ connection, run }, rows: writes.StudyRows, ids: Int32Array, texts: readonly string[]) =>
      writes.saveStudy(connection, run, rows, ids, texts)
    )
  ),
  /**
   * Starts the run's matrix, replacing an earlier one. `components` are in the order of the columns; initialLoss is
   * L(w*) in nats. Then append all rows in order of tokens.
   */
  beginSusceptibilities: never(
    [z.array(z.string()).min(1), real],
    inRun(async (transaction, components: readonly string[], initialLoss: number) => {
      const { connection, run } = transaction
      transaction.matrix = await writes.MatrixWriter.begin(connection, run, components, initialLoss)
    })
  ),
  /** Rows of the next tokens, both [n, components], for any n. Blocks of some megabytes are best. */
  appendSusceptibilities: never(
    [floats, floats],
    inRun((transaction, susceptibilities: Float32Array, standardErrors: Float32Array) =>
      begun(transaction).append(susceptibilities, standardErrors)
    )
  ),
  /**
   * Announces the number of parts (χ̂ from some of the draws each), whose rows are then appended in order of tokens.
   * If rows are missing, the transaction fails. Call it after `beginSusceptibilities`, which drops earlier parts.
   */
  beginParts: never(
    [index.min(1)],
    inRun((transaction, count: number) => begun(transaction).beginParts(count))
  ),
  /** Rows of the next tokens of one part, [n, components]. Parts are numbered from 0. */
  appendPart: never(
    [index, floats],
    inRun((transaction, part: number, susceptibilities: Float32Array) =>
      begun(transaction).appendPart(part, susceptibilities)
    )
  ),
  /** Replaces the run's diagnostics, in order of components, then `full` if it was sampled. */
  saveDiagnostics: never(
    [z.array(object<DiagnosticsRecord>())],
    inRun(({ connection, run }, diagnostics: readonly DiagnosticsRecord[]) =>
      writes.saveDiagnostics(connection, run, diagnostics)
    )
  ),
  /** Replaces the run's traces, including those of `appendTrace`. */
  saveTraces: never(
    [traces],
    inRun(({ connection, run }, all: readonly TraceRecord[]) => writes.saveTraces(connection, run, all))
  ),
  /** Starts the neighbours of one key, replacing earlier ones. Then append all rows in order of tokens. */
  beginNeighbours: never(
    [index.min(1), index],
    inRun(async (transaction, k: number, key: number) => {
      const { connection, run } = transaction
      transaction.neighbours = await writes.NeighboursWriter.begin(connection, run, k, key)
    })
  ),
  /** Neighbours of the next tokens, both [n, k], nearest first. */
  appendNeighbours: never(
    [integers, floats],
    inRun(({ neighbours }, indices: Int32Array, distances: Float32Array) => {
      if (neighbours === undefined) throw new Error('no neighbours were begun')
      return neighbours.append(indices, distances)
    })
  ),
  /** Adds a clustering under a number never used in the run. */
  saveClustering: never(
    [newClustering],
    inRun(({ connection, runId, run }, clustering: NewClustering) => saveClustering(connection, runId, run, clustering))
  ),
  /** Marks a stage as done. */
  completeStage: never(
    [stage],
    inRun(({ connection, run }, done: Omit<StageRecord, 'finishedAt'>) => runs.saveStage(connection, run, done))
  )
}
