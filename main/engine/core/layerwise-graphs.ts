import type { Architecture } from '../../models/architecture'
import { familyOf, mlpTensors, normParts, tensorShapes } from '../../models/architectures'
import { ownLogits } from './losses'
import { differentiate } from './differentiate'
import type { Graph, Value } from './graph'
import { type Extent, type SliceShapes, activationName } from './extent'
import { afterHead, afterMlp } from './piece-graphs'
import { TransformerBuilder } from './transformer'
import { lossWidth, unembeddingName, unembeddingParts, vocabularyBlocks } from './vocabulary'

/**
 * Kind of a layer program: a layer at w* or with weights of `full`, or a layer with a replica's own head or MLP
 * weights.
 */
export type Stage = 'layer' | 'head' | 'mlp'

/** Name of a weight in another layer. Layers share programs, which use the names of layer 0. */
export const inLayer = (architecture: Architecture, name: string, layer: number): string => {
  const { blockPrefix } = familyOf(architecture)
  return name.startsWith(blockPrefix(0)) ? blockPrefix(layer) + name.slice(blockPrefix(0).length) : name
}

const stream = activationName.stream(0)

const slicesOf = ({ builder }: TransformerBuilder, shapes: SliceShapes): Value[] =>
  shapes.map((shape, index) => builder.input(`slice:${index}`, shape))

const after = (transformer: TransformerBuilder, stage: Stage, slices: readonly Value[]): Value => {
  if (stage === 'head') return afterHead(transformer, 0, slices)
  return stage === 'mlp' ? afterMlp(transformer, 0) : transformer.layer(0, transformer.activation(stream)).after
}

const weightsOf = (transformer: TransformerBuilder, stage: Stage): [string, Value][] => {
  const { architecture } = transformer
  const family = familyOf(architecture)
  const names =
    stage === 'mlp'
      ? mlpTensors(family, architecture, 0)
      : [...tensorShapes(architecture).keys()].filter((name) => name.startsWith(family.blockPrefix(0)))
  return names.map((name) => [name, transformer.weight(name)])
}

/**
 * Forward pass through a layer. The output `after` [tokens, d] is the stream after it. Inputs are those of
 * `pieceGraph` at layer 0.
 */
export const stageGraph = (architecture: Architecture, extent: Extent, stage: Stage, shapes: SliceShapes): Graph => {
  const transformer = new TransformerBuilder(architecture, extent)
  transformer.builder.output('after', after(transformer, stage, slicesOf(transformer, shapes)))
  return transformer.builder.build()
}

/** Forward pass through a layer at w*, with the additional outputs `attended` and `middle` (see `activationName`). */
export const prefixStageGraph = (architecture: Architecture, extent: Extent): Graph => {
  const transformer = new TransformerBuilder(architecture, extent)
  for (const [name, value] of Object.entries(transformer.layer(0, transformer.activation(stream))))
    transformer.builder.output(name, value)
  return transformer.builder.build()
}

/**
 * Backward through a layer, whose activations are computed again: from the further input `slope` [tokens, d], what
 * the losses owe to the stream after it, the outputs `slope`, what they owe to the stream before it (a layer's), and
 * `gradient:n` for every slice of a head, or `gradient:NAME` for every weight that is a replica's own (an MLP's; a
 * layer's where `own`).
 */
export const stageSlopeGraph = (
  architecture: Architecture,
  extent: Extent,
  stage: Stage,
  shapes: SliceShapes,
  own: boolean
): Graph => {
  const transformer = new TransformerBuilder(architecture, extent)
  const { builder } = transformer
  const slices = slicesOf(transformer, shapes)
  const target = after(transformer, stage, slices)
  const ownWeights = ((): [string, Value][] => {
    if (stage === 'head') return slices.map((value, index) => [`${index}`, value])
    return stage === 'mlp' || own ? weightsOf(transformer, stage) : []
  })()
  const sources: [string, Value][] = [
    ...(stage === 'layer' ? [['slope', transformer.activation(stream)] as [string, Value]] : []),
    ...ownWeights.map(([name, value]): [string, Value] => [`gradient:${name}`, value])
  ]
  differentiate(
    builder,
    target,
    transformer.activation('slope'),
    sources.map(([, value]) => value)
  ).forEach((gradient, at) => builder.output(sources[at][0], gradient))
  return builder.build()
}

