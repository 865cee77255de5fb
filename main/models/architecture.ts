/** What the engine needs to know of a transformer; read from a Hugging Face config.json. */
export interface Architecture {
  readonly family: 'gpt_neox' | 'gpt2'
  readonly layers: number
  readonly heads: number
  /** Residual width d. */
  readonly hidden: number
  /** Width of the MLP's hidden layer. */
  readonly intermediate: number
  readonly vocabulary: number
  /** Longest row the model takes, in tokens. */
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
  /**
   * End-of-text token that joins packed documents where the tokenizer names none; may lie outside of the vocabulary.
   */
  readonly endOfText: number
}

export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/**
 * Weights w*, float32, by canonical name: NeoX names as in its files ("gpt_neox.layers.0.…", "embed_out.weight"); GPT-2 names
 * always with the "transformer." prefix, whether the file has it or not ("transformer.wte.weight", "lm_head.weight" if untied).
 * Iteration order is the code point order of the names *in the file*, which is the order in which `full` is flattened.
 */
export type Weights = ReadonlyMap<string, Tensor>

export interface Model {
  readonly folder: string
  readonly architecture: Architecture
  readonly weights: Weights
  /** SHA-256 over config.json and every weight file read, hexadecimal. */
  readonly hash: string
}
