import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clusteringConfigurationSchema, parseConfiguration } from '../../preload/configuration'
import type { NewClustering, NewRun, StudyRecord } from '../../preload/records'
import type { Workspace } from '../../main/store/store'

export const components = ['embed', 'head:0.0', 'mlp:0']

export const newRun = (name = 'a run'): NewRun => ({
  name, baseFolder: '/somewhere', provenance: { seed: 7 },
  configuration: parseConfiguration({ model: 'model', rows: 'rows.json', sampler: { method: 'psgld' } }, 'configuration')
})

/** Texts of the ids of `smallStudy`: with what is hard to quote among them. */
export const texts = ['the', ' "quoted"', ',', '\n', 'naïve\r', ' ', '\t', 'NULL', '😀', '\u0001']
export const tokenText = (id: number): string => texts[id]

/** `rows` probe rows of 6 ids, of which all 5 target positions are studied; two documents, the second from column 3 on. */
export const smallStudy = (rows = 4): StudyRecord => {
  const probe = Array.from({ length: rows }, (_, row) => Int32Array.from({ length: 6 }, (_, column) => (row * 3 + column) % texts.length))
  return {
    sampling: [Int32Array.of(1, 2, 3), Int32Array.of(4, 5)],
    observation: [Int32Array.of(9, 8, 7, 6)],
    probe,
    targets: probe.map(() => Int32Array.of(1, 2, 3, 4, 5)),
    provenance: probe.map((_, row) => ({
      subset: row % 2 === 0 ? 'code, "C"' : 'law',
      segments: [{ start: 0, document: 0, offset: 10 * row }, { start: 3, document: 1, offset: 0 }]
    })),
    documents: [{ id: 0, file: 'a.jsonl', record: 5, subset: 'code, "C"' }, { id: 1, file: 'b.jsonl', record: 6, subset: 'law' }],
    hash: 'abc'
  }
}

export const value = (token: number, column: number): number => Math.fround(Math.sin(token * 3 + column) * (column + 1))

export const matrixOf = (tokens: number, scale = 1): Float32Array =>
  Float32Array.from({ length: tokens * components.length }, (_, at) => scale * value(Math.floor(at / components.length), at % components.length))

export const neighboursOf = (tokens: number, k: number): { indices: Int32Array; distances: Float32Array } => ({
  indices: Int32Array.from({ length: tokens * k }, (_, at) => (Math.floor(at / k) + 1 + (at % k)) % tokens),
  distances: Float32Array.from({ length: tokens * k }, (_, at) => (at % k) + 0.5)
})

/** Two clusters, 0 of tokens 0 to 4 and 1 of the next five; the others are left over. */
export const clusteringOf = (tokens: number): NewClustering => ({
  name: 'k = 3', configuration: clusteringConfigurationSchema.parse({ neighbours: 3, minSize: 20, whiten: false }), seed: 7, ending: '200 rejections in a row', attempts: 203, edges: 40, volume: 61.5,
  clusters: [
    { order: 0, seed: 2, members: Int32Array.of(0, 1, 2, 3, 4), conductance: 0.25, conductanceWhenCut: 0.2 },
    { order: 1, seed: 7, members: Int32Array.of(5, 6, 7, 8, 9), conductance: 0.5, conductanceWhenCut: 0.4 }
  ],
  leftover: { kind: 'main body', members: Int32Array.from({ length: tokens - 10 }, (_, i) => i + 10) }
})

export const diagnostic = (component: string, splitRHat: number | null = 1.01) => ({
  component, splitRHat, learningCoefficient: Number.NaN, meanDistance: [0.5, 0.25], finalDistance: [0.75, 1], meanLoss: [2.5, 2.25], reliability: 0.9, centredReliability: 0.8,
  lossTrace: { first: 2, last: 3, min: 1, max: 4 }, failedChains: [{ chain: 1, draw: 3, step: 40, message: 'the loss is not finite' }], blocks: null
})

/** Stores a whole small run; returns its id. */
export const storeRun = async (workspace: Workspace, rows = 4): Promise<string> => {
  const { id } = await workspace.createRun(newRun())
  const tokens = rows * 5
  await workspace.transaction(id, async (writer) => {
    await writer.saveStudy(smallStudy(rows), tokenText)
    await writer.completeStage({ stage: 'prepare', seconds: 1 })
  })
  await workspace.transaction(id, async (writer) => {
    const [chi, errors] = [matrixOf(tokens), matrixOf(tokens, 0.1)]
    await writer.beginSusceptibilities(components, 2.5)
    const half = 7 * components.length
    await writer.appendSusceptibilities(chi.subarray(0, half), errors.subarray(0, half))
    await writer.appendSusceptibilities(chi.subarray(half), errors.subarray(half))
    await writer.saveDiagnostics([...components, 'full'].map((component) => diagnostic(component)))
    await writer.saveTraces(components.map((component) => ({ component, chain: 0, losses: Float64Array.of(1, 2, Number.NaN), distances: Float64Array.of(3, 4, Number.NaN) })))
    await writer.completeStage({ stage: 'sample', seconds: 2.5, threads: 4, engine: { name: 'onnx-cpu', device: 'cpu', precision: 'float32', version: '1' } })
  })
  await workspace.transaction(id, async (writer) => {
    const { indices, distances } = neighboursOf(tokens, 3)
    await writer.beginNeighbours(3, false)
    await writer.appendNeighbours(indices, distances)
    await writer.completeStage({ stage: 'neighbours', seconds: 1 })
  })
  await workspace.transaction(id, async (writer) => {
    await writer.saveClustering(clusteringOf(tokens))
    await writer.completeStage({ stage: 'cluster', seconds: 1 })
  })
  return id
}

export const temporaryFolder = async (): Promise<{ folder: string; remove: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'spectroscope-test-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}
