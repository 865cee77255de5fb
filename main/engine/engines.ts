import { cpus } from 'node:os'
import { SpectroscopeError } from '../../preload/errors'
import type { Architecture, Weights } from '../models/architecture'
import type { Evaluator } from './evaluator'
import type { EngineDescription, Executor } from './executor'
import { OnnxCpuExecutor } from './onnx/executor'
import { ReferenceExecutor } from './reference/executor'
import { TransformerEvaluator } from './transformer-evaluator'

/** An engine as `spectroscope engines` lists it; `remedy` says what an unavailable one needs. */
export interface EngineReport extends EngineDescription {
  readonly available: boolean
  readonly remedy?: string
}

const executors: Readonly<Record<string, () => Executor>> = {
  'onnx-cpu': () => new OnnxCpuExecutor(),
  reference: () => new ReferenceExecutor()
}

const executor = (engine: string): Executor => {
  const make = executors[engine]
  if (make === undefined) throw new SpectroscopeError('engine', `There is no engine "${engine}"; choose one of ${['auto', ...Object.keys(executors)].join(', ')}.`)
  return make()
}

/** An evaluator of the model at w*, for one thread. Throws an `engine` error if the engine is unknown or cannot be loaded. */
export const createEvaluator = (engine: string, architecture: Architecture, weights: Weights): Promise<Evaluator> =>
  Promise.resolve(new TransformerEvaluator(executor(engine), architecture, weights))

export const describeEngine = (engine: string): EngineDescription => executor(engine).description

/** The engine that a name of the configuration means: `auto` is the fastest one here. */
export const resolveEngine = (name: string): Promise<string> => {
  const engine = name === 'auto' ? 'onnx-cpu' : name
  describeEngine(engine)
  return Promise.resolve(engine)
}

export const listEngines = (): Promise<EngineReport[]> =>
  Promise.resolve(
    Object.keys(executors).map((name) => {
      try {
        const description = describeEngine(name)
        return { ...description, device: cpus()[0]?.model.trim() ?? description.device, available: true }
      } catch (error) {
        return { name, device: 'CPU', precision: 'float32', version: '', available: false, remedy: error instanceof Error ? error.message : String(error) }
      }
    })
  )
