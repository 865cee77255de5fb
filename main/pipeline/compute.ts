import { existsSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { join, resolve } from 'node:path'
import { serveParent } from '../base/processes'
import type { CallContext } from '../base/processes'
import { chooseColumns } from '../clustering/preprocess'
import type { Neighbours } from '../clustering/cluster'
import { describeClustering } from '../clustering/describe'
import { layOutTokens } from '../clustering/layout'
import { prepareStudy } from '../corpora/study'
import type { Study } from '../corpora/study'
import { describeElsewhere, describeEngine, resolveEngine } from '../engine/engines'
import type { Model } from '../models/architecture'
import { loadModel } from '../models/load'
import { loadTokenizer } from '../models/tokenizer'
import type { Tokenizer } from '../models/tokenizer'
import { collectGarbage } from '../sampling/reclaim'
import { rowStartsOf } from '../sampling/rows'
import { estimatesOf, remaindersOf, sampleSome } from '../sampling/sample'
import { inFile } from '../sampling/columns'
import { type EstimatedColumns, matrices } from '../sampling/estimates'
import { componentsOf } from './checks'
import { writeNoises } from './cluster-matrices'
import { workOnClusters } from './cluster-shard-work'
import { ClusterWork } from './cluster-work'
import { previewOf } from './corpus-preview'
import { keepSums, openSums } from './kept-sums'
import { measureEngine, measureEngines } from './measure'
import { meanLossOf } from './mean-loss'
import { gatherShards, openSet, sampleShard } from './shard-work'
import { previewSignal } from './signal-preview'
import type {
  ComputeCalls,
  ComputeNotices,
  Prepared,
  PrepareRequest,
  Sampled,
  SampleRequest,
  TokenTexts,
  VariantRequest
} from './messages'

/** Data that the compute process holds between calls. */
interface State {
  model?: Model
  study?: Study
  sampled?: EstimatedColumns
  matrix?: { readonly values: Float32Array; readonly tokens: number; readonly columns: number }
  half?: Float32Array
  neighbours?: Neighbours
}

const state: State = {}

const have = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`compute was asked for ${what} before it had any`)
  return value
}

const notify = <K extends keyof ComputeNotices>(name: K, data: ComputeNotices[K]): void => parent.notify(name, data)

const tellPart = (fraction: number, secondsLeft: number | undefined): void => notify('part', { fraction, secondsLeft })

const openTokenizer = async (folder: string, needed: boolean): Promise<Tokenizer | null> =>
  needed || existsSync(join(folder, 'tokenizer.json')) ? loadTokenizer(folder) : null

const tokenTexts = ({ sampling, observation, probe }: Study, tokenizer: Tokenizer): TokenTexts => {
  const ids = new Set<number>()
  for (const rows of [sampling, observation, probe]) for (const row of rows) for (const id of row) ids.add(id)
  return {
    ids: Int32Array.from(ids),
    words: Array.from(ids, (id) => tokenizer.tokenText(id)),
    prefix: tokenizer.prefix
  }
}

const prepare = async ({
  configuration,
  baseFolder,
  engine: chosen = configuration.engine,
  mayBeElsewhere = false
}: PrepareRequest): Promise<Prepared> => {
  const folder = resolve(baseFolder, configuration.model)
  const model = await loadModel(
    folder,
    configuration.weights === undefined ? undefined : resolve(baseFolder, configuration.weights)
  )
  const components = componentsOf(configuration, model.architecture)
  const described = mayBeElsewhere ? describeElsewhere : describeEngine
  const engine = await described(await resolveEngine(chosen, configuration.precision), configuration.precision)
  const tokenizer = await openTokenizer(folder, configuration.corpus !== undefined)
  const study = await prepareStudy(configuration, baseFolder, model, tokenizer, (done, total) =>
    notify('preparing', { done, total })
  )
  Object.assign(state, { model, study })
  return {
    modelHash: model.hash,
    tokenizerHash: tokenizer?.hash ?? null,
    engine,
    components,
    parameters: [...model.weights.values()].reduce((sum, { data }) => sum + data.length, 0),
    study,
    texts: tokenizer === null ? null : tokenTexts(study, tokenizer),
    tokens: study.targets.reduce((sum, { length }) => sum + length, 0)
  }
}

const dropSampled = async (): Promise<null> => {
  const { sampled } = state
  delete state.sampled
  await sampled?.columns.close()
  return null
}

/** Stores a result to be fetched in blocks. Returns everything except its matrices. */
const kept = (result: EstimatedColumns, keptSums: number | null): Sampled => {
  state.sampled = result
  const { columns: _, ...sampled } = result
  return { ...sampled, keptSums }
}

const samplingNotices = {
  onProgress: (progress: ComputeNotices['sampling']): void => notify('sampling', progress),
  onTrace: (point: ComputeNotices['trace']): void => notify('trace', point),
  onFlag: (flag: ComputeNotices['chainEnded']): void => notify('chainEnded', flag)
}

const runSampling = async (request: SampleRequest, { signal }: CallContext): Promise<Sampled> => {
  const { folder, everySeconds, fingerprint, columns, begun: path, keep, basis, ...settings } = request
  const study = have(state.study, 'a sample')
  await dropSampled()
  const begun = path === undefined ? undefined : await openSums(path, basis)
  try {
    const input = {
      ...settings,
      model: have(state.model, 'a sample'),
      study,
      begun,
      checkpoint: { folder, everySeconds, fingerprint },
      ...samplingNotices,
      signal
    }
    const sampled = await sampleSome(input)
    try {
      const keptSums = keep === undefined ? null : await keepSums(keep, basis, sampled)
      const remainders = await remaindersOf(input, sampled)
      const rowStarts = rowStartsOf(study.targets)
      return kept(await estimatesOf(settings, rowStarts, sampled, inFile(columns), remainders), keptSums)
    } finally {
      if ('close' in sampled) await sampled.close?.()
    }
  } finally {
    await begun?.close()
    collectGarbage()
  }
}

