import type { ClusteringProgress } from '../clustering/cluster'
import type { DescribeOrder } from '../clustering/tasks'
import type { Structure } from '../clustering/structure'
import type { Variant } from '../clustering/variants'
import type { ChainTrace, ComponentDiagnostics } from '../sampling/diagnostics'
import type { ChainName, SamplingInput, SamplingProgress, TracePoint } from '../sampling/input'
import type { ClusteringConfiguration, RunConfiguration } from '../../preload/configuration'
import type { CorpusPreview, EngineRate, SignalPreview } from '../../preload/contract'
import type { ClusteringDescription, EngineProvenance, LayoutRecord, StudyRecord } from '../../preload/records'

/** Input of the compute process. Paths are absolute. */
export interface PrepareRequest {
  readonly configuration: RunConfiguration
  readonly baseFolder: string
  /** Overrides the engine of the configuration. */
  readonly engine?: string | undefined
  /** Set if the engine need not be on this machine, because others will sample. */
  readonly mayBeElsewhere?: boolean
}

/** Token ids, and the text of each. */
export interface TokenTexts {
  readonly ids: Int32Array
  readonly words: readonly string[]
  /** `Tokenizer.prefix`; absent in the folders of divided runs of older versions. */
  readonly prefix?: string
}

/** Facts about a model and its rows that the shell and the store need. */
export interface Prepared {
  readonly modelHash: string
  readonly tokenizerHash: string | null
  readonly engine: EngineProvenance
  readonly components: readonly string[]
  readonly parameters: number
  readonly study: StudyRecord
  /** Texts of all token ids in the rows; null without a tokenizer. */
  readonly texts: TokenTexts | null
  readonly tokens: number
}

export interface SampleRequest extends Pick<
  SamplingInput,
  'components' | 'sampler' | 'seed' | 'observationIncludesProbe' | 'engine' | 'precision' | 'threads'
> {
  readonly folder: string
  readonly everySeconds: number
  readonly fingerprint: string
  /** File for the matrices until they are stored. */
  readonly columns: string
  /** Files of the sums to continue from, and of those to save. Only for methods with rounds. */
  readonly begun?: string | undefined
  readonly keep?: string | undefined
  /** Hash that sums must share to be continued. */
  readonly basis: string
}

/** Result of sampling. Its matrices are fetched in blocks of rows. */
export interface Sampled {
  readonly tokens: number
  /** Names of the columns: the requested components, except those whose chains all failed. */
  readonly components: readonly string[]
  readonly initialLoss: number
  readonly diagnostics: readonly ComponentDiagnostics[]
  readonly traces: readonly ChainTrace[]
  /** Number of parts of the draws with their own estimate. */
  readonly parts: number
  /** Size of the saved sums in bytes; null if none were saved. */
  readonly keptSums: number | null
}

/** A shard set to open: its rows, and with `withModel` its model. */
export interface OpenSetRequest {
  readonly folder: string
  readonly withModel: boolean
}

export interface ShardRequest extends Omit<SampleRequest, 'columns' | 'begun' | 'keep' | 'basis'> {
  readonly chains: readonly ChainName[]
  /** File of the result, and its header. */
  readonly result: string
  readonly about: Omit<ShardAbout, 'seconds' | 'finishedAt'>
  /** Seconds spent on it before an interruption. */
  readonly secondsBefore: number
}

/** Header of a shard's result. */
export interface ShardAbout {
  readonly set: string
  readonly shard: number
  readonly host: string
  readonly processor: string
  readonly program: string
  readonly engine: EngineProvenance
  readonly threads: number
  readonly finishedAt: string
  /** Seconds of sampling, over all interruptions. */
  readonly seconds: number
}

export interface GatherRequest
  extends Pick<SamplingInput, 'components' | 'sampler'>, Pick<SampleRequest, 'columns' | 'keep' | 'basis'> {
  readonly set: string
  /** Result files of all shards, in order. */
  readonly results: readonly string[]
}

/** Estimates from shards, and the headers of their results. */
export interface Gathered {
  readonly sampled: Sampled
  readonly shards: readonly ShardAbout[]
}

/** A model's folder, and rows of token ids. */
export interface MeanLossRequest {
  readonly model: string
  readonly rows: readonly Int32Array[]
  readonly engine: string
}

export interface Block {
  /** Index of the block's first token, and number of tokens. */
  readonly first: number
  readonly count: number
}

export interface ClusterRequest {
  readonly configuration: ClusteringConfiguration
  /** Columns used for clustering. */
  readonly columns: readonly number[]
  readonly components: readonly string[]
  readonly seed: number
  readonly threads: number
  readonly folder: string
  readonly everySeconds: number
  readonly fingerprint: string
  /** Number of parts of the draws used for comparison; 0 for none. */
  readonly parts: number
  /** Folder of shards whose results are used, if the clustering was divided. */
  readonly gathered?: string | undefined
}

/** Request to run one shard of a clustering. */
export interface ClusterShardRequest {
  readonly folder: string
  readonly shard: number
  readonly threads: number
  readonly everySeconds: number
  readonly about: Omit<ShardAbout, 'engine' | 'seconds' | 'finishedAt'>
  /** Seconds spent on it before an interruption. */
  readonly secondsBefore: number
}

