/** The one vocabulary that a window, the terminal and the main side share. */
export * from './contract-annotations'
export * from './contract-calls'
export * from './contract-explore'
export * from './contract-progress'
export * from './contract-runs'
export {
  checkedConfiguration, clusteringSchema, configurationSchema, corpusSchema, presetNames, presets, rangeWords, roundsOf,
  samplerKeys, samplerSchema, samplerWords, samplingMethods, standardPreset, suitClustering
} from './configuration'
export type {
  ClusteringConfiguration, CorpusConfiguration, PresetName, RunConfiguration, SamplerConfiguration, SamplingMethod
} from './configuration'
export { fromPlain, messageOf, SpectroscopeError, toPlain } from './errors'
export type { ErrorKind, PlainError } from './errors'
export { leftoverCluster, stageNames } from './records'
export type {
  BlockDiagnostics, ClusteringRecord, ClusterNumber, ClusterSummary, DiagnosticsRecord, LeftoverKind, RunRecord, RunStatus,
  StageName, SubsetCount, TokenCount, TokenInContext, TracePointRecord, TraceRecord
} from './records'
