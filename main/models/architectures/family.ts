import type { Architecture } from '../architecture'

/** Tensors outside of the blocks. */
export interface OuterNames {
  /** Tables whose rows make the stream before the first block: of a token's id, and of its position if learned. */
  readonly embeddings: readonly string[]
  /** The unembedding where it is not the first of these tables. */
  readonly unembedding: string
  /** Added to the logits. */
  readonly unembeddingBias?: string
  /** Without `.weight` and `.bias`. */
  readonly finalNorm: string
}

/** Tensors of a block, by their names after the block's prefix, each that of a `.weight` and perhaps a `.bias`. */
export interface BlockNames {
  /** Norms of what attention and MLP read, and of what they give to the stream. */
  readonly attentionNorm?: string
  readonly attentionPostNorm?: string
  readonly mlpNorm?: string
  readonly mlpPostNorm?: string
  /** Queries, keys and values: one tensor, or three. */
  readonly qkv: string | readonly [queries: string, keys: string, values: string]
  readonly queryNorm?: string
  readonly keyNorm?: string
  readonly projection: string
  /** Of a gated MLP: the product that the activation is applied to. */
  readonly mlpGate?: string
  readonly mlpIn: string
  readonly mlpOut: string
}

/** Parts that a block is put together from. What differs between models of a family is in `Architecture`. */
export interface BlockParts {
  /**
   * `layer`: (x - mean) / deviation · weight + bias; `bare`: without weight and bias; `rms`: x / √mean(x²) · weight;
   * `rms + 1`: · (1 + weight).
   */
  readonly norm: 'layer' | 'bare' | 'rms' | 'rms + 1'
  /** Norms of queries and keys: of each head, or of all heads together. */
  readonly headNorms?: 'each' | 'whole'
  /** Axes of every matrix but the tables of embeddings. */
  readonly matrices: 'out, in' | 'in, out'
  /** Outputs of `qkv`: [heads, 3, width], [3, heads, width], or three tensors [heads, width]. */
  readonly qkv: 'by head' | 'by part' | 'apart'
}

/** What components have, as devinterp has it. */
export interface ComponentPlan {
  /** Tables of `embed`. */
  readonly embed: readonly string[]
  /** Whether a separate unembedding is a component. */
  readonly unembed: boolean
  /** Whether heads and MLPs have their biases. */
  readonly biases: boolean
}

/** Everything that sets one kind of transformer apart. A file of this folder each; index.ts lists them. */
export interface Family {
  /** `model_type` in config.json. */
  readonly name: string
  /** As people call it. */
  readonly title: string
  /** The architecture that a config.json describes. Throws an `input` error that names the file and the key. */
  readonly parse: (config: unknown, file: string) => Architecture
  /** What the names of all tensors but the unembedding begin with in files that transformers writes. */
  readonly root: string
  readonly outer: OuterNames
  /** Names that some files have instead. */
  readonly aliases?: Readonly<Record<string, string>>
  /** What the names of a block's tensors begin with. */
  readonly blockPrefix: (layer: number) => string
  readonly block: BlockNames
  readonly parts: BlockParts
  readonly components: ComponentPlan
}
