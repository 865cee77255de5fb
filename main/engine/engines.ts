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
 * An engine as `spectroscope engines` lists it, with all its precisions; `remedy` says what an unavailable one needs.
 */
export interface EngineReport extends EngineDescription {
  readonly available: boolean
  readonly remedy?: string
  /** By what name something can be installed for an unavailable one. */
  readonly install?: string
}

/** Tokens of a minibatch that go through the model at once, and of a block of rows at a draw. */
export interface TokensAtOnce {
  readonly chunk: number
  readonly block: number
}

interface Engine {
  /** Throws an `engine` error where it can't be had. */
  readonly open: (precision: Precision) => Executor | Promise<Executor>
  /** What it computes on, for where it can't be had. */
  readonly device: () => string | Promise<string>
  /** What a run may ask its products to be computed in; one that computes more exactly says so itself. */
  readonly precisions: readonly Precision[]
  /** Computes in float32 and rounds to the others, more slowly: never chosen for them. */
  readonly rounds?: true
  /** Its own, where that is another. */
  readonly precision?: string
  /** No more evaluators than these are opened, as they have one device together. */
  readonly evaluators?: number
  /**
   * Tokens of a minibatch that go through the model at once, and of a block of rows at a draw, where not what suits a
   * core.
   */
  readonly tokens?: TokensAtOnce
  /** Sets this process up, before any thread opens it. */
  readonly settle?: () => void
  /** Compared with the float64 reference before it is used. */
  readonly checked?: true
  /** By what name what it needs can be installed here. */
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

/** The processor in a device's place, for tests: this variable has them, and they are in no list. */
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

/** What `auto` means: the first of them that is here and works. */
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

/** Whether it is what one would choose for that precision. */
const suits = (name: string, precision: Precision): boolean =>
  has(name, precision) && (precision === 'float32' || engineOf(name).rounds !== true)

/** Throws an `engine` error where there is no engine of the name, or it does not compute in that precision. */
export const checkEngine = (name: string, precision: Precision = 'float32'): void => {
  if (name === 'auto' ? automatic.some((each) => suits(each, precision)) : has(name, precision)) return
  const others = Object.keys(engines).filter((each) => suits(each, precision))
  throw new SpectroscopeError(
    'engine',
    `${name} does not compute in ${precision}; choose ${others.join(' or ')}, or set "precision" to "float32".`
  )
}

/**
 * The engine's executor, for one thread. Throws an `engine` error if the engine is unknown, cannot be loaded, or
 * lacks that precision.
 */
export const openEngine = async (name: string, precision: Precision = 'float32'): Promise<Executor> => {
  checkEngine(name, precision)
  return engineOf(name).open(precision)
}

/**
 * An evaluator of the model at w*, for one thread. Throws an `engine` error if the engine is unknown or cannot be
 * loaded.
 */
export const createEvaluator = async (
  engine: string,
  architecture: Architecture,
  weights: Weights,
  precision: Precision = 'float32'
): Promise<Evaluator> => new TransformerEvaluator(await openEngine(engine, precision), architecture, weights)

/**
 * Sets this process up for evaluators that its threads will open. Throws an `engine` error where it is set up for
 * another precision.
 */
export const settleEngine = (engine: string): void => {
  knownEngine(engine)?.settle?.()
}

/** Evaluators that so many threads are to have: where they have one device together, there are few. */
export const evaluatorsOf = (engine: string, threads: number): number =>
  Math.min(threads, knownEngine(engine)?.evaluators ?? Infinity)

/** Tokens that an engine takes at once; `fallback` where it has no wish. */
export const tokensAtOnce = (engine: string, fallback: TokensAtOnce): TokensAtOnce =>
  knownEngine(engine)?.tokens ?? fallback

/** Whether its evaluators have one device together. */
export const hasDevice = (engine: string): boolean => knownEngine(engine)?.evaluators !== undefined

/**
 * Opens the engine to see what it is. Throws an `engine` error if it is unknown, cannot be loaded, or computes
 * wrongly.
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

/** The version of an engine that is on other machines only. */
export const unknownVersion = 'unknown'

/** Describes an engine that may be on other machines only, then without its version. Errors as of `checkEngine`. */
export const describeElsewhere = async (name: string, precision: Precision = 'float32'): Promise<EngineDescription> => {
  checkEngine(name, precision)
  return describeEngine(name, precision).catch(async () => {
    const { device, precision: own = precision } = engineOf(name)
    return { name, device: await device(), precision: own, version: unknownVersion }
  })
}

/**
 * The engine that a name of the configuration means: `auto` is the fastest one that is here and works. Throws an
 * `engine` error if there is none of the name, or none of that precision.
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

/** What `auto` means where it is known already which engines are here. */
export const resolveAmong = (name: string, available: readonly string[]): string =>
  name === 'auto' ? (automatic.find((each) => available.includes(each)) ?? automatic[automatic.length - 1]) : name

/** Throws an `engine` error if there is no engine of the name. */
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
