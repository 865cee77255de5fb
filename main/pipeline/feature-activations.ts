import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { GraphBuilder, type Evaluator, type Executor, type Prefix, type Program, type Resident } from '../engine/core'
import { createEvaluator, openEngine } from '../engine/engines'
import type { Architecture, Model } from '../models/architecture'
import { blockTensorsOf, familyOf } from '../models/architectures'
import {
  activeLatents,
  normaliseInputs,
  type ActiveLatents,
  type Autoencoder,
  type Hookpoint
} from '../models/autoencoders'

/** Elements of a block of products, [tokens, latents]. */
const blockElements = 2 ** 23
const mostTokens = 1024

/** Throws an `input` error if a model has no such place, or its activations another width. */
export const checkPlace = (
  source: string,
  { hookpoint, hookName, inputs }: Autoencoder,
  architecture: Architecture
): void => {
  const { layers, hidden, parallelResidual, family } = architecture
  const refuse = (what: string): SpectroscopeError =>
    new SpectroscopeError('input', `${source}: ${what}; use an autoencoder of the run's model.`)
  const last = hookpoint.kind === 'stream' ? layers : layers - 1
  const name = briefly(hookName)
  if (hookpoint.layer > last) throw refuse(`its activations are those at "${name}", and the model has ${layers} layers`)
  if (inputs !== hidden) throw refuse(`it encodes ${inputs} dimensions, and the model's stream has ${hidden}`)
  const { attentionPostNorm, mlpPostNorm } = blockTensorsOf(architecture, 0)
  const postNorm = { 'attention out': attentionPostNorm, 'mlp out': mlpPostNorm }[hookpoint.kind as string]
  if (postNorm !== undefined)
    throw refuse(`a ${family} model norms what comes from "${name}", and only the normed activations are kept`)
  if (hookpoint.kind === 'middle' && parallelResidual)
    throw refuse(`a ${family} model of parallel residuals has no activations at "${name}"`)
}

const difference = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value - b[i])

/** A model's own norm of each row of x. Without a name, as where nothing is normed there, x itself. */
const normed = (x: Float32Array, { weights, architecture }: Model, name: string | undefined): Float32Array => {
  if (name === undefined) return x.slice()
  const { hidden, normEpsilon } = architecture
  const { norm } = familyOf(architecture).parts
  const centred = norm === 'layer' || norm === 'bare'
  const [scale, shift] = [weights.get(`${name}.weight`)?.data, weights.get(`${name}.bias`)?.data]
  const more = norm === 'rms + 1' ? 1 : 0
  const result = new Float32Array(x.length)
  for (let start = 0; start < x.length; start += hidden) {
    const line = x.subarray(start, start + hidden)
    const mean = centred ? line.reduce((sum, value) => sum + value, 0) / hidden : 0
    const variance = line.reduce((sum, value) => sum + (value - mean) ** 2, 0) / hidden
    const factor = 1 / Math.sqrt(variance + normEpsilon)
    for (let i = 0; i < hidden; i++)
      result[start + i] = (line[i] - mean) * factor * (scale === undefined ? 1 : scale[i] + more) + (shift?.[i] ?? 0)
  }
  return result
}

/** Activations at a place, [rows × positions, hidden], from those of a prefix. */
const activationsAt = ({ activations }: Prefix, model: Model, { kind, layer }: Hookpoint): Float32Array => {
  const stream = (at: number): Float32Array => activations[`stream:${at}`]
  const middle = activations[`middle:${layer}`]
  switch (kind) {
    case 'stream':
      return stream(layer).slice()
    case 'middle':
      return middle.slice()
    case 'attention out':
      return difference(middle, stream(layer))
    case 'mlp out':
      return difference(stream(layer + 1), middle)
    case 'mlp in': {
      const source = model.architecture.parallelResidual ? stream(layer) : middle
      return normed(source, model, blockTensorsOf(model.architecture, layer).mlpNorm)
    }
  }
}

/** Computes latents of tokens at one place of a model. Dispose of it in the end. */
export class FeatureEncoder {
  readonly #model: Model
  readonly #autoencoder: Autoencoder
  readonly #evaluator: Evaluator
  readonly #executor: Executor
  readonly #matrix: Resident
  readonly #block: number
  #program: Program | undefined

  private constructor(model: Model, autoencoder: Autoencoder, evaluator: Evaluator, executor: Executor) {
    const { inputs, latents, matrix } = autoencoder
    this.#model = model
    this.#autoencoder = autoencoder
    this.#evaluator = evaluator
    this.#executor = executor
    this.#block = Math.max(1, Math.min(mostTokens, Math.floor(blockElements / latents)))
    this.#matrix = executor.resident(matrix.data, matrix.axes === 'in, out' ? [inputs, latents] : [latents, inputs])
  }