/** Requested gradients of the losses: with respect to the stream, the unembedding, the final norm. */
export interface LossSources {
  readonly stream: boolean
  readonly unembedding: boolean
  readonly norm: boolean
}

const normWeights = (transformer: TransformerBuilder): [string, Value][] =>
  normParts(familyOf(transformer.architecture)).map((part) => {
    const name = `${transformer.outer.finalNorm}.${part}`
    return [name, transformer.weight(name)]
  })

/**
 * Losses [tokens] from the final stream. Inputs are `stream` [tokens, d], the unembedding from `centreUnembedding`,
 * and `target rows`, those of the targets [tokens, `lossWidth`]. Outputs are `losses`, `logSums` (see `logSumBounds`),
 * and if requested `slope`, `gradient:NAME` of the final norm, and two parts of the unembedding's gradient, because a
 * table of zeros for the targets would be large: `sums`, shaped like the unembedding, and `rows` [tokens, `lossWidth`],
 * to be added at the rows of the targets.
 */
export const lossStageGraph = (architecture: Architecture, tokens: number, wanted: LossSources): Graph => {
  const transformer = new TransformerBuilder(architecture, { count: 1, positions: tokens })
  const { builder } = transformer
  const { block, rows } = vocabularyBlocks(architecture.vocabulary)
  const width = lossWidth(architecture)
  const unembedding = builder.input(unembeddingName.centred, [rows, width])
  const final = transformer.activation('stream')
  const hidden = transformer.finalHidden(final)
  const { vocabulary, logitCap } = architecture
  const logSums = builder.log(builder.exponentialSums(hidden, unembedding, vocabulary, block, logitCap).sums)
  const targets = transformer.activation('target rows', width)
  const losses = builder.sub(logSums, ownLogits(transformer, hidden, targets))
  builder.output('losses', builder.reshape(losses, [tokens]))
  builder.output('logSums', builder.reshape(logSums, [tokens]))
  addGradients(transformer, losses, [
    ['slope', final, wanted.stream],
    ['sums', unembedding, wanted.unembedding],
    ['rows', targets, wanted.unembedding],
    ...normWeights(transformer).map(([name, value]) => [`gradient:${name}`, value, wanted.norm] as const)
  ])
  return builder.build()
}

/**
 * Losses computed from all logits, valid for any weights. Inputs are `stream`, `targets` and the unembedding as
 * stored. The unembedding's gradient is complete.
 */
export const exactLossStageGraph = (architecture: Architecture, tokens: number, wanted: LossSources): Graph => {
  const transformer = new TransformerBuilder(architecture, { count: 1, positions: tokens })
  const { builder } = transformer
  const final = transformer.activation('stream')
  const losses = transformer.lossOf(final, true)
  builder.output('losses', losses)
  addGradients(transformer, losses, [
    ['slope', final, wanted.stream],
    ...unembeddingParts(architecture).map(
      ({ name }) => [`gradient:${name}`, transformer.weight(name), wanted.unembedding] as const
    ),
    ...normWeights(transformer).map(([norm, value]) => [`gradient:${norm}`, value, wanted.norm] as const)
  ])
  return builder.build()
}

const addGradients = (
  { builder }: TransformerBuilder,
  losses: Value,
  sources: readonly (readonly [string, Value, boolean])[]
): void => {
  const chosen = sources.filter(([, , wanted]) => wanted)
  if (chosen.length === 0) return
  const ones = builder.constant(new Float32Array(losses.shape[0]).fill(1), losses.shape)
  differentiate(
    builder,
    losses,
    ones,
    chosen.map(([, value]) => value)
  ).forEach((gradient, at) => builder.output(chosen[at][0], gradient))
}
