import { type Value, size } from './graph'
import type { TransformerParts } from './transformer-parts'

/**
 * Applies rotary position embedding to q and k [..., positions, width], and multiplies each by the square root of the
 * scale 1/√width.
 */
const rotate = (transformer: TransformerParts, x: Value): Value => {
  const { builder, extent } = transformer
  const { rotaryDimensions, rotaryBase, hidden, heads } = transformer.architecture
  const width = hidden / heads
  const half = rotaryDimensions / 2
  const scale = width ** -0.25
  const turn = transformer.table('turn', [width, width], () => {
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
      return (
        scale * (i < rotaryDimensions ? fill(position * rotaryBase ** (-(2 * (i % half)) / rotaryDimensions)) : rest)
      )
    })
  const cosines = transformer.table('cosines', [extent.positions, width], () => angles(Math.cos, 1))
  const sines = transformer.table('sines', [extent.positions, width], () => angles(Math.sin, 0))
  const flat = builder.reshape(x, [size(x.shape) / width, width])
  const turned = builder.reshape(builder.matmul(flat, turn), x.shape)
  return builder.add(builder.mul(x, cosines), builder.mul(turned, sines))
}

/**
 * Causal attention of `heads` heads on q|k|v [.., tokens, 3 · heads · width]. Returns their outputs side by side,
 * [.., heads · width].
 */
export const attend = (transformer: TransformerParts, qkv: Value, heads: number): Value => {
  const { builder, extent } = transformer
  const { hidden } = transformer.architecture
  const width = hidden / transformer.architecture.heads
  const { positions } = extent
  const count = size(qkv.shape) / (3 * heads * width * positions)
  const perHead = transformer.layout.qkv === 'by head'
  const parts = builder.reshape(
    qkv,
    perHead ? [count, positions, heads, 3, width] : [count, positions, 3, heads, width]
  )
  const grouped = builder.transpose(parts, perHead ? [3, 0, 2, 1, 4] : [2, 0, 3, 1, 4])
  const [qk, v] = builder.split(grouped, 0, [2, 1])
  const placed =
    transformer.architecture.rotaryDimensions > 0 ? rotate(transformer, qk) : builder.scale(qk, width ** -0.25)
  const [q, k] = builder.split(placed, 0, [1, 1])
  const sideBySide = (mixed: Value): Value =>
    builder.reshape(builder.transpose(builder.reshape(mixed, [count, heads, positions, width]), [0, 2, 1, 3]), [
      count * positions,
      heads * width
    ])
  if (extent.queries !== undefined) {
    const [queries, keys, values] = [q, k, v].map((x) => builder.reshape(x, [count * heads, positions, width]))
    return sideBySide(builder.causalAttention(queries, keys, values, extent.queries))
  }
  const mask = transformer.table('mask', [positions, positions], () =>
    Float32Array.from({ length: positions * positions }, (_, at) =>
      at % positions > Math.floor(at / positions) ? -1e30 : 0
    )
  )
  const scores = builder.add(builder.matmul(q, k, { transposeB: true }), mask)
  return sideBySide(builder.matmul(builder.softmax(scores), v))
}
