import { type AttentionKind, type Rotary, kindOfLayer } from '../../models/architecture'
import { type Value, size } from './graph'
import type { TransformerParts } from './transformer-parts'

/** Angle of a rotation by one position. */
const frequency = ({ dimensions, base, scaling }: Rotary, i: number): number => {
  const own = base ** (-(2 * i) / dimensions)
  if (scaling === undefined) return own
  if (scaling.kind === 'linear') return own / scaling.factor
  const { factor, lowFactor, highFactor, originalContext } = scaling
  const turns = (originalContext * own) / (2 * Math.PI)
  const share = Math.min(1, Math.max(0, (turns - lowFactor) / (highFactor - lowFactor)))
  return (share + (1 - share) / factor) * own
}

/**
 * Applies rotary position embedding to q and k [..., positions, width], and multiplies each by the square root of the
 * scale of scores.
 */
const rotate = (transformer: TransformerParts, x: Value, kind: number, rotary: Rotary): Value => {
  const { builder, extent } = transformer
  const { headWidth: width, scoreWidth } = transformer.architecture
  const { dimensions } = rotary
  const half = dimensions / 2
  const scale = scoreWidth ** -0.25
  const turn = transformer.table(`turn ${dimensions}`, [width, width], () => {
    const matrix = new Float32Array(width * width)
    for (let i = 0; i < half; i++) {
      matrix[(i + half) * width + i] = -1
      matrix[i * width + i + half] = 1
    }
    return matrix
  })
  const angles = (fill: (angle: number) => number, rest: number): Float32Array =>
    Float32Array.from({ length: extent.positions * width }, (_, at) => {
      const [position, i] = [Math.floor(at / width), at % width]
      return scale * (i < dimensions ? fill(position * frequency(rotary, i % half)) : rest)
    })
  const cosines = transformer.table(`cosines ${kind}`, [extent.positions, width], () => angles(Math.cos, 1))
  const sines = transformer.table(`sines ${kind}`, [extent.positions, width], () => angles(Math.sin, 0))
  const flat = builder.reshape(x, [size(x.shape) / width, width])
  const turned = builder.reshape(builder.matmul(flat, turn), x.shape)
  return builder.add(builder.mul(x, cosines), builder.mul(turned, sines))
}

/** Queries, keys and values [items, heads or groups, positions, width]. */
interface Attending {
  readonly queries: Value
  readonly keys: Value
  readonly values: Value
}

/** Index of a layer's kind of attention, which a program of one layer for all of a kind is told. */
const kindOf = ({ architecture, extent }: TransformerParts, layer: number): number =>
  extent.kind ?? kindOfLayer(architecture, layer)

/** Positions into queries and keys [..., positions, width], with the square root of the scale of scores. */
const placed = (transformer: TransformerParts, layer: number, x: Value): Value => {
  const { architecture, builder } = transformer
  const kind = kindOf(transformer, layer)
  const { rotary } = architecture.attention[kind]
  if (rotary !== undefined && rotary.dimensions > 0) return rotate(transformer, x, kind, rotary)
  return architecture.scoreWidth === 1 ? x : builder.scale(x, architecture.scoreWidth ** -0.25)
}

/** From one product of queries, keys and values [.., tokens, 3 · heads · width], of as many keys as queries. */
const fromOne = (transformer: TransformerParts, layer: number, qkv: Value): Attending => {
  const { builder, extent, architecture, layout } = transformer
  const { positions } = extent
  const width = architecture.headWidth
  const heads = qkv.shape.at(-1)! / (3 * width)
  const count = size(qkv.shape) / (3 * heads * width * positions)
  const perHead = layout.qkv === 'by head'
  const parts = builder.reshape(
    qkv,
    perHead ? [count, positions, heads, 3, width] : [count, positions, 3, heads, width]
  )
  const grouped = builder.transpose(parts, perHead ? [3, 0, 2, 1, 4] : [2, 0, 3, 1, 4])
  const [qk, v] = builder.split(grouped, 0, [2, 1])
  const [q, k] = builder.split(placed(transformer, layer, qk), 0, [1, 1])
  const [queries, keys, values] = [q, k, v].map((x) => builder.reshape(x, [count, heads, positions, width]))
  return { queries, keys, values }
}

