import { cpus } from 'node:os'
import { SpectroscopeError } from '../../preload/errors'
import type { Architecture, Weights } from '../models/architecture'
import type { Evaluator } from './evaluator'
import type { EngineDescription, Executor } from './executor'
import { openOnnxCpu } from './onnx/executor'
import { ReferenceExecutor } from './reference/executor'
import { canInstall, openTfjsGpu } from './tfjs/installation'
import { TransformerEvaluator } from './transformer-evaluator'

/** An engine as `spectroscope engines` lists it; `remedy` says what an unavailable one needs. */
export interface EngineReport extends EngineDescription {
  readonly available: boolean
  readonly remedy?: string
  /** By what name something can be installed for an unavailable one. */
  readonly install?: string
}

interface Engine {
  /** Throws an `engine` error where it can't be had. */
  readonly open: () => Executor | Promise<Executor>
  /** What it computes on, for where it can't be had. */
  readonly device: string
  readonly precision: string
  /** One evaluator has the whole device: no more than one of them is opened. */
  readonly single?: true
  /** By what name what it needs can be installed here. */
  readonly install?: () => string | undefined
}

const engines: Readonly<Record<string, Engine>> = {
  'onnx-cpu': { open: openOnnxCpu, device: 'CPU', precision: 'float32' },
  'tfjs-gpu': { open: openTfjsGpu, device: 'NVIDIA GPU', precision: 'float32', single: true, install: () => (canInstall() ? 'tfjs' : undefined) },
  reference: { open: () => new ReferenceExecutor(), device: 'CPU', precision: 'float64' }
}

const engineOf = (name: string): Engine => {
  if (!Object.hasOwn(engines, name)) throw new SpectroscopeError('engine', `There is no engine "${name}"; choose one of ${['auto', ...Object.keys(engines)].join(', ')}.`)
  return engines[name]
}

/** An evaluator of the model at w*, for one thread. Throws an `engine` error if the engine is unknown or cannot be loaded. */
export const createEvaluator = async (engine: string, architecture: Architecture, weights: Weights): Promise<Evaluator> =>
  new TransformerEvaluator(await engineOf(engine).open(), architecture, weights)

/** Evaluators that so many threads are to have: where one has the whole device, there is one thread for it. */
export const evaluatorsOf = (engine: string, threads: number): number => (Object.hasOwn(engines, engine) && engines[engine].single === true ? 1 : threads)

/** Opens the engine to see what it is. Throws an `engine` error if it is unknown or cannot be loaded. */
export const describeEngine = async (engine: string): Promise<EngineDescription> => {
  const executor = await engineOf(engine).open()
  await executor.dispose()
  return executor.description
}

/** The engine that a name of the configuration means: `auto` is the fastest one here. Throws an `engine` error if there is none of the name. */
export const resolveEngine = (name: string): Promise<string> => {
  const engine = name === 'auto' ? 'onnx-cpu' : name
  engineOf(engine)
  return Promise.resolve(engine)
}

const report = async (name: string): Promise<EngineReport> => {
  const { device, precision } = engines[name]
  try {
    const description = await describeEngine(name)
    return { ...description, device: description.device === 'CPU' ? (cpus()[0]?.model.trim() ?? 'CPU') : description.device, available: true }
  } catch (error) {
    const installed = engines[name].install?.()
    return {
      name, device, precision, version: '', available: false, remedy: error instanceof Error ? error.message : String(error),
      ...(installed === undefined ? {} : { install: installed })
    }
  }
}

export const listEngines = async (): Promise<EngineReport[]> => {
  const reports: EngineReport[] = []
  for (const name of Object.keys(engines)) reports.push(await report(name))
  return reports
}
