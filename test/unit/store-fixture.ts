import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clusteringSchema, parseConfiguration, suitClustering } from '../../preload/configuration'
import type {
  ClusteringDescription,
  GroupKind,
  LevelDescription,
  NewClustering,
  NewGroup,
  NewRun,
  RuleRecord,
  StudyRecord
} from '../../preload/records'
import type { AnnotationBody, AnnotationTarget } from '../../preload/contract-annotations'
import { trustWorkspace } from '../../main/api/trust'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'

export const components = ['embed', 'head:0.0', 'mlp:0']

export const newRun = (name = 'a run'): NewRun => ({
  name,
  baseFolder: '/somewhere',
  provenance: { seed: 7 },
  configuration: parseConfiguration(
    { model: 'model', rows: 'rows.json', sampler: { method: 'psgld' } },
    'configuration'
  )
})

/** Texts of the ids of `smallStudy`: with what is hard to quote among them. */
export const texts = ['the', ' "quoted"', ',', '\n', 'naïve\r', ' ', '\t', 'NULL', '😀', '\u0001']
export const tokenText = (id: number): string => texts[id]

/**
 * `rows` probe rows of 6 ids, of which all 5 target positions are studied; two documents, the second from column 3
 * on.
 */
export const smallStudy = (rows = 4): StudyRecord => {
  const probe = Array.from({ length: rows }, (_, row) =>
    Int32Array.from({ length: 6 }, (_, column) => (row * 3 + column) % texts.length)
  )
  return {
    sampling: [Int32Array.of(1, 2, 3), Int32Array.of(4, 5)],
    observation: [Int32Array.of(9, 8, 7, 6)],
    probe,
    targets: probe.map(() => Int32Array.of(1, 2, 3, 4, 5)),
    provenance: probe.map((_, row) => ({
      subset: row % 2 === 0 ? 'code, "C"' : 'law',
      segments: [
        { start: 0, document: 0, offset: 10 * row },
        { start: 3, document: 1, offset: 0 }
      ]
    })),
    documents: [
      { id: 0, file: 'a.jsonl', record: 5, subset: 'code, "C"' },
      { id: 1, file: 'b.jsonl', record: 6, subset: 'law' }
    ],
    hash: 'abc'
  }
}

export const value = (token: number, column: number): number => Math.fround(Math.sin(token * 3 + column) * (column + 1))

export const matrixOf = (tokens: number, scale = 1): Float32Array =>
  Float32Array.from(
    { length: tokens * components.length },
    (_, at) => scale * value(Math.floor(at / components.length), at % components.length)
  )

export const neighboursOf = (tokens: number, k: number): { indices: Int32Array; distances: Float32Array } => ({
  indices: Int32Array.from({ length: tokens * k }, (_, at) => (Math.floor(at / k) + 1 + (at % k)) % tokens),
  distances: Float32Array.from({ length: tokens * k }, (_, at) => (at % k) + 0.5)
})

const flat = { kind: 'cluster', parent: null, stability: null, strengths: null } as const

/** By ACL: two clusters, 0 of tokens 0 to 4 and 1 of the next five; the others are left over. */
export const clusteringOf = (tokens: number): NewClustering => ({
  name: 'k = 3',
  configuration: suitClustering(
    clusteringSchema.parse({ method: 'acl', neighbours: 3, minSize: 20, whiten: false }),
    tokens
  ),
  seed: 7,
  ending: '200 rejections in a row',
  attempts: 203,
  edges: 40,
  volume: 61.5,
  clusters: [
    { order: 0, ...flat, seed: 2, members: Int32Array.of(0, 1, 2, 3, 4), conductance: 0.25, conductanceWhenCut: 0.2 },
    { order: 1, ...flat, seed: 7, members: Int32Array.of(5, 6, 7, 8, 9), conductance: 0.5, conductanceWhenCut: 0.4 }
  ],
  leftover: { kind: 'main body', members: Int32Array.from({ length: tokens - 10 }, (_, i) => i + 10) },
  stability: null,
  neighbourRecall: null,
  modularity: null,
  sweep: []
})

const stretch = (from: number, to: number): Int32Array => Int32Array.from({ length: to - from }, (_, i) => from + i)

/** Strengths that tell tokens of a group apart: 1 at the first, and less and less. */
const strengthsFrom = (members: Int32Array, least: number): Float32Array =>
  Float32Array.from(members, (_, i) => 1 - ((1 - least) * i) / members.length)

const community = (
  order: number,
  kind: GroupKind,
  parent: number | null,
  [from, to]: readonly [number, number],
  stability: number,
  conductance: number
): NewGroup => {
  const members = stretch(from, to)
  return {
    order,
    kind,
    parent,
    seed: null,
    members,
    conductance,
    conductanceWhenCut: null,
    stability,
    strengths: strengthsFrom(members, stability)
  }
}

