import type { Evaluator, Prefix, Rows } from '../../main/engine/core/evaluator'
import type { Architecture, Tensor, Weights } from '../../main/models/architecture'
import type { ChainsInput } from '../../main/sampling/input'
import { LaneLost, type OpenLane } from '../../main/sampling/lane'
import type { Task, TaskResult } from '../../main/sampling/tasks'
import type { PsgldConfiguration } from '../../preload/configuration'

/** Two heads and two MLPs over a width of four: shapes are all that the sampler looks at. */
export const architecture: Architecture = {
  family: 'gpt2',
  layers: 2,
  heads: 2,
  groups: 2,
  headWidth: 2,
  hidden: 4,
  intermediate: 8,
  vocabulary: 10,
  contextLength: 16,
  normEpsilon: 1e-5,
  activation: 'gelu_tanh',
  biases: { qkv: true, projection: true, mlp: true },
  attention: [{}],
  pattern: [0],
  scoreWidth: 2,
  embeddingScale: 1,
  parallelResidual: false,
  tiedEmbeddings: true,
  endOfText: 0
}

const tensor = (...shape: number[]): Tensor => {
  const data = new Float32Array(new SharedArrayBuffer(4 * shape.reduce((a, b) => a * b, 1)))
  data.forEach((_, i) => (data[i] = Math.sin(i + shape[0])))
  return { shape, data }
}

export const weights: Weights = new Map<string, Tensor>([
  ...[0, 1].flatMap((layer): [string, Tensor][] => {
    const block = `transformer.h.${layer}.`
    return [
      [`${block}attn.c_attn.bias`, tensor(12)],
      [`${block}attn.c_attn.weight`, tensor(4, 12)],
      [`${block}attn.c_proj.weight`, tensor(4, 4)],
      [`${block}mlp.c_fc.bias`, tensor(8)],
      [`${block}mlp.c_fc.weight`, tensor(4, 8)],
      [`${block}mlp.c_proj.bias`, tensor(4)],
      [`${block}mlp.c_proj.weight`, tensor(8, 4)]
    ]
  }),
  ['transformer.wpe.weight', tensor(16, 4)],
  ['transformer.wte.weight', tensor(10, 4)]
])

/** Diagonal of the quadratic form of a pair of token ids. */
export const diagonal = (id: number, next: number, i: number): number => 1 + ((3 * id + 5 * next + 7 * i) % 11) / 2

/** ℓ = 1 + ½ Σ_i a_i(x_{t-1}, x_t) (u_i - centre_i)²: a quadratic loss about w* with its exact gradient. */
export class QuadraticEvaluator implements Evaluator {
  readonly #centre: (component: string) => Float32Array
  /** Called before every call of `gradient` and `losses`. */
  readonly #before: (component: string) => number | Promise<number>

  constructor(
    centre: (component: string) => Float32Array,
    before: (component: string) => number | Promise<number> = () => 0
  ) {
    this.#centre = centre
    this.#before = before
  }

  prefix(rows: Rows): Promise<Prefix> {
    return Promise.resolve({ rows, activations: {} })
  }

  async losses(component: string, u: Float32Array, { rows }: Prefix): Promise<Float32Array> {
    const offset = await this.#before(component)
    return Float32Array.from(this.#pairs(rows), ([id, next]) => offset + this.#loss(component, u, id, next))
  }

  async gradient(
    component: string,
    u: Float32Array,
    { rows }: Prefix,
    gradient: Float32Array
  ): Promise<{ readonly lossSum: number }> {
    let lossSum = await this.#before(component)
    const centre = this.#centre(component)
    const own = new Float32Array(u.length)
    for (const [id, next] of this.#pairs(rows)) {
      lossSum += this.#loss(component, u, id, next)
      for (let i = 0; i < u.length; i++) own[i] += diagonal(id, next, i) * (u[i] - centre[i])
    }
    for (let i = 0; i < u.length; i++) gradient[i] += own[i]
    return { lossSum }
  }

  operations(component: string, length: number): { readonly gradient: number; readonly losses: number } {
    const size = this.#centre(component).length
    return { gradient: 2 * size * length, losses: size * length }
  }

  dispose(): Promise<void> {
    return Promise.resolve()
  }

  #pairs({ ids, count, length }: Rows): [number, number][] {
    return Array.from({ length: count }, (_, row) =>
      Array.from({ length: length - 1 }, (_, t): [number, number] => [ids[row * length + t], ids[row * length + t + 1]])
    ).flat()
  }

  #loss(component: string, u: Float32Array, id: number, next: number): number {
    const centre = this.#centre(component)
    let sum = 0
    for (let i = 0; i < u.length; i++) sum += diagonal(id, next, i) * (u[i] - centre[i]) ** 2
    return 1 + sum / 2
  }
}

/** Lanes of which the one given the n-th matching task dies before or after it has done it. */
export const dyingLanes = (
  openLane: OpenLane,
  matches: (task: Task) => boolean,
  nth: readonly number[],
  when: 'before' | 'after'
): OpenLane => {
  let count = 0
  return async (run, kind) => {
    const lane = await openLane(run, kind)
    let dead = false
    let last: Promise<unknown> = Promise.resolve()
    const attempt = async (task: Task): Promise<TaskResult> => {
      const dies = !dead && matches(task) && nth.includes(++count)
      if (dies && when === 'after') await lane.run(task)
      dead ||= dies
      if (dead) throw new LaneLost('out of memory')
      return lane.run(task)
    }
    return {
      ...lane,
      run: (task) => {
        const result = last.then(() => attempt(task))
        last = result.catch(() => {})
        return result
      }
    }
  }
}

const row = (seed: number, length: number): Int32Array =>
  Int32Array.from({ length }, (_, t) => (seed * 7 + t * t * 3 + (seed % 3) * t) % 10)

export const smallInput = (changes: Partial<PsgldConfiguration> = {}): ChainsInput => ({
  model: { architecture, weights },
  study: {
    sampling: Array.from({ length: 11 }, (_, i) => row(i, 5 + (i % 2))),
    observation: [row(20, 6), row(21, 5), row(22, 6)],
    probe: [row(30, 6), row(31, 4), row(32, 6)],
    targets: [Int32Array.of(1, 2, 3, 4, 5), Int32Array.of(2), Int32Array.of(1, 5)]
  },
  components: ['head:0.1', 'mlp:1'],
  sampler: {
    preset: 'paper',
    method: 'psgld',
    nBeta: 3,
    gamma: 300,
    stepSize: 1e-4,
    rmsDecay: 0.99,
    rmsEpsilon: 0.1,
    batchSize: 4,
    burnIn: 3,
    draws: 5,
    stepsBetweenDraws: 2,
    chains: 2,
    estimator: 'two-chain',
    ...changes
  },
  seed: 12345678901,
  observationIncludesProbe: false,
  engine: 'quadratic',
  threads: 2
})
