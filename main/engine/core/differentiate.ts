import { type GraphBuilder, type Node, type Value, size } from './graph'

type Rule = (
  builder: GraphBuilder,
  node: Node,
  gradients: readonly (Value | undefined)[],
  wanted: readonly boolean[]
) => (Value | undefined)[]

const swapLastTwo = (rank: number): number[] => [
  ...Array.from({ length: rank - 2 }, (_, axis) => axis),
  rank - 1,
  rank - 2
]

const matmulRule: Rule = (builder, { operation, inputs: [a, b] }, [gradient], [wantA, wantB]) => {
  if (operation.kind !== 'matmul' || gradient === undefined) return []
  const { transposeA, transposeB } = operation
  const gradientA = (): Value => {
    const product = builder.matmul(gradient, b, { transposeB: !transposeB })
    return builder.sumTo(transposeA ? builder.transpose(product, swapLastTwo(product.shape.length)) : product, a.shape)
  }
  const gradientB = (): Value => {
    const product = transposeB
      ? builder.matmul(gradient, a, { transposeA: true, transposeB: transposeA })
      : builder.matmul(a, gradient, { transposeA: !transposeA })
    return builder.sumTo(product, b.shape)
  }
  return [wantA ? gradientA() : undefined, wantB ? gradientB() : undefined]
}

const layerNormRule: Rule = (
  builder,
  { inputs: [x, scale], outputs: [, mean, inverseDeviation] },
  [gradient],
  [wantX, wantScale, wantShift]
) => {
  if (gradient === undefined) return []
  const last = x.shape.length - 1
  const normalised = builder.mul(builder.sub(x, mean), inverseDeviation)
  const inner = (): Value => {
    const scaled = builder.mul(gradient, scale)
    const width = x.shape[last]
    const average = builder.scale(builder.sum(scaled, [last]), 1 / width)
    const projection = builder.scale(builder.sum(builder.mul(scaled, normalised), [last]), 1 / width)
    return builder.mul(builder.sub(builder.sub(scaled, average), builder.mul(normalised, projection)), inverseDeviation)
  }
  return [
    wantX ? inner() : undefined,
    wantScale ? builder.sumTo(builder.mul(gradient, normalised), scale.shape) : undefined,
    wantShift ? builder.sumTo(gradient, scale.shape) : undefined
  ]
}

const rmsNormRule: Rule = (
  builder,
  { inputs: [x, scale], outputs: [, inverseRoot] },
  [gradient],
  [wantX, wantScale]
) => {
  if (gradient === undefined) return []
  const last = x.shape.length - 1
  const normalised = builder.mul(x, inverseRoot)
  const inner = (): Value => {
    const scaled = builder.mul(gradient, scale)
    const projection = builder.scale(builder.sum(builder.mul(scaled, normalised), [last]), 1 / x.shape[last])
    return builder.mul(builder.sub(scaled, builder.mul(normalised, projection)), inverseRoot)
  }
  return [
    wantX ? inner() : undefined,
    wantScale ? builder.sumTo(builder.mul(gradient, normalised), scale.shape) : undefined
  ]
}

const unembedLossRule: Rule = (
  builder,
  { inputs: [hidden, unembedding, ids], outputs: [, logProbabilities] },
  [gradient],
  [wantHidden, wantUnembedding]
) => {
  if (gradient === undefined) return []
  const probabilities = builder.exp(logProbabilities)
  const weight = builder.reshape(gradient, [hidden.shape[0], 1])
  const gradientHidden = (): Value =>
    builder.mul(builder.sub(builder.matmul(probabilities, unembedding), builder.gather(unembedding, ids)), weight)
  const gradientUnembedding = (): Value => {
    const weighted = builder.mul(hidden, weight)
    return builder.sub(
      builder.matmul(probabilities, weighted, { transposeA: true }),
      builder.scatterAdd(weighted, ids, unembedding.shape[0])
    )
  }
  return [wantHidden ? gradientHidden() : undefined, wantUnembedding ? gradientUnembedding() : undefined]
}

const exponentialSumsRule: Rule = (
  builder,
  { operation, inputs: [hidden, table], outputs: [, weighted] },
  [gradient],
  [wantHidden, wantTable]
) => {
  if (operation.kind !== 'exponentialSums' || gradient === undefined) return []
  return [
    wantHidden ? builder.mul(weighted, gradient) : undefined,
    wantTable ? builder.exponentialSumsSlope(hidden, table, gradient, operation.block, operation.cap) : undefined
  ]
}

const inverse = (permutation: readonly number[]): number[] => permutation.map((_, axis) => permutation.indexOf(axis))

