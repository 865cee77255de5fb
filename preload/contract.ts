/** Types and words shared by window, terminal and main side. */
export {
  clusteringWords,
  groupCount,
  groupName,
  mayNotBeThere,
  recallWords,
  ruleWords,
  stabilityWords
} from './clustering-words'
export * from './contract-annotations'
export * from './contract-calls'
export * from './contract-explore'
export * from './contract-naming'
export * from './contract-notices'
export * from './contract-progress'
export * from './contract-runs'
export * from './contract-settings'
export * from './contract-sweeps'
export {
  checkedConfiguration,
  clusteringMethods,
  clusteringSchema,
  configurationSchema,
  corpusSchema,
  presetNames,
  presets,
  rangeWords,
  roundsOf,
  samplerKeys,
  samplerSchema,
  samplerWords,
  samplingMethods,
  standardPreset,
  suitClustering
} from './configuration'
export type {
  ClusteringConfiguration,
  ClusteringMethod,
  ClusteringSettings,
  CorpusConfiguration,
  PresetName,
  RunConfiguration,
  SamplerConfiguration,
  SamplingMethod
} from './configuration'
export { contentsWords, corpusWords } from './corpus-contents'
export type { CorpusContents } from './corpus-contents'
export {
  changedBody,
  clusterOf,
  clusterTarget,
  emptyLabel,
  changedLabel,
  isSelection,
  parseTarget,
  sameTokens,
  selectionOf,
  statusAfterNaming,
  tidyName
} from './label-rules'
export type { Signature } from './label-rules'
export { alsoNamed, comparedName, countStatuses, labelledGroups, quoted, saidOf } from './labels'
export type { ClusterShardPlan, ShardFolder, ShardPlan, ShardState, ShardStatus } from './shards'
export type { Said } from './labels'
export { fromPlain, messageOf, SpectroscopeError, toPlain } from './errors'
export type { ErrorKind, PlainError } from './errors'
export { groupKinds, leftoverCluster, stableFrom, stageNames } from './records'
export type {
  BlockDiagnostics,
  ClusteringRecord,
  ClusterNumber,
  ClusterSummary,
  DiagnosticsRecord,
  GroupKind,
  LeftoverKind,
  LevelStability,
  ResolutionPoint,
  RuleCondition,
  RuleRecord,
  RunRecord,
  RunStatus,
  StabilityRecord,
  StageName,
  SubsetCount,
  TokenCount,
  TokenInContext,
  TracePointRecord,
  TraceRecord
} from './records'
export { limits } from './limits'
export { escapeMarkup } from './markup'
export { componentNamed } from './devinterp-names'
export { quotedToken, tellingShare, tokenKind } from './token-names'
export { hiddenIn, visibleLines, visibleText } from './visible'
