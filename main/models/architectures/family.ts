import type { Architecture, Weights } from '../architecture'
import type { Slice } from '../slices'

/** Tensors outside of the blocks, by canonical name; a norm's is that of its `.weight` and `.bias`. */
export interface OuterTensors {
  /** Tables whose rows make the stream before the first block: of a token's id, and of its position if learned. */
  readonly embeddings: readonly string[]
  readonly unembedding: string
  readonly finalNorm: string
}

/** Tensors of a block, by canonical name, each the name of a `.weight` and a `.bias`. */
export interface BlockTensors {
  readonly attentionNorm: string
  readonly mlpNorm: string
  /** Queries, keys and values. */
  readonly qkv: string
  readonly projection: string
  readonly mlpIn: string
  readonly mlpOut: string
}

/** How a block's matrices are stored. */
export interface Layout {
  /** Axes of every matrix but the tables of embeddings. */
  readonly matrices: 'out, in' | 'in, out'
  /** Outputs of `qkv`: [heads, 3, width], or [3, heads, width]. */
  readonly qkv: 'by head' | 'by part'
}

/** Everything that sets one kind of transformer apart. A file of this folder each; index.ts lists them. */
export interface Family {
  /** `model_type` in config.json. */
  readonly name: Architecture['family']
  /** As people call it. */
  readonly title: string
  /** The architecture that a config.json describes. Throws an `input` error that names the file and the key. */
  readonly parse: (config: unknown, file: string) => Architecture
  /** What the names of all tensors but the unembedding begin with in files that transformers writes. */
  readonly root: string
  /** The name in memory of a tensor's name in a file, without wrappers. */
  readonly canonicalName: (name: string) => string
  /** What the names of a block's tensors begin with. */
  readonly blockPrefix: (layer: number) => string
  /** Shapes of all tensors, by canonical name. A tied unembedding is not among them. */
  readonly tensorShapes: (architecture: Architecture) => ReadonlyMap<string, readonly number[]>
  readonly outerTensors: (architecture: Architecture) => OuterTensors
  readonly blockTensors: (layer: number) => BlockTensors
  readonly layout: Layout
  /** Names of components, without `full`, in the order of the susceptibility vector (docs/method.md, section 1). */
  readonly componentNames: (architecture: Architecture) => readonly string[]
  /** Slices of a component, in the order in which they are flattened (docs/method.md, section 1). */
  readonly componentSlices: (architecture: Architecture, weights: Weights, component: ComponentPlace) => Slice[]
}

/** A component's name, taken apart: `head:2.1` is head 1 of layer 2. */
export interface ComponentPlace {
  readonly kind: string
  readonly layer: number
  readonly head: number
}

export type NamedShape = [name: string, shape: readonly number[]]

export const linearShapes = (name: string, weight: readonly number[], biases: number): NamedShape[] => [
  [`${name}.weight`, weight],
  [`${name}.bias`, [biases]]
]
export const normShapes = (name: string, width: number): NamedShape[] => linearShapes(name, [width], width)

/** 0 … layers - 1. */
export const layersOf = ({ layers }: Architecture): number[] => Array.from({ length: layers }, (_, layer) => layer)

/** Names of all heads, layer by layer, and then of all MLPs. */
export const blockComponents = (architecture: Architecture): string[] => {
  const layers = layersOf(architecture)
  return [
    ...layers.flatMap((layer) => Array.from({ length: architecture.heads }, (_, head) => `head:${layer}.${head}`)),
    ...layers.map((layer) => `mlp:${layer}`)
  ]
}
