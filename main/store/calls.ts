import { z } from 'zod'
import type { ClusteringConfiguration, RunConfiguration } from '../../preload/configuration'
import {
  annotationBodySchema,
  clusterSchema as cluster,
  labelFields,
  targetSchema
} from '../../preload/contract-annotations'
import type {
  Annotation,
  AnnotationsChanged,
  JournalStep,
  RunMarks,
  UndoState
} from '../../preload/contract-annotations'
import { callSchemas } from '../../preload/contract-calls'
import type { ClusterDetails, ClusterLayout, GalleryPage, TokenDetails } from '../../preload/contract-explore'
import type { HeatMap } from '../../preload/contract-runs'
import { index, limits, text } from '../../preload/limits'
import type {
  ClusteringDescription,
  ClusterProfile,
  ColumnSpread,
  ClusteringRecord,
  ClusterSummary,
  DiagnosticsRecord,
  DocumentRecord,
  LayoutRecord,
  LeftoverKind,
  LevelDescription,
  NewClustering,
  NewGroup,
  ResolutionPoint,
  RowProvenance,
  RuleRecord,
  RunRecord,
  StabilityRecord,
  TokenInContext,
  TraceRecord
} from '../../preload/records'
import { groupKinds, stageNames } from '../../preload/records'
import type { TreeNode } from '../base/group-tree'
import type { Edges } from './exploration'
import type { ClusteringAnnotations, LabelCounts, Undone } from './labelling'
import type { PackedOverview } from './overview-packing'

const run = text(limits.runName).min(1)
const name = text(limits.runName)
const number = z.int().min(1).max(limits.number)
const clustering = number.optional()
const object = <T extends object>(): z.ZodType<T> =>
  z.custom<T>((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
const integers = z.custom<Int32Array>((value) => value instanceof Int32Array, 'expected an Int32Array')
const floats = z.custom<Float32Array>((value) => value instanceof Float32Array, 'expected a Float32Array')
const doubles = z.custom<Float64Array>((value) => value instanceof Float64Array, 'expected a Float64Array')
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected a Uint8Array')
const real = z.custom<number>((value) => typeof value === 'number', 'expected a number')
const context = { before: index.max(4096).optional(), after: index.max(4096).optional() }

const study = z.object({
  sampling: z.array(integers),
  observation: z.array(integers),
  probe: z.array(integers),
  targets: z.array(integers),
  provenance: z.array(object<RowProvenance>()),
  documents: z.array(object<DocumentRecord>()),
  hash: z.string()
})
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
  modularity: real.nullable(),
  sweep: z.array(object<ResolutionPoint>())
} satisfies Record<keyof NewClustering, z.ZodType>)
const provenance = object<RunRecord['provenance']>()
const where = { run, clustering: index }
const id = z.string().optional()
const describedLevel = z.object({
  kind: z.enum(groupKinds),
  membership: integers,
  centralPlace: integers,
  boundary: floats,
  toward: integers,
  caught: bytes,
  groups: integers,
  means: floats,
  standardDeviations: floats,
  rules: z.array(z.array(object<RuleRecord>())),
  edges: z.object({ from: integers, to: integers, weights: doubles }),
  positions: floats
} satisfies Record<keyof LevelDescription, z.ZodType>)
const described = z.object({
  patterns: integers,
  levels: z.array(describedLevel).min(1)
} satisfies Record<keyof ClusteringDescription, z.ZodType>)
const time = z.iso.datetime().nullable().optional()

