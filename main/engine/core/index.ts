export { type Evaluator, type Prefix, type Rows, type StackedEvaluator, oneByOne } from './evaluator'
export {
  type Bound,
  type EngineDescription,
  type Executor,
  OutOfDeviceMemory,
  type Program,
  type Resident,
  isResident
} from './executor'
export { type Graph, GraphBuilder, type Node, type Scores, type Value, partRows, size, valuesRead } from './graph'
export { type ProgramPeak, heldWeightBytes, ownWeightBytes, programPeaks } from './memory'
export { pieceOperations, prefixOperations, programName } from './operations'
export { TransformerEvaluator } from './transformer-evaluator'
export { areLong, prefixBytes } from './extent'
export { programBytes } from './programs'
