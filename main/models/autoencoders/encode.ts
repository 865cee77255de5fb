import type { Activation, Autoencoder } from './autoencoder'

/** Normalises activations [n, inputs] in place, as the autoencoder was trained. */
export const normaliseInputs = ({ normalise, inputs }: Autoencoder, x: Float32Array): void => {
  if (normalise === 'none') return
  for (let start = 0; start < x.length; start += inputs) {
    const line = x.subarray(start, start + inputs)
    if (normalise === 'constant norm') {
      const length = Math.hypot(...line)
      if (length > 0) line.forEach((value, i) => (line[i] = (value * Math.sqrt(inputs)) / length))
      continue
    }
    const mean = line.reduce((sum, value) => sum + value, 0) / inputs
    const squares = line.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    const deviation = Math.sqrt(squares / (inputs - 1)) + 1e-5
    line.forEach((value, i) => (line[i] = (value - mean) / deviation))
  }
}

/** The k-th largest of the positive values; 0 if there are fewer. */
const kthLargest = (values: Float32Array, k: number): number => {
  const positive = values.filter((value) => value > 0)
  return positive.length <= k ? 0 : positive.sort()[positive.length - k]
}

/** Activations of one token from its pre-activations, in place; zero for latents that are not active. */
const activate = (activation: Activation, pre: Float32Array): void => {
  switch (activation.kind) {
    case 'relu':
      return
    case 'topk': {
      const least = kthLargest(pre, activation.k)
      let left = activation.k
      // Those above the least first, so that ties at the edge never displace them.
      for (const value of pre) if (value > least && value > 0) left--
      for (let latent = 0; latent < pre.length; latent++) {
        if (pre[latent] > least) continue
        pre[latent] = pre[latent] === least && least > 0 && left-- > 0 ? least : 0
      }
      return
    }
    case 'threshold':
      for (let latent = 0; latent < pre.length; latent++)
        if (!(pre[latent] > activation.thresholds[latent])) pre[latent] = 0
      return
    case 'gated': {
      const { gates, scales, biases } = activation
      for (let latent = 0; latent < pre.length; latent++)
        pre[latent] = pre[latent] + gates[latent] > 0 ? pre[latent] * scales[latent] + biases[latent] : 0
    }
  }
}

/** Active latents of some tokens, in order of tokens and then of latents. */
export interface ActiveLatents {
  /** Number of active latents of each token. */
  readonly counts: Int32Array
  readonly latents: Int32Array
  readonly activations: Float32Array
}

/**
 * Active latents from products of activations and the encoder's matrix, [tokens, latents], which are overwritten.
 * `tokens` may be fewer than there are rows.
 */
export const activeLatents = (
  { latents: width, biases, norms, activation }: Autoencoder,
  products: Float32Array,
  tokens: number
): ActiveLatents => {
  const counts = new Int32Array(tokens)
  for (let token = 0; token < tokens; token++) {
    const line = products.subarray(token * width, (token + 1) * width)
    for (let latent = 0; latent < width; latent++)
      line[latent] = (line[latent] + biases[latent]) * (norms === undefined ? 1 : norms[latent])
    activate(activation, line)
    for (const value of line) if (value > 0) counts[token]++
  }
  const total = counts.reduce((sum, count) => sum + count, 0)
  const [latents, activations] = [new Int32Array(total), new Float32Array(total)]
  let at = 0
  for (let i = 0; i < tokens * width; i++) {
    if (!(products[i] > 0)) continue
    latents[at] = i % width
    activations[at++] = products[i]
  }
  return { counts, latents, activations }
}
