import type { Evaluator, OwnWeights, Prefix, Rows, StackedEvaluator } from '../../main/engine/core/evaluator'
import { componentSlices, flatten } from '../../main/models/components'
import { resultOfBlocks } from '../../main/sampling/block-columns'
import { type BlockSums, type SampledBlock, type SampledBlocks } from '../../main/sampling/sampled'
import { sampleBlocks } from '../../main/sampling/blocks-sampler'
import type { SamplingResult } from '../../main/sampling/estimates'
import type { BlocksInput, ChainName, SamplingTransport } from '../../main/sampling/input'
import { localLane } from '../local-lane'
import { type OpenLane } from '../../main/sampling/lane'
import { rowStartsOf } from '../../main/sampling/rows'
import type { SharedRun, Task, TaskResult } from '../../main/sampling/tasks'
import { presets } from '../../preload/configuration'
import type { BlockConfiguration, FirstOrderConfiguration, GradientConfiguration } from '../../preload/configuration'
import { architecture, weights } from './sampling-fake'

const centres = new Map<string, Float32Array>()

/** u* of a component. */
export const centre = (component: string): Float32Array => {
  const known = centres.get(component) ?? flatten(weights, componentSlices(architecture, weights, component))
  centres.set(component, known)
  return known
}

/** ℓ of one pair of token ids about u*, in d = u - u*: c + b·d + ½ Σ a d² + ½ (k·d)² + ⅙ (m·d)³. */
export interface Loss {
  readonly c: number
  readonly b: Float64Array
  readonly a: Float64Array
  readonly k: Float64Array
  readonly m: Float64Array
}

/** How large the parts of every loss are. */
export interface Scales {
  readonly linear: number
  readonly diagonal: number
  readonly along: number
  readonly cubic: number
}

export const quadraticScales: Scales = { linear: 0.5, diagonal: 1, along: 0.5, cubic: 0 }

/** Losses of all pairs, made when they are asked for. */
export class Losses {
  readonly #known = new Map<number, Loss>()

  constructor(readonly scales: Scales = quadraticScales) {}

  of(size: number, id: number, next: number): Loss {
    const key = (size * 64 + id) * 64 + next
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const { linear, diagonal, along, cubic } = this.scales
    const vector = (value: (i: number) => number): Float64Array =>
      Float64Array.from({ length: size }, (_, i) => value(i))
    const loss = {
      c: 1 + 0.2 * Math.sin(1.7 * id + 0.9 * next),
      b: vector((i) => linear * (Math.cos(1.3 * id + 2.1 * next + 0.7 * i) + 0.5 * Math.sin(0.9 * i + size))),
      a: vector((i) => diagonal * (0.5 + ((3 * id + 5 * next + 7 * i) % 11) / 10)),
      k: vector((i) => along * Math.sin(0.4 * id + 1.1 * next + 0.3 * i)),
      m: vector((i) => cubic * Math.cos(0.8 * id - 0.6 * next + 0.5 * i))
    }
    this.#known.set(key, loss)
    return loss
  }

