import { cpus } from 'node:os'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { type Precision, precisions } from '../../preload/precisions'
import type { Architecture, Weights } from '../models/architecture'
import { type Evaluator, type EngineDescription, type Executor, TransformerEvaluator } from './core'
import { cudaDevice, deviceWords, cudaEvaluators, openOnnxCuda, settleCuda, canInstallCuda } from './devices/cuda'
import { openOnnxCpu } from './onnx'
import { ReferenceExecutor, selfCheck } from './reference'
import { canInstallTfjs, openTfjsGpu } from './devices/tfjs'
import { openWebGpu } from './devices/webgpu'

/**
 * An engine as listed by `spectroscope engines`, with all its precisions. `remedy` says what an unavailable one
 * needs.
 */
export interface EngineReport extends EngineDescription {
  readonly available: boolean
  readonly remedy?: string
  /** Name of an installation that makes it available. */
  readonly install?: string
}

/** Tokens that go through the model at once: in a chunk of a minibatch, and in a block of rows at a draw. */
export interface TokensAtOnce {
  readonly chunk: number
  readonly block: number
}

interface Engine {
  /** Throws an `engine` error if it is not available. */
  readonly open: (precision: Precision) => Executor | Promise<Executor>
  /** Device description, used when the engine is not available. */
  readonly device: () => string | Promise<string>
  /** Precisions that a run may request for matrix products. An engine that computes more exactly reports so. */
  readonly precisions: readonly Precision[]
  /** Computes in float32 and rounds to the other precisions, which is slower. Never chosen automatically for them. */
  readonly rounds?: true
  /** Reported precision, if it differs from the requested one. */
  readonly precision?: string
  /** Limit of evaluators, which share one device. */
  readonly evaluators?: number
  /** Preferred batch sizes, if they differ from those that suit a CPU core. */
  readonly tokens?: TokensAtOnce
  /** Prepares the process, before any thread opens the engine. */
  readonly settle?: () => void
  /** Whether it is compared with the float64 reference before use. */
  readonly checked?: true
  /** Name of the installation that it needs and that is possible here. */
  readonly install?: () => string | undefined | Promise<string | undefined>
}

const processor = (): string => cpus()[0]?.model.trim() ?? 'CPU'

const nvidia = async (): Promise<string> => {
  const device = await cudaDevice()
  return device === undefined ? 'NVIDIA GPU' : deviceWords(device)
}

const engines: Readonly<Record<string, Engine>> = {
  'onnx-cpu': { open: openOnnxCpu, device: processor, precisions, rounds: true },
  'onnx-cuda': {
    open: openOnnxCuda,
    device: nvidia,
    precisions,
    evaluators: cudaEvaluators,
    tokens: { chunk: 8192, block: 8192 },
    settle: settleCuda,
    checked: true,
    install: async () => ((await canInstallCuda()) ? 'cuda' : undefined)
  },
  webgpu: {
    open: () => openWebGpu('hardware'),
    device: () => 'GPU',
    precisions: ['float32'],
    evaluators: 1,
    checked: true
  },
  'tfjs-gpu': {
    open: openTfjsGpu,
    device: nvidia,
    precisions: ['float32'],
    evaluators: 1,
    checked: true,
    install: async () => ((await canInstallTfjs()) ? 'tfjs' : undefined)
  },
  reference: { open: () => new ReferenceExecutor(), device: processor, precisions: ['float32'], precision: 'float64' }
}

/** Engines for tests, in which the CPU replaces a device. Enabled by this variable and never listed. */
const testsVariable = 'SPECTROSCOPE_TEST_ENGINES'
const ofTests: Readonly<Record<string, Engine>> = {
  'webgpu-software': {
    open: () => openWebGpu('software'),
    device: processor,
    precisions: ['float32'],
    evaluators: 1,
    checked: true
  }
}

/** Engines that `auto` tries, in order. */
const automatic = ['onnx-cuda', 'onnx-cpu'] as const

const knownEngine = (name: string): Engine | undefined => {
  if (Object.hasOwn(engines, name)) return engines[name]
  return (process.env[testsVariable] ?? '') !== '' && Object.hasOwn(ofTests, name) ? ofTests[name] : undefined
}

const engineOf = (name: string): Engine => {
  const engine = knownEngine(name)
  if (engine === undefined)
    throw new SpectroscopeError(
      'engine',
      `There is no engine "${name}"; choose one of ${['auto', ...Object.keys(engines)].join(', ')}.`
    )
  return engine
}

const has = (name: string, precision: Precision): boolean => engineOf(name).precisions.includes(precision)

