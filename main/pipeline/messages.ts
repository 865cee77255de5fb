import type { ClusteringProgress } from '../clustering/cluster'
import type { DescribeOrder } from '../clustering/tasks'
import type { Structure } from '../clustering/structure'
import type { Variant } from '../clustering/variants'
import type { ChainTrace, ComponentDiagnostics } from '../sampling/diagnostics'
import type { ChainName, SamplingInput, SamplingProgress, TracePoint } from '../sampling/input'
import type { ClusteringConfiguration, RunConfiguration } from '../../preload/configuration'
import type { CorpusPreview, EngineRate, SignalPreview } from '../../preload/contract'
import type { ClusteringDescription, EngineProvenance, LayoutRecord, StudyRecord } from '../../preload/records'

/** What the compute process is asked to read: paths are absolute. */
export interface PrepareRequest {
  readonly configuration: RunConfiguration
  readonly baseFolder: string
  /** In place of the configuration's. */
  readonly engine?: string | undefined
  /** Whether the engine has to be on this machine: not where others will sample. */
  readonly mayBeElsewhere?: boolean
}

/** Token ids and, for each, its text. */
export interface TokenTexts {
  readonly ids: Int32Array
  readonly words: readonly string[]
}

/** A model and its rows, as far as the terminal's process and the store need to know them. */
export interface Prepared {
  readonly modelHash: string
  readonly tokenizerHash: string | null
  readonly engine: EngineProvenance
  readonly components: readonly string[]
  readonly parameters: number
  readonly study: StudyRecord
  /** Of every token id that occurs in the rows; null without a tokenizer. */
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
  /** Where the matrices lie until they are stored. */
  readonly columns: string
  /** Sums of the run that this one continues, and where its own are kept; of methods that go in rounds. */
  readonly begun?: string | undefined
  readonly keep?: string | undefined
  /** Stands for all that sums must have in common, to go on with them. */
  readonly basis: string
}

/** What sampling found, less its matrices, which are fetched in blocks of rows. */
export interface Sampled {
  readonly tokens: number
  /** Names of the columns: the components asked for, less those whose chains all failed. */
  readonly components: readonly string[]
  readonly initialLoss: number
  readonly diagnostics: readonly ComponentDiagnostics[]
  readonly traces: readonly ChainTrace[]
  /** How many parts of the draws there are estimates of. */
  readonly parts: number
  /** Bytes of the sums that were kept; null where none were. */
  readonly keptSums: number | null
}

/** A set of shards to work on: the rows, and the model where chains are to be sampled. */
export interface OpenSetRequest {
  readonly folder: string
  readonly withModel: boolean
}

export interface ShardRequest extends Omit<SampleRequest, 'columns' | 'begun' | 'keep' | 'basis'> {
  readonly chains: readonly ChainName[]
  /** Where what comes of them goes, with what there is to say about it. */
  readonly result: string
  readonly about: Omit<ShardAbout, 'seconds' | 'finishedAt'>
  /** Of sampling it, before it was interrupted. */
  readonly secondsBefore: number
}

/** What a shard's result says of itself. */
export interface ShardAbout {
  readonly set: string
  readonly shard: number
  readonly host: string
  readonly processor: string
  readonly program: string
  readonly engine: EngineProvenance
  readonly threads: number
  readonly finishedAt: string
  /** Of sampling, all interruptions taken together. */
  readonly seconds: number
}

export interface GatherRequest
  extends Pick<SamplingInput, 'components' | 'sampler'>, Pick<SampleRequest, 'columns' | 'keep' | 'basis'> {
  readonly set: string
  /** Results of all shards, in order. */
  readonly results: readonly string[]
}

/** What shards came to, and who sampled them. */
export interface Gathered {
  readonly sampled: Sampled
  readonly shards: readonly ShardAbout[]
}

export interface Block {
  /** Index of the block's first token, and tokens in it. */
  readonly first: number
  readonly count: number
}

