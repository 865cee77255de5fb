import type { Architecture, Weights } from '../architecture'
import { type Slice, columns, rows, whole } from '../slices'
import type { BlockNames, Family, OuterNames } from './family'

/** What follows from a family's plan: tensors with their shapes, components with their slices. */

/** Names in the model, with those of `Family.block` complete for a layer. */
export type BlockTensors = BlockNames

export interface OuterTensors extends OuterNames {
  /** The tensor that logits are products with. */
  readonly unembedding: string
}

const normKeys = ['attentionNorm', 'attentionPostNorm', 'mlpNorm', 'mlpPostNorm'] as const

export const blockTensors = ({ block, blockPrefix }: Family, layer: number): BlockTensors => {
  const prefix = blockPrefix(layer)
  return Object.fromEntries(
    Object.entries({ ...block }).map(([key, name]: [string, string | readonly string[]]) => [
      key,
      typeof name === 'string' ? prefix + name : name.map((each) => prefix + each)
    ])
  ) as unknown as BlockTensors
}

export const outerTensors = ({ outer }: Family, { tiedEmbeddings }: Architecture): OuterTensors =>
  tiedEmbeddings ? { ...outer, unembedding: outer.embeddings[0] } : outer

/** Parts of a norm's name: those of its weights. */
export const normParts = ({ parts: { norm } }: Family): readonly string[] =>
  norm === 'layer' ? ['weight', 'bias'] : norm === 'bare' ? [] : ['weight']

type NamedShape = [name: string, shape: readonly number[]]

/** Tensors of the products of an MLP, in the order in which a component has them. */
const mlpProducts = ({ mlpGate, mlpIn, mlpOut }: BlockNames): string[] => [
  ...(mlpGate === undefined ? [] : [mlpGate]),
  mlpIn,
  mlpOut
]

/** Tensors of an MLP as a component. */
export const mlpTensors = (family: Family, { biases }: Architecture, layer: number): string[] =>
  mlpProducts(blockTensors(family, layer)).flatMap((name) => [
    `${name}.weight`,
    ...(biases.mlp && family.components.biases ? [`${name}.bias`] : [])
  ])

const blockShapes = (family: Family, architecture: Architecture, layer: number): NamedShape[] => {
  const { hidden, intermediate, heads, groups, headWidth, biases } = architecture
  const names = blockTensors(family, layer)
  const norm = (name: string | undefined, width: number): NamedShape[] =>
    name === undefined ? [] : normParts(family).map((part) => [`${name}.${part}`, [width]])
  const linear = (name: string, inputs: number, outputs: number, biased: boolean): NamedShape[] => [
    [`${name}.weight`, family.parts.matrices === 'out, in' ? [outputs, inputs] : [inputs, outputs]],
    ...(biased ? [[`${name}.bias`, [outputs]] as NamedShape] : [])
  ]
  const { qkv } = names
  const [queryWidth, keyWidth] = [heads * headWidth, groups * headWidth]
  const each = family.parts.headNorms === 'each'
  return [
    ...normKeys.flatMap((key) => norm(names[key], hidden)),
    ...(typeof qkv === 'string'
      ? linear(qkv, hidden, queryWidth + 2 * keyWidth, biases.qkv)
      : qkv.flatMap((name, part) => linear(name, hidden, part === 0 ? queryWidth : keyWidth, biases.qkv))),
    ...norm(names.queryNorm, each ? headWidth : queryWidth),
    ...norm(names.keyNorm, each ? headWidth : keyWidth),
    ...linear(names.projection, queryWidth, hidden, biases.projection),
    ...mlpProducts(names).flatMap((name) =>
      name === names.mlpOut
        ? linear(name, intermediate, hidden, biases.mlp)
        : linear(name, hidden, intermediate, biases.mlp)
    )
  ]
}

/** 0 … layers - 1. */
const layersOf = ({ layers }: Architecture): number[] => Array.from({ length: layers }, (_, layer) => layer)

/** Shapes of all tensors, by canonical name. A tied unembedding is not among them. */
export const planShapes = (family: Family, architecture: Architecture): ReadonlyMap<string, readonly number[]> => {
  const { hidden, vocabulary, contextLength, tiedEmbeddings } = architecture
  const { embeddings, unembedding, unembeddingBias, finalNorm } = family.outer
  return new Map([
    ...embeddings.map((name, at): NamedShape => [name, [at === 0 ? vocabulary : contextLength, hidden]]),
    ...layersOf(architecture).flatMap((layer) => blockShapes(family, architecture, layer)),
    ...normParts(family).map((part): NamedShape => [`${finalNorm}.${part}`, [hidden]]),
    ...(tiedEmbeddings ? [] : [[unembedding, [vocabulary, hidden]] as const]),
    ...(unembeddingBias === undefined ? [] : [[unembeddingBias, [vocabulary]] as const])
  ])
}