const rule: Rule = (builder, node, gradients, wanted) => {
  const { operation, inputs, outputs } = node
  const gradient = gradients.find((part) => part !== undefined)
  if (gradient === undefined) return []
  switch (operation.kind) {
    case 'add':
      return inputs.map(({ shape }, at) => (wanted[at] ? builder.sumTo(gradient, shape) : undefined))
    case 'sub':
      return inputs.map(({ shape }, at) =>
        wanted[at] ? builder.sumTo(at === 0 ? gradient : builder.scale(gradient, -1), shape) : undefined
      )
    case 'mul':
      return inputs.map(({ shape }, at) =>
        wanted[at] ? builder.sumTo(builder.mul(gradient, inputs[1 - at]), shape) : undefined
      )
    case 'scale':
      return [builder.scale(gradient, operation.factor)]
    case 'exp':
      return [builder.mul(gradient, outputs[0])]
    case 'log':
      return [builder.mul(gradient, builder.reciprocal(inputs[0]))]
    case 'tanh':
      return [builder.sub(gradient, builder.mul(gradient, builder.mul(outputs[0], outputs[0])))]
    case 'sigmoid':
      return [builder.mul(gradient, builder.sub(outputs[0], builder.mul(outputs[0], outputs[0])))]
    case 'matmul':
      return matmulRule(builder, node, gradients, wanted)
    case 'rounded':
      return [gradient]
    case 'reshape':
      return [builder.reshape(gradient, inputs[0].shape)]
    case 'transpose':
      return [builder.transpose(gradient, inverse(operation.permutation))]
    case 'split': {
      const parts = gradients.filter((part) => part !== undefined)
      if (parts.length !== outputs.length) throw new Error('a part of a split is not used')
      return [builder.concat(parts, operation.axis)]
    }
    case 'concat':
      return builder.split(
        gradient,
        operation.axis,
        inputs.map(({ shape }) => shape[operation.axis])
      )
    case 'gather':
      return [wanted[0] ? builder.scatterAdd(gradient, inputs[1], inputs[0].shape[0]) : undefined]
    case 'scatterAdd':
      return [builder.gather(gradient, inputs[1])]
    case 'layerNorm':
      return layerNormRule(builder, node, gradients, wanted)
    case 'rmsNorm':
      return rmsNormRule(builder, node, gradients, wanted)
    case 'softmax': {
      const [probabilities] = outputs
      const inner = builder.sum(builder.mul(gradient, probabilities), [gradient.shape.length - 1])
      return [builder.mul(builder.sub(gradient, inner), probabilities)]
    }
    case 'causalAttention':
      return builder.causalAttentionSlope(inputs[0], inputs[1], inputs[2], gradient, operation.block, operation)
    case 'gelu':
      return [builder.mul(gradient, builder.geluSlope(inputs[0], operation.tanh))]
    case 'sum': {
      const stretched = inputs[0].shape.map((length, axis) => (operation.axes.includes(axis) ? length : 1))
      return [builder.mul(gradient, builder.constant(new Float32Array(size(stretched)).fill(1), stretched))]
    }
    case 'reciprocal':
    case 'geluSlope':
    case 'exponentialSumsSlope':
    case 'causalAttentionSlope':
      throw new Error(`${operation.kind} occurs in gradients alone and has none of its own`)
    case 'unembedLoss':
      return unembedLossRule(builder, node, gradients, wanted)
    case 'exponentialSums':
      return exponentialSumsRule(builder, node, gradients, wanted)
  }
}

/**
 * Reverse-mode differentiation. Adds nodes to the builder for the gradient of Σ target·seed with respect to each
 * source, and returns the gradients, in the sources' shapes. Visits only nodes between a source and the target, so
 * the backward pass stops at the sources. Second outputs of nodes (mean, log-probabilities) pass no gradient.
 */
export const differentiate = (
  builder: GraphBuilder,
  target: Value,
  seed: Value,
  sources: readonly Value[]
): Value[] => {
  const nodes = [...builder.nodes]
  const active = new Set(sources.map(({ id }) => id))
  for (const { inputs, outputs } of nodes)
    if (inputs.some(({ id }) => active.has(id))) for (const { id } of outputs) active.add(id)
  const gradients = new Map<number, Value>([[target.id, seed]])
  for (const node of nodes.reverse()) {
    const wanted = node.inputs.map(({ id }) => active.has(id))
    const incoming = node.outputs.map(({ id }) => gradients.get(id))
    if (!wanted.includes(true) || incoming.every((gradient) => gradient === undefined)) continue
    rule(builder, node, incoming, wanted).forEach((gradient, at) => {
      if (gradient === undefined || !wanted[at]) return
      const { id } = node.inputs[at]
      const known = gradients.get(id)
      gradients.set(id, known === undefined ? gradient : builder.add(known, gradient))
    })
  }
  return sources.map((source) => {
    const gradient = gradients.get(source.id)
    if (gradient === undefined) throw new Error('the target does not depend on a source')
    return gradient
  })
}