  static async open(model: Model, autoencoder: Autoencoder, engine: string): Promise<FeatureEncoder> {
    const evaluator = await createEvaluator(engine, model.architecture, model.weights)
    return new FeatureEncoder(model, autoencoder, evaluator, await openEngine(engine))
  }

  /** The product of a block of activations with the encoder's matrix. */
  async #compiled(): Promise<Program> {
    const { inputs, matrix } = this.#autoencoder
    const builder = new GraphBuilder()
    const x = builder.input('x', [this.#block, inputs])
    const product = builder.matmul(x, builder.input('matrix', this.#matrix.shape), {
      transposeB: matrix.axes === 'out, in'
    })
    builder.output('products', product)
    this.#program ??= await this.#executor.compile(builder.build())
    return this.#program
  }

  /** Active latents of every token of rows of equal length, row by row. */
  async encode(rows: readonly Int32Array[]): Promise<ActiveLatents[]> {
    const length = rows[0].length + 1
    // A row's last id is never an input, so each row gets one more.
    const ids = new Int32Array(rows.length * length)
    rows.forEach((row, i) => ids.set(row, i * length))
    const prefix = await this.#evaluator.prefix({ ids, count: rows.length, length })
    const x = activationsAt(prefix, this.#model, this.#autoencoder.hookpoint)
    normaliseInputs(this.#autoencoder, x)
    const program = await this.#compiled()
    const { inputs } = this.#autoencoder
    const blocks: ActiveLatents[] = []
    for (let token = 0; token < x.length / inputs; token += this.#block) {
      const given = new Float32Array(this.#block * inputs)
      const part = x.subarray(token * inputs, (token + this.#block) * inputs)
      given.set(part)
      const { products } = await program.run({ x: given, matrix: this.#matrix })
      blocks.push(activeLatents(this.#autoencoder, products, part.length / inputs))
    }
    return blocks
  }

  async dispose(): Promise<void> {
    await this.#evaluator.dispose()
    await this.#program?.dispose()
    await this.#executor.dispose()
  }
}

/** Active latents of some tokens of a run: element i is latent `latents[i]` of token `tokens[i]`. */
export interface FeatureBlock {
  readonly tokens: Int32Array
  readonly latents: Int32Array
  readonly activations: Float32Array
}

/** Consecutive rows of equal length, some thousand tokens at a time. */
const batchesOf = (rows: readonly Int32Array[]): { readonly first: number; readonly rows: readonly Int32Array[] }[] => {
  const batches: { first: number; rows: Int32Array[] }[] = []
  for (const [index, row] of rows.entries()) {
    const last = batches.at(-1)
    if (last?.rows[0].length === row.length && (last.rows.length + 1) * row.length <= mostTokens) last.rows.push(row)
    else batches.push({ first: index, rows: [row] })
  }
  return batches
}

/** Those latents that are at a run's tokens, which are `targets` of the rows. `token` is the first one's number. */
const atTargets = (
  blocks: readonly ActiveLatents[],
  lengths: readonly number[],
  targets: readonly Int32Array[],
  token: number
): FeatureBlock => {
  const wanted = new Map<number, number>()
  let start = 0
  targets.forEach((positions, row) => {
    positions.forEach((position) => wanted.set(start + position, token++))
    start += lengths[row]
  })
  const [tokens, latents, activations]: [number[], number[], number[]] = [[], [], []]
  let place = 0
  for (const block of blocks) {
    let at = 0
    for (const count of block.counts) {
      const number = wanted.get(place++)
      for (let i = at; number !== undefined && i < at + count; i++) {
        tokens.push(number)
        latents.push(block.latents[i])
        activations.push(block.activations[i])
      }
      at += count
    }
  }
  return {
    tokens: Int32Array.from(tokens),
    latents: Int32Array.from(latents),
    activations: Float32Array.from(activations)
  }
}

/** Active latents of a run's tokens, some rows at a time. A token's latents are those at its own position. */
export async function* featuresOf(
  encoder: FeatureEncoder,
  probe: readonly Int32Array[],
  targets: readonly Int32Array[],
  onRows: (done: number) => void
): AsyncGenerator<FeatureBlock> {
  let token = 0
  for (const { first, rows } of batchesOf(probe)) {
    const own = targets.slice(first, first + rows.length)
    const blocks = await encoder.encode(rows)
    yield atTargets(
      blocks,
      rows.map(({ length }) => length),
      own,
      token
    )
    token += own.reduce((sum, positions) => sum + positions.length, 0)
    onRows(first + rows.length)
  }
}