/** Whether the engine is a good choice for the precision. */
const suits = (name: string, precision: Precision): boolean =>
  has(name, precision) && (precision === 'float32' || engineOf(name).rounds !== true)

/** Throws an `engine` error if there is no such engine or it does not support the precision. */
export const checkEngine = (name: string, precision: Precision = 'float32'): void => {
  if (name === 'auto' ? automatic.some((each) => suits(each, precision)) : has(name, precision)) return
  const others = Object.keys(engines).filter((each) => suits(each, precision))
  throw new SpectroscopeError(
    'engine',
    `${name} does not compute in ${precision}; choose ${others.join(' or ')}, or set "precision" to "float32".`
  )
}

/**
 * Opens the engine's executor for one thread. Throws an `engine` error if the engine is unknown, cannot be loaded, or
 * lacks the precision.
 */
export const openEngine = async (name: string, precision: Precision = 'float32'): Promise<Executor> => {
  checkEngine(name, precision)
  return engineOf(name).open(precision)
}

/**
 * Creates an evaluator of the model at w* for one thread. Throws an `engine` error if the engine is unknown or cannot
 * be loaded.
 */
export const createEvaluator = async (
  engine: string,
  architecture: Architecture,
  weights: Weights,
  precision: Precision = 'float32'
): Promise<Evaluator> => new TransformerEvaluator(await openEngine(engine, precision), architecture, weights)

/** Prepares this process for evaluators opened by its threads. */
export const settleEngine = (engine: string): void => {
  knownEngine(engine)?.settle?.()
}

/** Number of evaluators for the given threads. Few, if they share one device. */
export const evaluatorsOf = (engine: string, threads: number): number =>
  Math.min(threads, knownEngine(engine)?.evaluators ?? Infinity)

/** The engine's preferred batch sizes, else `fallback`. */
export const tokensAtOnce = (engine: string, fallback: TokensAtOnce): TokensAtOnce =>
  knownEngine(engine)?.tokens ?? fallback

/** Whether its evaluators share one device. */
export const hasDevice = (engine: string): boolean => knownEngine(engine)?.evaluators !== undefined

/**
 * Opens the engine to describe it. Throws an `engine` error if it is unknown, cannot be loaded, or computes wrongly.
 */
export const describeEngine = async (engine: string, precision: Precision = 'float32'): Promise<EngineDescription> => {
  const executor = await openEngine(engine, precision)
  try {
    if (engineOf(engine).checked === true) await selfCheck(executor, precision)
    return executor.description
  } finally {
    await executor.dispose()
  }
}

/** Version of an engine that is only on other machines. */
export const unknownVersion = 'unknown'

/**
 * Describes an engine that may be only on other machines, then without its version. Throws the errors of
 * `checkEngine`.
 */
export const describeElsewhere = async (name: string, precision: Precision = 'float32'): Promise<EngineDescription> => {
  checkEngine(name, precision)
  return describeEngine(name, precision).catch(async () => {
    const { device, precision: own = precision } = engineOf(name)
    return { name, device: await device(), precision: own, version: unknownVersion }
  })
}

/**
 * Resolves an engine name of a configuration: `auto` is the fastest engine that works here. Throws an `engine` error
 * if there is none of that name or precision.
 */
export const resolveEngine = async (name: string, precision: Precision = 'float32'): Promise<string> => {
  checkEngine(name, precision)
  if (name !== 'auto') return name
  const candidates = automatic.filter((each) => suits(each, precision))
  for (const candidate of candidates.slice(0, -1)) {
    const works = await describeEngine(candidate, precision).then(
      () => true,
      () => false
    )
    if (works) return candidate
  }
  return candidates[candidates.length - 1]
}

/** Resolves `auto` when the available engines are already known. */
export const resolveAmong = (name: string, available: readonly string[]): string =>
  name === 'auto' ? (automatic.find((each) => available.includes(each)) ?? automatic[automatic.length - 1]) : name

/** Reports on one engine. Throws an `engine` error if there is none of that name. */
export const reportEngine = async (name: string): Promise<EngineReport> => {
  const { device, precisions, precision = precisions.join(', '), install } = engineOf(name)
  try {
    const description = await describeEngine(name)
    return {
      ...description,
      precision,
      device: description.device === 'CPU' ? processor() : description.device,
      available: true
    }
  } catch (error) {
    const installed = await install?.()
    return {
      name,
      device: await device(),
      precision,
      version: '',
      available: false,
      remedy: messageOf(error),
      ...(installed === undefined ? {} : { install: installed })
    }
  }
}

export const listEngines = async (): Promise<EngineReport[]> => {
  const reports: EngineReport[] = []
  for (const name of Object.keys(engines)) reports.push(await reportEngine(name))
  return reports
}