/** Parameters of every call to the store process, checked there before anything else. */
export const parameterSchemas = {
  open: z.object({ folder: z.string().min(1), create: z.boolean(), readOnly: z.boolean(), orRead: z.boolean() }),
  createRun: z.object({
    name,
    configuration: object<RunConfiguration>(),
    baseFolder: z.string(),
    provenance: provenance.optional()
  }),
  listRuns: z.object({}),
  getRun: z.object({ run }),
  findRun: z.object({ text: z.string() }),
  renameRun: z.object({ run, name }),
  updateRun: z.object({
    run,
    changes: z.object({
      status: z.enum(['pending', 'running', 'interrupted', 'failed', 'finished']).optional(),
      stage: z.enum(stageNames).nullable().optional(),
      startedAt: time,
      finishedAt: time,
      error: z.string().nullable().optional(),
      provenance: provenance.optional()
    })
  }),
  deleteRun: z.object({ run }),
  copyRun: z.object({ file: z.string(), baseFolder: z.string() }),
  purgeDeleted: z.object({}),
  begin: z.object({ run }),
  commit: z.object({}),
  rollback: z.object({}),
  saveStudy: z.object({ study, ids: integers, texts: z.array(z.string()) }),
  beginSusceptibilities: z.object({ components: z.array(z.string()).min(1), initialLoss: real }),
  appendSusceptibilities: z.object({ susceptibilities: floats, standardErrors: floats }),
  beginParts: z.object({ count: index.min(1) }),
  appendPart: z.object({ part: index, susceptibilities: floats }),
  saveDiagnostics: z.object({ diagnostics: z.array(object<DiagnosticsRecord>()) }),
  saveTraces: z.object({
    traces: z.array(z.object({ component: z.string(), chain: index, losses: doubles, distances: doubles }))
  }),
  beginNeighbours: z.object({ k: index.min(1), whiten: z.boolean() }),
  appendNeighbours: z.object({ indices: integers, distances: floats }),
  saveClustering: z.object({ clustering: newClustering }),
  completeStage: z.object({ stage: z.looseObject({ stage: z.enum(stageNames), seconds: real }) }),
  appendTrace: z.object({
    run,
    points: z.array(z.object({ component: z.string(), chain: index, draw: index, loss: real, distance: real }))
  }),
  getStudy: z.object({ run }),
  readSusceptibilities: z.object({ run, first: index, count: index }),
  countParts: z.object({ run }),
  readHalf: z.object({ run, parts: z.array(index).min(1), first: index, count: index }),
  getDiagnostics: z.object({ run }),
  getTraces: z.object({ run }),
  findNeighbours: z.object({ run, k: index, whiten: z.boolean() }),
  readNeighbours: z.object({ run, k: index, whiten: z.boolean(), first: index, count: index }),
  renameClustering: z.object({ run, clustering: index, name }),
  deleteClustering: z.object({ run, clustering: index }),
  getClusterSummaries: z.object({ run, clustering, cluster: cluster.optional(), topTokens: index.max(10_000) }),
  getClusterMembers: z.object({ run, clustering, cluster }),
  getClusterProfile: z.object({ run, clustering, cluster }),
  getClusterTokens: z.object({
    run,
    clustering,
    cluster,
    order: z.enum(['token', 'central']),
    offset: index,
    limit: index.max(100_000),
    ...context
  }),
  getTokens: z.object({ run, tokens: integers, ...context }),
  getMembership: z.object({ run, clustering, level: z.enum(groupKinds) }),
  getStrengths: z.object({ run, clustering, level: z.enum(groupKinds) }),
  getTree: z.object({ run, clustering }),

  saveDescription: z.object({ ...where, description: described }),
  isDescribed: z.object(where),
  getOverview: z.object(where),
  readAhead: z.object(where),
  getClusterDetails: z.object({ ...where, cluster }),
  getGallery: z.object({
    ...where,
    cluster,
    query: callSchemas['clusters.tokens'].omit({ run: true, clustering: true, cluster: true })
  }),
  searchClusters: z.object({ ...where, text: z.string(), regularExpression: z.boolean() }),
  findTokens: z.object({ run, text: z.string(), limit: index }),
  getTokenDetails: z.object({ ...where, token: index, ...context }),
  getSubsetIndices: z.object({ run }),
  getColumn: z.object({ run, component: z.string() }),
  getColumnSpreads: z.object({ run }),
  getClusterLayout: z.object(where),
  getHeatMap: z.object({ ...where, most: index }),
  saveLayout: z.object({
    run,
    whiten: z.boolean(),
    layout: z.object({ method: z.string(), positions: floats } satisfies Record<keyof LayoutRecord, z.ZodType>)
  }),
  getLayout: z.object({ run, whiten: z.boolean() }),
  getTexts: z.object({ run }),
  getEdges: z.object({
    run,
    whiten: z.boolean(),
    k: index.min(1),
    tokens: integers,
    most: index,
    symmetrize: z.enum(['union', 'mutual'])
  }),

  getAnnotations: z.object(where),
  getAllAnnotations: z.object({ run }),
  countLabels: z.object({}),
  applyAnnotations: z.object({
    ...where,
    words: text(limits.words),
    author: labelFields.author,
    id,
    edits: z.array(z.object({ target: targetSchema, after: annotationBodySchema.nullable() })).min(1)
  }),
  changeRun: z.object({ run, changes: object<Partial<RunMarks>>(), author: labelFields.author, id }),
  findChange: z.object({ ...where, id: z.string() }),
  undo: z.object({ id }),
  redo: z.object({ id }),
  getUndoState: z.object({}),
  getHistory: z.object({ limit: index }),
  nextTargetNumber: z.object({ ...where, kind: z.enum(['merge', 'part']) }),
  backUpLabels: z.object({}),

  exportTable: z.object({
    run,
    clustering,
    format: z.enum(['csv', 'parquet']),
    file: z.string().min(1),
    table: z.enum([
      'tokens',
      'susceptibilities',
      'standard_errors',
      'diagnostics',
      'chains',
      'traces',
      'clusters',
      'cluster_tokens',
      'documents',
      'labels'
    ]),
    clusters: z.array(cluster).min(1).optional(),
    rawCells: z.boolean()
  })
}