/**
 * A tree of communities of 20 tokens or more: region 5 of tokens 0 to 12, in it neighbourhood 4 (clusters 0 and 1, of
 * five each) and cluster 2 (of three); cluster 3 (of three) is in nothing, and the others are left over.
 */
export const treeOf = (tokens: number): NewClustering => ({
  name: 'a tree',
  configuration: suitClustering(
    clusteringSchema.parse({ neighbours: 3, minSize: 3, whiten: false, resolution: 8 }),
    tokens
  ),
  seed: 7,
  ending: 'a consensus of 4 partitions',
  attempts: 4,
  edges: 40,
  volume: 61.5,
  clusters: [
    community(0, 'cluster', 4, [0, 5], 0.9, 0.25),
    community(1, 'cluster', 4, [5, 10], 0.4, 0.5),
    community(2, 'cluster', 5, [10, 13], 0.75, 0.5),
    community(3, 'cluster', null, [13, 16], 0.25, 0.75),
    community(4, 'neighbourhood', 5, [0, 10], 0.7, 0.125),
    community(5, 'region', null, [0, 13], 0.6, 0.0625)
  ],
  leftover: { kind: 'unclustered', members: stretch(16, tokens) },
  stability: {
    splits: 3,
    levels: [
      { kind: 'region', groups: 1, stableGroups: 1, stableShare: 0.65, error: 0.05, nullShare: 0.125 },
      { kind: 'neighbourhood', groups: 1, stableGroups: 1, stableShare: 0.5, error: 0.25, nullShare: 0 },
      { kind: 'cluster', groups: 4, stableGroups: 2, stableShare: 0.4, error: 0.03125, nullShare: null }
    ]
  },
  modularity: 0.375,
  neighbourRecall: 0.9875,
  sweep: [
    {
      resolution: 4,
      groups: 3,
      stableGroups: 1,
      stableShare: 0.5,
      error: 0.125,
      nullShare: 0.25,
      detail: 0.5,
      modularity: 0.5
    },
    {
      resolution: 8,
      groups: 4,
      stableGroups: 2,
      stableShare: 0.4,
      error: null,
      nullShare: null,
      detail: 0.75,
      modularity: 0.375
    }
  ]
})

const membersAt = (kind: GroupKind, tokens: number): [group: number, members: Int32Array][] => {
  const { clusters, leftover } = treeOf(tokens)
  const own = clusters
    .filter((group) => group.kind === kind)
    .map(({ order, members }): [number, Int32Array] => [order, members])
  return kind === 'cluster' ? [...own, [-1, leftover.members]] : own
}

/** The best rule of a group of `treeOf`, and its next best. */
export const treeRules = (group: number): RuleRecord[] => [
  {
    conditions: [
      { on: 'next', id: 2, text: ',' },
      { on: 'subset', subset: 'law' }
    ],
    recall: 0.5,
    precision: (group + 1) / 8,
    f1: (group + 1) / (group + 5)
  },
  { conditions: [{ on: 'pattern', pattern: 'word-start' }], recall: 0.25, precision: 0.125, f1: 1 / 6 }
]

const treeLevel = (
  kind: GroupKind,
  edges: readonly (readonly [from: number, to: number, weight: number])[],
  tokens: number
): LevelDescription => {
  const groups = membersAt(kind, tokens)
  const [membership, centralPlace] = [new Int32Array(tokens).fill(-1), new Int32Array(tokens)]
  for (const [group, members] of groups) {
    members.forEach((token, at) => {
      membership[token] = group
      centralPlace[token] = members.length - 1 - at
    })
  }
  const means = groups.flatMap(([, members]) =>
    components.map((_, column) => members.reduce((sum, token) => sum + value(token, column), 0) / members.length)
  )
  return {
    kind,
    membership,
    centralPlace,
    boundary: Float32Array.from({ length: tokens }, (_, token) => token / 100),
    toward: new Int32Array(tokens).fill(-2),
    caught: Uint8Array.from({ length: tokens }, (_, token) => Number(token % 3 !== 0)),
    groups: Int32Array.from(groups, ([group]) => group),
    means: Float32Array.from(means),
    standardDeviations: new Float32Array(means.length),
    rules: groups.map(([group]) => treeRules(group)),
    edges: {
      from: Int32Array.from(edges, ([from]) => from),
      to: Int32Array.from(edges, ([, to]) => to),
      weights: Float64Array.from(edges, ([, , weight]) => weight)
    },
    positions: Float32Array.from(groups.flatMap(([group]) => [group, -group]))
  }
}

/**
 * A description of `treeOf`: groups from their last token outwards, and every third token not caught; with rules of
 * what is left over, too.
 */