  /** Of every pair that rows hold, in order. */
  ofRows(size: number, { ids, count, length }: Rows): Loss[] {
    const all: Loss[] = []
    for (let row = 0; row < count; row++) {
      for (let t = 1; t < length; t++) all.push(this.of(size, ids[row * length + t - 1], ids[row * length + t]))
    }
    return all
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

/** ℓ at u* + d. */
export const valueAt = ({ c, b, a, k, m }: Loss, d: Float64Array): number => {
  let [linear, square, along, third] = [0, 0, 0, 0]
  for (let i = 0; i < d.length; i++) {
    const x = d[i]
    linear += b[i] * x
    square += a[i] * x * x
    along += k[i] * x
    third += m[i] * x
  }
  return c + linear + (square + along * along) / 2 + third ** 3 / 6
}

/** Adds ∇ℓ at u* + d. */
export const addGradient = ({ b, a, k, m }: Loss, d: Float64Array, into: Float64Array): void => {
  const along = dot(k, d)
  const third = dot(m, d) ** 2 / 2
  for (let i = 0; i < d.length; i++) into[i] += b[i] + a[i] * d[i] + along * k[i] + third * m[i]
}

export interface Call {
  readonly kind: 'losses' | 'gradient'
  readonly component: string
  readonly weights: Float32Array
}

/** Called before every evaluation; what it answers is added to each of the losses. */
export type Before = (call: Call) => number | Promise<number>

/** Losses that are polynomials about w*, with their exact gradients. */
export class PolynomialEvaluator implements Evaluator {
  constructor(
    protected readonly all: Losses = new Losses(),
    private readonly before: Before = () => 0
  ) {}

  prefix(rows: Rows): Promise<Prefix> {
    return Promise.resolve({ rows, activations: {} })
  }

  async losses(component: string, u: Float32Array, { rows }: Prefix): Promise<Float32Array> {
    const more = await this.before({ kind: 'losses', component, weights: u })
    const d = this.#away(component, u)
    return Float32Array.from(this.all.ofRows(u.length, rows), (loss) => more + valueAt(loss, d))
  }

  async gradient(
    component: string,
    u: Float32Array,
    { rows }: Prefix,
    gradient: Float32Array
  ): Promise<{ readonly lossSum: number }> {
    let lossSum = await this.before({ kind: 'gradient', component, weights: u })
    const d = this.#away(component, u)
    const own = new Float64Array(u.length)
    for (const loss of this.all.ofRows(u.length, rows)) {
      lossSum += valueAt(loss, d)
      addGradient(loss, d, own)
    }
    for (let i = 0; i < own.length; i++) gradient[i] += own[i]
    return { lossSum }
  }

  operations(component: string, length: number): { readonly gradient: number; readonly losses: number } {
    const size = centre(component).length
    return { gradient: 2 * size * length, losses: size * length }
  }

  dispose(): Promise<void> {
    return Promise.resolve()
  }

  #away(component: string, u: Float32Array): Float64Array {
    const from = centre(component)
    return Float64Array.from(u, (value, i) => value - from[i])
  }
}

/** What was asked for together. */
export interface Together {
  readonly kind: 'losses' | 'gradient'
  readonly components: readonly string[]
  readonly width: number
}

/** Replicas together, which have the bits of each alone. */
class TogetherEvaluator extends PolynomialEvaluator {
  readonly stacked: StackedEvaluator = {
    losses: async (replicas, width, prefix) => {
      this.note('losses', replicas, width)
      const losses: Float32Array[] = []
      for (const { component, weights: own } of replicas) losses.push(await this.losses(component, own, prefix))
      return losses
    },
    gradient: async (replicas, width, prefix, gradients) => {
      this.note('gradient', replicas, width)
      const sums: number[] = []
      for (const [at, { component, weights: own }] of replicas.entries())
        sums.push((await this.gradient(component, own, prefix, gradients[at])).lossSum)
      return sums
    }
  }

  constructor(
    private readonly asked: Together[],
    ...others: ConstructorParameters<typeof PolynomialEvaluator>
  ) {
    super(...others)
  }