/** Rows of a study as they are stored. */
export interface StoredStudy {
  readonly sampling: Int32Array[]
  readonly observation: Int32Array[]
  readonly probe: Int32Array[]
  readonly targets: Int32Array[]
  readonly provenance: RowProvenance[]
  readonly documents: DocumentRecord[]
  readonly hash: string
}

interface Results {
  /**
   * Why it was opened for reading though it was to be written, null where it was not; and sentences about what a
   * person should know of the workspace.
   */
  open: { readonly unwritable: string | null; readonly notes: string[] }
  createRun: RunRecord
  listRuns: RunRecord[]
  getRun: RunRecord
  findRun: RunRecord
  renameRun: RunRecord
  updateRun: RunRecord
  deleteRun: null
  copyRun: RunRecord
  purgeDeleted: string[]
  begin: null
  commit: null
  rollback: null
  saveStudy: null
  beginSusceptibilities: null
  appendSusceptibilities: null
  beginParts: null
  appendPart: null
  saveDiagnostics: null
  saveTraces: null
  beginNeighbours: null
  appendNeighbours: null
  saveClustering: ClusteringRecord
  completeStage: null
  appendTrace: null
  getStudy: StoredStudy
  readSusceptibilities: { susceptibilities: Float32Array; standardErrors: Float32Array }
  countParts: number
  readHalf: Float32Array
  getDiagnostics: DiagnosticsRecord[]
  getTraces: TraceRecord[]
  findNeighbours: { stored: boolean }
  readNeighbours: { indices: Int32Array; distances: Float32Array }
  renameClustering: ClusteringRecord
  deleteClustering: null
  getClusterSummaries: ClusterSummary[]
  getClusterMembers: Int32Array
  getClusterProfile: ClusterProfile
  getClusterTokens: TokenInContext[]
  getTokens: TokenInContext[]
  getMembership: Int32Array
  getStrengths: Float32Array
  getTree: TreeNode[]
  saveDescription: null
  isDescribed: { described: boolean }
  getOverview: PackedOverview
  readAhead: null
  getClusterDetails: ClusterDetails
  getGallery: GalleryPage
  searchClusters: Int32Array
  findTokens: Int32Array
  getTokenDetails: TokenDetails
  getSubsetIndices: Int32Array
  getColumn: Float32Array
  getColumnSpreads: ColumnSpread[]
  getClusterLayout: ClusterLayout
  getHeatMap: HeatMap
  saveLayout: null
  getLayout: LayoutRecord | null
  getTexts: { ids: Int32Array; texts: string[] }
  getEdges: Edges
  getAnnotations: Annotation[]
  getAllAnnotations: ClusteringAnnotations[]
  countLabels: LabelCounts[]
  applyAnnotations: AnnotationsChanged
  changeRun: { marks: RunMarks; undo: UndoState }
  findChange: AnnotationsChanged | null
  undo: Undone
  redo: Undone
  getUndoState: UndoState
  getHistory: JournalStep[]
  nextTargetNumber: number
  backUpLabels: string
  exportTable: null
}

export type Method = keyof typeof parameterSchemas
export type ParametersOf<M extends Method> = z.output<(typeof parameterSchemas)[M]>
export type StoreCalls = {
  readonly [M in Method]: { readonly parameters: ParametersOf<M>; readonly result: Results[M] }
}
