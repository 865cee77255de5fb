import type { SpectroscopeError } from '../../../preload/errors'

/** Where in a transformer an autoencoder's activations are. */
export interface Hookpoint {
  /**
   * `stream`: the residual stream before block `layer`, so that the output of block 2 is stream 3. The others are in
   * block `layer`; `mlp in` is what its MLP reads, after the norm.
   */
  readonly kind: 'stream' | 'middle' | 'attention out' | 'mlp in' | 'mlp out'
  readonly layer: number
}

/** What makes activations of pre-activations; arrays have an element a latent. */
export type Activation =
  | { readonly kind: 'relu' }
  | { readonly kind: 'topk'; readonly k: number }
  | { readonly kind: 'threshold'; readonly thresholds: Float32Array }
  /** Where pre + gates > 0: relu(pre · scales + biases). */
  | {
      readonly kind: 'gated'
      readonly gates: Float32Array
      readonly scales: Float32Array
      readonly biases: Float32Array
    }

/** The encoder of a sparse autoencoder, as any library saved it. */
export interface Autoencoder {
  /** Library and kind: "SAELens jumprelu". */
  readonly kind: string
  /** The place as the library names it. */
  readonly hookName: string
  readonly hookpoint: Hookpoint
  readonly inputs: number
  readonly latents: number
  /** What is done to an activation before: nothing, or its mean taken off and its deviation divided by. */
  readonly normalise: 'none' | 'layer norm' | 'constant norm'
  /** Encoder matrix, [inputs, latents] or [latents, inputs]. */
  readonly matrix: { readonly data: Float32Array; readonly axes: 'in, out' | 'out, in' }
  /** Added to the products with the matrix to make pre-activations, with what is taken off every input folded in. */
  readonly biases: Float32Array
  /** Factor of each pre-activation before the activation; undefined for 1. */
  readonly norms?: Float32Array
  readonly activation: Activation
}

/** Makes a refusal: what cannot be had, and what to do instead. */
export type Refuse = (what: string) => SpectroscopeError