  private note(kind: Together['kind'], replicas: readonly OwnWeights[], width: number): void {
    this.asked.push({ kind, components: replicas.map(({ component }) => component), width })
  }
}

const usual = new Losses()

export const polynomial = (before?: Before, losses: Losses = usual): OpenLane =>
  localLane(() => Promise.resolve(new PolynomialEvaluator(losses, before)))

export const together = (asked: Together[] = [], before?: Before): OpenLane =>
  localLane(() => Promise.resolve(new TogetherEvaluator(asked, usual, before)))

/** Lanes that tell of each task when it is begun and when it is done. */
export const watched =
  (
    openLane: OpenLane,
    watch: { readonly begun?: (task: Task) => unknown; readonly done?: (task: Task) => unknown }
  ): OpenLane =>
  async (run, kind) => {
    const lane = await openLane(run, kind)
    return {
      ...lane,
      run: async (task: Task): Promise<TaskResult> => {
        watch.begun?.(task)
        const result = await lane.run(task)
        watch.done?.(task)
        return result
      }
    }
  }

/** The run that lanes were opened for. */
export const noted =
  (openLane: OpenLane, note: (run: SharedRun) => void): OpenLane =>
  (run, kind) => {
    note(run)
    return openLane(run, kind)
  }

const row = (seed: number, length: number): Int32Array =>
  Int32Array.from({ length }, (_, t) => (seed * 7 + t * t * 3 + (seed % 3) * t) % 10)

/**
 * Observation rows of two lengths, and probe rows of four: slices have several chunks, and probe rows several blocks.
 */
const mixedStudy: BlocksInput['study'] = (() => {
  const probe = [6, 4, 6, 9, 5, 4, 6].map((length, i) => row(30 + i, length))
  return {
    sampling: [],
    observation: Array.from({ length: 7 }, (_, i) => row(i, 5 + (i % 2))),
    probe,
    targets: probe.map(({ length }, i) => Int32Array.from({ length: length - 1 - (i % 2) }, (_, t) => t + 1))
  }
})()

/** `count` observation rows of one length, and probe rows of one length with all their targets. */
export const evenStudy = (count: number, probeRows: number, length = 6): BlocksInput['study'] => {
  const probe = Array.from({ length: probeRows }, (_, i) => row(40 + 3 * i, length))
  return {
    sampling: [],
    observation: Array.from({ length: count }, (_, i) => row(2 * i + 1, length)),
    probe,
    targets: probe.map(() => Int32Array.from({ length: length - 1 }, (_, t) => t + 1))
  }
}

export const firstOrder = (changes: Partial<FirstOrderConfiguration> = {}): FirstOrderConfiguration => ({
  ...presets['first-order'],
  preset: 'first-order',
  nBeta: 3,
  gamma: 300,
  pairs: 2,
  rounds: 2,
  observationBatch: 3,
  targetReliability: false,
  ...changes
})

export const allOrders = (changes: Partial<GradientConfiguration> = {}): GradientConfiguration => ({
  ...presets['all-orders'],
  preset: 'all-orders',
  nBeta: 3,
  gamma: 300,
  draws: 8,
  observationBatch: 3,
  targetReliability: false,
  ...changes
})

/** The four kinds of run. */
export const kinds: readonly (readonly [name: string, sampler: BlockConfiguration])[] = [
  ['first order, nβ 3', firstOrder()],
  ['first order, nβ 0', firstOrder({ nBeta: 0 })],
  ['all orders, nβ 3', allOrders()],
  ['all orders, nβ 0', allOrders({ nBeta: 0 })]
]

/** The same settings with another limit of rounds and another target. */
export const limited = (
  sampler: BlockConfiguration,
  rounds: number,
  targetReliability: number | false = false
): BlockConfiguration =>
  sampler.method === 'first-order'
    ? { ...sampler, rounds, targetReliability }
    : { ...sampler, draws: 4 * rounds, targetReliability }

export const blocksInput = (sampler: BlockConfiguration, changes: Partial<BlocksInput> = {}): BlocksInput => ({
  model: { architecture, weights },
  study: mixedStudy,
  components: ['head:0.1', 'mlp:1', 'head:0.0'],
  sampler,
  seed: 12345678901,
  observationIncludesProbe: false,
  engine: 'polynomial',
  threads: 2,
  ...changes
})

/** All that a run's blocks came to. */
export interface Dump {
  readonly tokens: number
  readonly initialLoss: number
  readonly blocks: readonly (SampledBlock & { readonly sums: Pick<BlockSums, 'slopes' | 'products'> })[]
}

export const dump = async ({ tokens, initialLoss, chains, sums }: SampledBlocks): Promise<Dump> => ({
  tokens,
  initialLoss,
  blocks: await Promise.all(
    chains.map(async ({ component, chain, record, failure }, at) => {
      const { slopes, products } = await sums(at)
      const { phis, gradientNorms, directionNorms, observedSlopes } = record
      return {
        component,
        chain,
        failure,
        record: {
          phis: [...phis],
          gradientNorms: [...gradientNorms],
          directionNorms: [...directionNorms],
          observedSlopes: [...observedSlopes]
        },
        sums: { slopes: slopes.slice(), products: products.slice() }
      }
    })
  )
})

export const estimates = (input: BlocksInput, sampled: SampledBlocks): Promise<SamplingResult> =>
  resultOfBlocks(input, rowStartsOf(input.study.targets), sampled)

/** What a run comes to: every sum and record, and what is estimated from them. */
export interface Outcome extends Dump {
  readonly result: SamplingResult
}

export const outcomeOf = async (input: BlocksInput, sampled: SampledBlocks): Promise<Outcome> => ({
  ...(await dump(sampled)),
  result: await estimates(input, sampled)
})

const closing = async <T>(blocks: SampledBlocks, work: (blocks: SampledBlocks) => Promise<T>): Promise<T> => {
  try {
    return await work(blocks)
  } finally {
    await blocks.close?.()
  }
}

export const sampled = async (input: BlocksInput, transport: SamplingTransport = {}): Promise<Outcome> =>
  closing(await sampleBlocks(input, undefined, { openLane: polynomial(), ...transport }), (blocks) =>
    outcomeOf(input, blocks)
  )

/** Some blocks of a run only. */
export const sampledPart = async (
  input: BlocksInput,
  chosen: readonly ChainName[],
  transport: SamplingTransport = {}
): Promise<Dump> => closing(await sampleBlocks(input, chosen, { openLane: polynomial(), ...transport }), dump)

/** χ̂ of one component, or what another matrix has of it. */
export const columnOf = (
  { tokens, components, susceptibilities }: SamplingResult,
  component: string,
  matrix = susceptibilities
): number[] => {
  const column = components.indexOf(component)
  return Array.from({ length: tokens }, (_, token) => matrix[token * components.length + column])
}
