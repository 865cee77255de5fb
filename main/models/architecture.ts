/** Rotary position embedding: the first `dimensions` of a head's width are turned. */
export interface Rotary {
  readonly dimensions: number
  readonly base: number
  /** How frequencies differ from base^(-2i / dimensions). */
  readonly scaling?: RotaryScaling | undefined
}

export type RotaryScaling =
  /** All frequencies are divided by the factor. */
  | { readonly kind: 'linear'; readonly factor: number }
  /** Llama 3: low frequencies are divided by the factor, high ones stay, and those between are interpolated. */
  | {
      readonly kind: 'llama3'
      readonly factor: number
      readonly lowFactor: number
      readonly highFactor: number
      readonly originalContext: number
    }

/** How the layers of one kind attend. */
export interface AttentionKind {
  /** Absent if positions are learned. */
  readonly rotary?: Rotary | undefined
  /** Number of positions that a query sees, its own included. Absent if it sees all before it. */
  readonly window?: number | undefined
}

/** What the engine needs to know about a transformer, as read from a Hugging Face config.json. */
export interface Architecture {
  /** `model_type`, the name of its plan in `architectures/`. */
  readonly family: string
  readonly layers: number
  readonly heads: number
  /** Heads of keys and values. Each serves heads / groups heads in a row. */
  readonly groups: number
  /** Width of a head's queries, keys and values. */
  readonly headWidth: number
  /** Residual width d. */
  readonly hidden: number
  /** Width of the MLP's hidden layer. */
  readonly intermediate: number
  readonly vocabulary: number
  /** Longest row that the model accepts, in tokens. */
  readonly contextLength: number
  readonly normEpsilon: number
  readonly activation: Activation
  /** Which products have biases. */
  readonly biases: { readonly qkv: boolean; readonly projection: boolean; readonly mlp: boolean }
  /** Kinds of attention, and which of them each layer has; where there are more layers, from the beginning again. */
  readonly attention: readonly AttentionKind[]
  readonly pattern: readonly number[]
  /** Scores are q·k / √scoreWidth. */
  readonly scoreWidth: number
  /** Scores s become cap · tanh(s / cap), and logits likewise. */
  readonly scoreCap?: number | undefined
  readonly logitCap?: number | undefined
  /** Factor of the stream before the first layer. */
  readonly embeddingScale: number
  /** Attention and MLP both read the block's input. */
  readonly parallelResidual: boolean
  /** The unembedding is the token embedding. */
  readonly tiedEmbeddings: boolean
  /** Token that joins packed documents if the tokenizer names none. It may lie outside the vocabulary. */
  readonly endOfText: number
}

export type Activation = 'gelu' | 'gelu_tanh' | 'silu'

/** Index of a layer's kind of attention. */
export const kindOfLayer = ({ pattern }: Architecture, layer: number): number => pattern[layer % pattern.length]

export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/**
 * Weights w*, float32, by canonical name: as transformers names them in its files, also where a file lacks the prefix
 * of the base model ("transformer.wte.weight", "model.layers.0.…"). Iteration follows the code point order of the names
 * *in the file*, which is the order in which `full` is flattened.
 */
export type Weights = ReadonlyMap<string, Tensor>

export interface Model {
  readonly folder: string
  readonly architecture: Architecture
  readonly weights: Weights
  /** SHA-256 over config.json and every weight file read, hexadecimal. */
  readonly hash: string
}