const rows = <A extends Float32Array | Int32Array>(array: A, width: number, first: number, count: number): A =>
  array.subarray(first * width, (first + count) * width) as A

const clusterWork = new ClusterWork()

const runClustering = async ({ variant, ...request }: VariantRequest, { signal }: CallContext): Promise<null> => {
  const { values, tokens } = have(state.matrix, 'a clustering')
  const found = (neighbours: Neighbours): void => {
    if (state.neighbours === neighbours) return
    state.neighbours = neighbours
    notify('neighbours', { k: neighbours.k })
  }
  await clusterWork.perform(
    request,
    variant,
    { whole: values, half: state.half, tokens },
    {
      neighbours: state.neighbours,
      onNeighbours: found,
      onProgress: (progress) => notify('clustering', progress),
      signal
    }
  )
  delete state.half
  return null
}

process.title = 'spectroscope compute'
// Before any thread starts, because threads inherit the priority. The window, shell and store stay responsive while
// all cores are busy.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL)

const parent = serveParent<ComputeCalls>({
  prepare,
  sample: runSampling,
  openSet: async (request) => {
    const { prepared, model } = await openSet(request)
    Object.assign(state, { study: prepared.study, ...(model === undefined ? {} : { model }) })
    return prepared
  },
  sampleShard: (request, { signal }) =>
    sampleShard(request, {
      model: have(state.model, 'a shard'),
      study: have(state.study, 'a shard'),
      ...samplingNotices,
      signal
    }),
  gather: async (request, { signal }) => {
    await dropSampled()
    const rowStarts = rowStartsOf(have(state.study, 'shards').targets)
    const { estimated, keptSums, shards } = await gatherShards(request, rowStarts, signal)
    return { sampled: kept(estimated, keptSums), shards }
  },
  takeSusceptibilities: async ({ first, count }) => {
    const { columns } = have(state.sampled, 'susceptibilities')
    return {
      susceptibilities: await columns.rows(matrices.susceptibilities, first, count),
      standardErrors: await columns.rows(matrices.standardErrors, first, count)
    }
  },
  takePart: async ({ part, first, count }) => {
    const { columns } = have(state.sampled, 'a part of the draws')
    return { susceptibilities: await columns.rows(matrices.parts + part, first, count) }
  },
  dropSampled,
  beginMatrix: ({ tokens, components }) => {
    delete state.neighbours
    state.matrix = {
      values: new Float32Array(new SharedArrayBuffer(4 * tokens * components)),
      tokens,
      columns: components
    }
    return null
  },
  putMatrix: ({ first, values }) => {
    const matrix = have(state.matrix, 'rows of a matrix')
    matrix.values.set(values, first * matrix.columns)
    return null
  },
  beginNeighbours: ({ tokens, k }) => {
    state.neighbours = {
      k,
      indices: new Int32Array(new SharedArrayBuffer(4 * tokens * k)),
      distances: new Float32Array(new SharedArrayBuffer(4 * tokens * k))
    }
    return null
  },
  putNeighbours: ({ first, indices, distances }) => {
    const neighbours = have(state.neighbours, 'rows of neighbours')
    neighbours.indices.set(indices, first * neighbours.k)
    neighbours.distances.set(distances, first * neighbours.k)
    return null
  },
  measureEngines,
  measureEngine: ({ engine }) => measureEngine(engine),
  describe: (request, { signal }) => {
    const { values, tokens } = have(state.matrix, 'a description')
    return describeClustering({
      ...request,
      matrix: values,
      tokens,
      neighbours: state.neighbours,
      onProgress: tellPart,
      signal
    })
  },
  layOut: (request, { signal }) => {
    const { values, tokens } = have(state.matrix, 'a layout')
    return layOutTokens({
      ...request,
      ...chooseColumns(values, request.components, request.columns),
      tokens,
      neighbours: state.neighbours,
      onProgress: tellPart,
      signal
    })
  },
  previewSignal: async (request, { signal }) => {
    const { components } = await prepare(request)
    return previewSignal(request, {
      model: have(state.model, 'a preview'),
      study: have(state.study, 'a preview'),
      components,
      signal,
      onFraction: (fraction) => tellPart(fraction, undefined)
    })
  },
  meanLoss: (request) => meanLossOf(request, (fraction) => tellPart(fraction, undefined)),
  preview: (request) => previewOf(request, (fraction) => tellPart(fraction, undefined)),
  beginHalf: () => {
    state.half = new Float32Array(new SharedArrayBuffer(have(state.matrix, 'half of a matrix').values.byteLength))
    return null
  },
  putHalf: ({ first, values }) => {
    have(state.half, 'rows of half of a matrix').set(values, first * have(state.matrix, 'a matrix').columns)
    return null
  },
  isClustered: ({ variant, ...request }) =>
    clusterWork.has(request, variant, have(state.matrix, 'a clustering').tokens),
  cluster: runClustering,
  finishClustering: (request) =>
    clusterWork.finish(request, have(state.matrix, 'a clustering').tokens, have(state.neighbours, 'a clustering')),
  measureNoises: async ({ folder, of }) => {
    await writeNoises(folder, of)
    return null
  },
  clusterShard: async (request, { signal }) => {
    await workOnClusters(request, { onProgress: (progress) => notify('clustering', progress), signal })
    return null
  },
  takeNeighbours: ({ first, count }) => {
    const { k, indices, distances } = have(state.neighbours, 'neighbours')
    return { indices: rows(indices, k, first, count), distances: rows(distances, k, first, count) }
  }
})