export interface ClusterRequest {
  readonly configuration: ClusteringConfiguration
  /** Columns that are clustered by. */
  readonly columns: readonly number[]
  readonly components: readonly string[]
  readonly seed: number
  readonly threads: number
  readonly folder: string
  readonly everySeconds: number
  readonly fingerprint: string
  /** Parts of the draws that it is compared with; 0 for no comparison. */
  readonly parts: number
  /** Folder of the shards that the clustering was divided into, whose results are taken. */
  readonly gathered?: string | undefined
}

/** Work on one shard of a clustering. */
export interface ClusterShardRequest {
  readonly folder: string
  readonly shard: number
  readonly threads: number
  readonly everySeconds: number
  readonly about: Omit<ShardAbout, 'engine' | 'seconds' | 'finishedAt'>
  /** Of working on it, before it was interrupted. */
  readonly secondsBefore: number
}

export interface VariantRequest extends ClusterRequest {
  readonly variant: Variant
}

/** What `describe` adds to the matrix and the neighbours that the process has. */
export type DescribeRequest = Omit<DescribeOrder, 'matrix' | 'tokens' | 'neighbours'>

export interface LayOutRequest {
  readonly columns: readonly number[]
  readonly components: readonly string[]
  readonly whiten: boolean
  readonly seed: number
}

export interface PreviewSignalRequest extends PrepareRequest {
  readonly threads: number
  /** Components are begun until then. */
  readonly seconds: number
}

export interface PreviewRequest extends PrepareRequest {
  /** Rows to show. */
  readonly rows: number
  /** After this long no more documents are read. */
  readonly seconds: number
}

/** Calls of the compute process. Large arrays go in blocks of tokens, so that neither side holds many copies. */
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
  /** Lets go of what was sampled, once it is stored. */
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
  /** Half of the draws, likewise; let go of when it is clustered. */
  readonly beginHalf: { readonly parameters: null; readonly result: null }
  readonly putHalf: {
    readonly parameters: { readonly first: number; readonly values: Float32Array }
    readonly result: null
  }
  /** Whether a matrix is clustered already, so that it need not be sent. */
  readonly isClustered: { readonly parameters: VariantRequest; readonly result: boolean }
  /** Clusters one matrix; what it came to is kept until all are there. */
  readonly cluster: { readonly parameters: VariantRequest; readonly result: null }
  /** Puts together a clustering of the whole and what it is compared with: halves of so many parts of the draws. */
  readonly finishClustering: { readonly parameters: ClusterRequest; readonly result: Structure }
  /** Of the matrix and the neighbours that were sent; of the patterns alone where neither was. */
  readonly describe: { readonly parameters: DescribeRequest; readonly result: ClusteringDescription }
  readonly layOut: { readonly parameters: LayOutRequest; readonly result: LayoutRecord }
  readonly preview: { readonly parameters: PreviewRequest; readonly result: CorpusPreview }
  readonly measureEngines: { readonly parameters: null; readonly result: readonly EngineRate[] }
  readonly measureEngine: { readonly parameters: { readonly engine: string }; readonly result: EngineRate }
  readonly previewSignal: { readonly parameters: PreviewSignalRequest; readonly result: SignalPreview }
  /** Measures the noise of the halves among the matrices of a set that is being written. */
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

/** What the compute process tells while a call is at work. */
export interface ComputeNotices {
  readonly preparing: { readonly done: number; readonly total: number }
  readonly sampling: SamplingProgress
  readonly trace: TracePoint
  readonly chainEnded: { readonly component: string; readonly chain: number; readonly message: string }
  /** The neighbours are there to be fetched. */
  readonly neighbours: { readonly k: number }
  readonly clustering: ClusteringProgress
  /** Share done of a description, a layout or a preview. */
  readonly part: { readonly fraction: number; readonly secondsLeft: number | undefined }
}

/** Whose matrices they are. */
export interface MatricesOf {
  readonly fingerprint: string
  readonly tokens: number
  readonly components: readonly string[]
  readonly parts: number
  readonly seed: number
}
