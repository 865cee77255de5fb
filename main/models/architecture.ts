/** What the engine needs to know about a transformer, as read from a Hugging Face config.json. */
export interface Architecture {
  readonly family: 'gpt_neox' | 'gpt2'
  readonly layers: number
  readonly heads: number
  /** Residual width d. */
  readonly hidden: number
  /** Width of the MLP's hidden layer. */
  readonly intermediate: number
  readonly vocabulary: number
  /** Longest row that the model accepts, in tokens. */
  readonly contextLength: number
  readonly layerNormEpsilon: number
  readonly activation: 'gelu' | 'gelu_tanh'
  /** Rotated dimensions of each head (NeoX; 0 for GPT-2, which has learned positions). */
  readonly rotaryDimensions: number
  readonly rotaryBase: number
  /** NeoX with use_parallel_residual: attention and MLP both read the block's input. */
  readonly parallelResidual: boolean
  /** The unembedding is the token embedding (GPT-2). */
  readonly tiedEmbeddings: boolean
  /** Token that joins packed documents if the tokenizer names none. It may lie outside the vocabulary. */
  readonly endOfText: number
}

export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/**
 * Weights w*, float32, by canonical name. NeoX names are as in its files ("gpt_neox.layers.0.…", "embed_out.weight").
 * GPT-2 names always have the "transformer." prefix, whether or not the file has it ("transformer.wte.weight", and
 * "lm_head.weight" if untied). Iteration follows the code point order of the names *in the file*, which is the order
 * in which `full` is flattened.
 */
export type Weights = ReadonlyMap<string, Tensor>

export interface Model {
  readonly folder: string
  readonly architecture: Architecture
  readonly weights: Weights
  /** SHA-256 over config.json and every weight file read, hexadecimal. */
  readonly hash: string
}