export const treeDescription = (tokens: number): ClusteringDescription => ({
  patterns: Int32Array.from({ length: tokens }, (_, token) => (token < 13 ? 0b101 : 0b1)),
  levels: [
    treeLevel(
      'cluster',
      [
        [-1, 0, 1],
        [0, 1, 3],
        [1, 2, 2]
      ],
      tokens
    ),
    treeLevel('neighbourhood', [], tokens),
    treeLevel('region', [], tokens)
  ]
})

export const diagnostic = (component: string, splitRHat: number | null = 1.01) => ({
  component,
  splitRHat,
  learningCoefficient: Number.NaN,
  meanDistance: [0.5, 0.25],
  finalDistance: [0.75, 1],
  meanLoss: [2.5, 2.25],
  reliability: 0.9,
  centredReliability: 0.8,
  lossTrace: { first: 2, last: 3, min: 1, max: 4 },
  failedChains: [{ chain: 1, draw: 3, step: 40, message: 'the loss is not finite' }],
  blocks: null
})

/** Stores a whole small run with a clustering; returns its id. */
export const storeRun = async (
  workspace: Workspace,
  rows = 4,
  clustering = clusteringOf(5 * rows),
  { names = components, text = tokenText }: { readonly names?: string[]; readonly text?: typeof tokenText } = {}
): Promise<string> => {
  const { id } = await workspace.createRun(newRun())
  const tokens = rows * 5
  await workspace.transaction(id, async (writer) => {
    await writer.saveStudy(smallStudy(rows), text)
    await writer.completeStage({ stage: 'prepare', seconds: 1 })
  })
  await workspace.transaction(id, async (writer) => {
    const [chi, errors] = [matrixOf(tokens), matrixOf(tokens, 0.1)]
    await writer.beginSusceptibilities(names, 2.5)
    const half = 7 * names.length
    await writer.appendSusceptibilities(chi.subarray(0, half), errors.subarray(0, half))
    await writer.appendSusceptibilities(chi.subarray(half), errors.subarray(half))
    await writer.saveDiagnostics([...names, 'full'].map((component) => diagnostic(component)))
    await writer.saveTraces(
      names.map((component) => ({
        component,
        chain: 0,
        losses: Float64Array.of(1, 2, Number.NaN),
        distances: Float64Array.of(3, 4, Number.NaN)
      }))
    )
    await writer.completeStage({
      stage: 'sample',
      seconds: 2.5,
      threads: 4,
      engine: { name: 'onnx-cpu', device: 'cpu', precision: 'float32', version: '1' }
    })
  })
  await workspace.transaction(id, async (writer) => {
    const { indices, distances } = neighboursOf(tokens, 3)
    await writer.beginNeighbours(3, 0)
    await writer.appendNeighbours(indices, distances)
    await writer.completeStage({ stage: 'neighbours', seconds: 1 })
  })
  await workspace.transaction(id, async (writer) => {
    await writer.saveClustering(clustering)
    await writer.completeStage({ stage: 'cluster', seconds: 1 })
  })
  return id
}

export const temporaryFolder = async (): Promise<{ folder: string; remove: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'spectroscope-test-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** A temporary folder with a workspace in it. */
interface WorkspaceCopy {
  readonly folder: string
  /** Folder of the workspace. */
  readonly workspace: string
  readonly remove: () => Promise<void>
}

export interface WorkspaceTemplate {
  readonly copy: () => Promise<WorkspaceCopy>
  readonly remove: () => Promise<void>
}

/** A workspace that is made once, and copied for each test. */
export const workspaceTemplate = async (make: (workspace: Workspace) => Promise<void>): Promise<WorkspaceTemplate> => {
  const template = await temporaryFolder()
  const original = join(template.folder, 'w')
  const made = await openWorkspace(original, { create: true })
  await make(made)
  await made.close()
  const copy = async (): Promise<WorkspaceCopy> => {
    const place = await temporaryFolder()
    const workspace = join(place.folder, 'w')
    await cp(original, workspace, { recursive: true })
    await trustWorkspace(workspace)
    return { ...place, workspace }
  }
  return { copy, remove: template.remove }
}

export const labelBody = (name: string, more: Partial<AnnotationBody> = {}): AnnotationBody => ({
  name,
  note: '',
  tags: [],
  confidence: null,
  status: 'labelled',
  blindTest: null,
  author: 'Ada',
  changedAt: '2026-01-02T03:04:05.678Z',
  ...more
})

export type LabelBodies = Readonly<Partial<Record<AnnotationTarget, AnnotationBody | null>>>

export const labelEdits = (bodies: LabelBodies): { target: AnnotationTarget; after: AnnotationBody | null }[] =>
  Object.entries(bodies).map(([target, after]) => ({ target: target as AnnotationTarget, after: after ?? null }))