/** The name in memory of a tensor's name in a file, without wrappers. */
export const canonicalName = ({ root, outer, aliases = {} }: Family, name: string): string => {
  const own = aliases[name] ?? name
  const isOutside = [...outer.embeddings, outer.unembedding, outer.unembeddingBias].includes(own)
  return own.startsWith(root) || isOutside ? own : root + own
}

/** A component's name, taken apart: `head:2.1` is head 1 of layer 2, `group:2.0` the first group of heads there. */
export interface ComponentPlace {
  readonly kind: string
  readonly layer: number
  readonly index: number
}

export const placeOf = (component: string): ComponentPlace => {
  const [kind, place = ''] = component.split(':')
  const [layer, index = 0] = place.split('.').map(Number)
  return { kind, layer, index }
}

/** Names of components in the order of the susceptibility vector, with heads, or with groups of them. */
export const componentsBy = (
  { components }: Family,
  architecture: Architecture,
  kind: 'head' | 'group'
): readonly string[] => {
  const { heads, groups, tiedEmbeddings } = architecture
  const layers = layersOf(architecture)
  const length = kind === 'head' ? heads : groups
  return [
    'embed',
    ...layers.flatMap((layer) => Array.from({ length }, (_, index) => `${kind}:${layer}.${index}`)),
    ...layers.map((layer) => `mlp:${layer}`),
    ...(components.unembed && !tiedEmbeddings ? ['unembed'] : [])
  ]
}

/**
 * The unit whose program computes a head or a group: `unit:i.g`, all heads of a group with the keys and values that
 * serve them and all biases, or `heads:i.0`, all heads of a layer, because a norm of whole queries and keys mixes them.
 * Of a head that is all this itself, and of other components, it is the component.
 */
export const unitIn = (family: Family, { heads, groups, biases }: Architecture, component: string): string => {
  const { kind, layer, index } = placeOf(component)
  if (kind !== 'head' && kind !== 'group') return component
  if (family.parts.headNorms === 'whole') return `heads:${layer}.0`
  if (heads === groups && (family.components.biases || !biases.qkv)) return `head:${layer}.${index}`
  return `unit:${layer}.${kind === 'group' ? index : Math.floor((index * groups) / heads)}`
}

/** Heads, and heads of keys and values, of a head, a group, or all heads of a layer: from the first up to the last. */
const headsIn = ({ heads, groups }: Architecture, { kind, index }: ComponentPlace): [number[], number[]] => {
  const each = heads / groups
  if (kind === 'heads')
    return [
      [0, heads],
      [0, groups]
    ]
  if (kind === 'group' || kind === 'unit')
    return [
      [each * index, each * (index + 1)],
      [index, index + 1]
    ]
  const group = Math.floor(index / each)
  return [
    [index, index + 1],
    [group, group + 1]
  ]
}

/** Number of heads of a head, a group, or all heads of a layer. */
export const headCount = (architecture: Architecture, component: string): number => {
  const [[start, end]] = headsIn(architecture, placeOf(component))
  return end - start
}

const attentionSlices = (
  family: Family,
  architecture: Architecture,
  weights: Weights,
  place: ComponentPlace
): Slice[] => {
  const { heads, headWidth, biases } = architecture
  const { parts } = family
  const { qkv, projection } = blockTensors(family, place.layer)
  const isUnit = place.kind === 'unit' || place.kind === 'heads'
  const biased = biases.qkv && (isUnit || family.components.biases)
  const [queries, groups] = headsIn(architecture, place).map((ends) => ends.map((end) => end * headWidth))
  const outputs = ((): readonly (readonly [name: string, start: number, end: number])[] => {
    if (typeof qkv !== 'string')
      return qkv.map((name, part) => [name, ...((part === 0 ? queries : groups) as [number, number])] as const)
    if (parts.qkv === 'by head') return [[qkv, 3 * queries[0], 3 * queries[1]]]
    return [0, 1, 2].map((part) => [qkv, heads * headWidth * part + queries[0], heads * headWidth * part + queries[1]])
  })()
  const [ofOutputs, ofInputs] = parts.matrices === 'out, in' ? [rows, columns] : [columns, rows]
  return [
    ...outputs.map(([name, start, end]) => ofOutputs(weights, `${name}.weight`, start, end)),
    ...(biased ? outputs.map(([name, start, end]) => columns(weights, `${name}.bias`, start, end)) : []),
    ofInputs(weights, `${projection}.weight`, queries[0], queries[1])
  ]
}

/** Slices of a component, in the order in which they are flattened (docs/method.md, section 1). */
export const slicesBy = (family: Family, architecture: Architecture, weights: Weights, component: string): Slice[] => {
  const place = placeOf(component)
  switch (place.kind) {
    case 'embed':
      return family.components.embed.map((name) => whole(weights, name))
    case 'unembed':
      return [family.outer.unembedding, family.outer.unembeddingBias].flatMap((name) =>
        name === undefined ? [] : [whole(weights, name)]
      )
    case 'mlp':
      return mlpTensors(family, architecture, place.layer).map((name) => whole(weights, name))
    default:
      return attentionSlices(family, architecture, weights, place)
  }
}
