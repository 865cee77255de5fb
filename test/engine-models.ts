import type { Rows } from '../main/engine/core/evaluator'
import type { Architecture, Tensor, Weights } from '../main/models/architecture'
import { tensorShapes } from '../main/models/architectures'

export const baseArchitecture: Architecture = {
  family: 'gpt_neox',
  layers: 2,
  heads: 2,
  groups: 2,
  headWidth: 8,
  hidden: 16,
  intermediate: 24,
  vocabulary: 37,
  contextLength: 12,
  normEpsilon: 1e-5,
  activation: 'gelu',
  biases: { qkv: true, projection: true, mlp: true },
  attention: [{ rotary: { dimensions: 4, base: 10000 } }],
  pattern: [0],
  scoreWidth: 8,
  embeddingScale: 1,
  parallelResidual: true,
  tiedEmbeddings: false,
  endOfText: 0
}

export const architectures: Readonly<Record<string, Architecture>> = {
  'GPT-NeoX with parallel residual': baseArchitecture,
  'GPT-NeoX with sequential residual': { ...baseArchitecture, parallelResidual: false },
  'GPT-2 with tied embeddings': {
    ...baseArchitecture,
    family: 'gpt2',
    activation: 'gelu_tanh',
    attention: [{}],
    parallelResidual: false,
    tiedEmbeddings: true
  },
  'GPT-2 with an unembedding of its own': {
    ...baseArchitecture,
    family: 'gpt2',
    activation: 'gelu',
    attention: [{}],
    parallelResidual: false,
    tiedEmbeddings: false
  }
}

export const randomWeights = (architecture: Architecture, uniform: () => number): Weights => {
  const tensors = [...tensorShapes(architecture)].map(([name, shape]): [string, Tensor] => {
    const length = shape.reduce((a, b) => a * b, 1)
    const centre = /(norm|ln_\w)\.weight$/.test(name) ? 1 : 0
    return [name, { shape, data: Float32Array.from({ length }, () => centre + 0.6 * (uniform() - 0.5)) }]
  })
  return new Map(tensors.sort(([a], [b]) => (a < b ? -1 : 1)))
}

export const randomRows = (
  { vocabulary }: Architecture,
  count: number,
  length: number,
  uniform: () => number
): Rows => ({
  ids: Int32Array.from({ length: count * length }, () => Math.floor(uniform() * vocabulary)),
  count,
  length
})

export const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x))

/** Difference of a from b, relative to b. */
export const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  norm(Array.from(a, (x, at) => x - b[at])) / norm(b)
