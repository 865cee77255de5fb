import { SpectroscopeError } from '../../../preload/errors'
import type { Precision } from '../../../preload/precisions'
import { type Executor, GraphBuilder } from '../core'
import { ReferenceExecutor } from './executor'

/**
 * Limits of errors relative to the largest number, for the graph below. The CPU, which rounds to nearest, has float32
 * 3e-6, TF32 4e-3, float16 5e-3, bfloat16 3e-2. A card may truncate instead, which doubles the error.
 */
const tolerances: Readonly<Record<Precision, number>> = { float32: 5e-5, tf32: 1.5e-2, float16: 1.5e-2, bfloat16: 1e-1 }

const [tokens, width, vocabulary] = [48, 64, 96]

/** Operations of a layer, and a loss over a vocabulary with its gradient. */
const graph = () => {
  const builder = new GraphBuilder()
  const [x, w, table, ids] = [
    builder.input('x', [tokens, width]),
    builder.input('w', [width, width]),
    builder.input('table', [vocabulary, width]),
    builder.input('ids', [tokens], 'int')
  ]
  const { y } = builder.layerNorm(
    x,
    builder.constant(new Float32Array(width).fill(1), [width]),
    builder.constant(new Float32Array(width), [width]),
    1e-5
  )
  const product = builder.matmul(y, w, { transposeB: true })
  const scores = builder.softmax(
    builder.scale(
      builder.matmul(builder.reshape(product, [4, 12, width]), builder.reshape(y, [4, 12, width]), {
        transposeB: true
      }),
      0.1
    )
  )
  const mixed = builder.reshape(builder.matmul(scores, builder.reshape(builder.gelu(product, false), [4, 12, width])), [
    tokens,
    width
  ])
  const { sums, weighted } = builder.exponentialSums(builder.scale(mixed, 0.3), table, vocabulary, vocabulary / 2)
  const losses = builder.sub(builder.log(sums), builder.sum(builder.mul(mixed, builder.gather(table, ids)), [1]))
  builder.output('product', product)
  builder.output('losses', builder.reshape(losses, [tokens]))
  builder.output('slope', builder.mul(weighted, builder.reciprocal(sums)))
  return builder.build()
}

const numbers = (length: number, factor: number): Float32Array =>
  Float32Array.from({ length }, (_, at) => Math.sin(12.9898 * (at + 1)) * Math.cos(78.233 * at) * factor)

/**
 * Runs a small graph on the executor and compares it with the float64 reference. Throws an `engine` error if the
 * numbers do not have that precision: if a device or driver computes wrongly, or in a lower precision than it says.
 */
export const selfCheck = async (executor: Executor, precision: Precision): Promise<void> => {
  const own = graph()
  const [w, table] = [numbers(width * width, 0.6), numbers(vocabulary * width, 0.5)]
  const resultOf = async (by: Executor): Promise<Record<string, Float32Array>> => {
    const program = await by.compile(own)
    try {
      return await program.run({
        x: numbers(tokens * width, 1),
        w: by.resident(w, [width, width]),
        table: by.resident(table, [vocabulary, width]),
        ids: Int32Array.from({ length: tokens }, (_, at) => (at * 37) % vocabulary)
      })
    } finally {
      await program.dispose()
    }
  }
  const [result, expected] = [await resultOf(executor), await resultOf(new ReferenceExecutor())]
  for (const [name, values] of Object.entries(expected)) {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const error = values.reduce((most, value, at) => Math.max(most, Math.abs(result[name][at] - value)), 0) / largest
    if (!(error <= tolerances[precision])) {
      throw new SpectroscopeError(
        'engine',
        `${executor.description.name} computes other numbers than ${precision} has (relative error ` +
          `${error.toExponential(1)} of "${name}" in its self-check); update the driver, or choose another ` +
          'engine.'
      )
    }
  }
}