/** From a product for each, [.., tokens, heads or groups · width]. */
const fromThree = (transformer: TransformerParts, layer: number, products: readonly Value[]): Attending => {
  const { builder, extent, architecture, layout } = transformer
  const { positions } = extent
  const width = architecture.headWidth
  const { queryNorm, keyNorm } = transformer.names(layer)
  const [queries, keys, values] = products.map((x, part) => {
    const norm = [queryNorm, keyNorm][part]
    const whole = norm !== undefined && layout.headNorms === 'whole' ? transformer.norm(x, norm) : x
    const heads = x.shape.at(-1)! / width
    const byHead = builder.reshape(whole, [size(x.shape) / (positions * heads * width), positions, heads, width])
    const each = norm !== undefined && layout.headNorms === 'each' ? transformer.norm(byHead, norm) : byHead
    const turned = builder.transpose(each, [0, 2, 1, 3])
    return part < 2 ? placed(transformer, layer, turned) : turned
  })
  return { queries, keys, values }
}

/** Whether a query sees a position at this distance before it. */
const sees = (distance: number, { window = Infinity }: AttentionKind): boolean => distance >= 0 && distance < window

/** Outputs of heads side by side, [items · positions, heads · width]. */
const mix = (transformer: TransformerParts, layer: number, { queries: q, keys: k, values: v }: Attending): Value => {
  const { builder, extent, architecture } = transformer
  const [count, heads, positions, width] = q.shape
  const groups = k.shape[1]
  const each = heads / groups
  const kind = architecture.attention[kindOf(transformer, layer)]
  const { window } = kind
  const cap = architecture.scoreCap
  const sideBySide = (mixed: Value): Value =>
    builder.reshape(builder.transpose(builder.reshape(mixed, [count, heads, positions, width]), [0, 2, 1, 3]), [
      count * positions,
      heads * width
    ])
  if (extent.queries !== undefined) {
    const ones = (): Value => builder.constant(new Float32Array(each).fill(1), [1, each, 1])
    const [own, keys, values] = [q, k, v].map((x, part) => {
      const items = [count * heads, positions, width]
      if (part === 0 || each === 1) return builder.reshape(x, items)
      return builder.reshape(builder.mul(builder.reshape(x, [count * groups, 1, positions * width]), ones()), items)
    })
    return sideBySide(builder.causalAttention(own, keys, values, extent.queries, { cap, window }))
  }
  const mask = transformer.table(`mask ${window}`, [positions, positions], () =>
    Float32Array.from({ length: positions * positions }, (_, at) =>
      sees(Math.floor(at / positions) - (at % positions), kind) ? 0 : -1e30
    )
  )
  // All heads of a group meet its keys and values in one product.
  const joined = (x: Value): Value => builder.reshape(x, [count, groups, each * positions, x.shape.at(-1)!])
  const products = builder.matmul(joined(q), k, { transposeB: true })
  const capped = builder.capped(builder.reshape(products, [count, heads, positions, positions]), cap)
  const probabilities = builder.softmax(builder.add(capped, mask))
  return sideBySide(builder.matmul(joined(probabilities), v))
}

/**
 * Causal attention on the products of queries, keys and values, one or three. Returns the heads' outputs side by side,
 * [.., heads · width].
 */
export const attend = (transformer: TransformerParts, layer: number, products: readonly Value[]): Value =>
  mix(
    transformer,
    layer,
    products.length === 1 ? fromOne(transformer, layer, products[0]) : fromThree(transformer, layer, products)
  )