export interface VariantRequest extends ClusterRequest {
  readonly variant: Variant
}

/** Input of `describe`, in addition to the matrix and neighbours that the process already has. */
export type DescribeRequest = Omit<DescribeOrder, 'matrix' | 'tokens' | 'neighbours'>

export interface LayOutRequest {
  readonly columns: readonly number[]
  readonly components: readonly string[]
  readonly whiten: boolean
  readonly seed: number
}

export interface PreviewSignalRequest extends PrepareRequest {
  readonly threads: number
  /** Seconds after which no further component is started. */
  readonly seconds: number
}

export interface PreviewRequest extends PrepareRequest {
  /** Number of rows to show. */
  readonly rows: number
  /** Seconds after which no further document is read. */
  readonly seconds: number
}

/** Calls of the compute process. Large arrays are sent in blocks of tokens, to avoid copies on both sides. */
export interface ComputeCalls {
  readonly prepare: { readonly parameters: PrepareRequest; readonly result: Prepared }
  readonly sample: { readonly parameters: SampleRequest; readonly result: Sampled }
  readonly openSet: { readonly parameters: OpenSetRequest; readonly result: Prepared }
  readonly sampleShard: {
    readonly parameters: ShardRequest
    readonly result: {
      readonly failed: readonly { readonly component: string; readonly chain: number; readonly message: string }[]
    }
  }
  readonly gather: { readonly parameters: GatherRequest; readonly result: Gathered }
  readonly takeSusceptibilities: {
    readonly parameters: Block
    readonly result: { readonly susceptibilities: Float32Array; readonly standardErrors: Float32Array }
  }
  /** Rows of the estimate from one part of the draws. */
  readonly takePart: {
    readonly parameters: Block & { readonly part: number }
    readonly result: { readonly susceptibilities: Float32Array }
  }
  /** Frees the result of sampling after it is stored. */
  readonly dropSampled: { readonly parameters: null; readonly result: null }
  readonly beginMatrix: {
    readonly parameters: { readonly tokens: number; readonly components: number }
    readonly result: null
  }
  readonly putMatrix: {
    readonly parameters: { readonly first: number; readonly values: Float32Array }
    readonly result: null
  }
  readonly beginNeighbours: {
    readonly parameters: { readonly tokens: number; readonly k: number }
    readonly result: null
  }
  readonly putNeighbours: {
    readonly parameters: { readonly first: number; readonly indices: Int32Array; readonly distances: Float32Array }
    readonly result: null
  }
  /** Starts the matrix of one half of the draws. It is freed after clustering. */
  readonly beginHalf: { readonly parameters: null; readonly result: null }
  readonly putHalf: {
    readonly parameters: { readonly first: number; readonly values: Float32Array }
    readonly result: null
  }
  /** Whether a matrix is already clustered and need not be sent. */
  readonly isClustered: { readonly parameters: VariantRequest; readonly result: boolean }
  /** Clusters one matrix. The process keeps the result until all are done. */
  readonly cluster: { readonly parameters: VariantRequest; readonly result: null }
  /** Combines the clusterings of the whole matrix and of the comparisons. */
  readonly finishClustering: { readonly parameters: ClusterRequest; readonly result: Structure }
  /** Describes clusters from the matrix and neighbours that were sent; without them, from token patterns alone. */
  readonly describe: { readonly parameters: DescribeRequest; readonly result: ClusteringDescription }
  readonly layOut: { readonly parameters: LayOutRequest; readonly result: LayoutRecord }
  readonly preview: { readonly parameters: PreviewRequest; readonly result: CorpusPreview }
  readonly measureEngines: { readonly parameters: null; readonly result: readonly EngineRate[] }
  readonly measureEngine: { readonly parameters: { readonly engine: string }; readonly result: EngineRate }
  /** Mean loss of a model at w* over rows, in nats per token. */
  readonly meanLoss: { readonly parameters: MeanLossRequest; readonly result: number }
  readonly previewSignal: { readonly parameters: PreviewSignalRequest; readonly result: SignalPreview }
  /** Measures the noise of the halves in a set that is being written. */
  readonly measureNoises: {
    readonly parameters: { readonly folder: string; readonly of: MatricesOf }
    readonly result: null
  }
  readonly clusterShard: { readonly parameters: ClusterShardRequest; readonly result: null }
  readonly takeNeighbours: {
    readonly parameters: Block
    readonly result: { readonly indices: Int32Array; readonly distances: Float32Array }
  }
}

/** Notices that the compute process sends during a call. */
export interface ComputeNotices {
  readonly preparing: { readonly done: number; readonly total: number }
  readonly sampling: SamplingProgress
  readonly trace: TracePoint
  readonly chainEnded: { readonly component: string; readonly chain: number; readonly message: string }
  /** The neighbours can be fetched now. */
  readonly neighbours: { readonly k: number }
  readonly clustering: ClusteringProgress
  /** Fraction done of a description, layout or preview. */
  readonly part: { readonly fraction: number; readonly secondsLeft: number | undefined }
}

/** Identity and shape of a set's matrices. */
export interface MatricesOf {
  readonly fingerprint: string
  readonly tokens: number
  readonly components: readonly string[]
  readonly parts: number
  readonly seed: number
}
