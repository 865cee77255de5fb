import type { Precision } from '../../preload/precisions'
import { describeEngine, openEngine, resolveEngine } from '../../main/engine/engines'
import { GraphBuilder } from '../../main/engine/core/graph'

const side = 2048
const products = 32

/**
 * A device's rate of matrix products in operations a second, in the precision that the engine computes in: the best
 * of some runs of a chain of products of 2048 × 2048 matrices, of which only the first and the last cross.
 */
export const deviceProductRate = async (engine: string, precision: Precision): Promise<number> => {
  const executor = await openEngine(engine, precision)
  const builder = new GraphBuilder()
  const [x, w] = [builder.input('x', [side, side]), builder.input('w', [side, side])]
  let product = x
  for (let i = 0; i < products; i++) product = builder.matmul(product, w)
  builder.output('sum', builder.sum(product, [0, 1]))
  const matrix = (scale: number): Float32Array =>
    Float32Array.from({ length: side * side }, (_, i) => scale * Math.sin(i))
  const program = await executor.compile(builder.build())
  const inputs = { x: matrix(1), w: executor.resident(matrix(1 / Math.sqrt(side)), [side, side]) }
  const seconds: number[] = []
  for (let run = 0; run < 6; run++) {
    const start = performance.now()
    await program.run(inputs)
    seconds.push((performance.now() - start) / 1000)
  }
  await program.dispose()
  await executor.dispose()
  return (products * 2 * side ** 3) / Math.min(...seconds.slice(1))
}

/** Says what the engine is and how fast its device multiplies. Throws an `engine` error where it can't be had. */
export const benchDevice = async (name: string, precision: Precision): Promise<void> => {
  const engine = await resolveEngine(name, precision)
  const { device, version, precision: own } = await describeEngine(engine, precision)
  console.log(
    `${engine} on ${device}, ${version}, ${own}: products of ${side}³ at ` +
      `${((await deviceProductRate(engine, precision)) / 1e12).toFixed(3)} TFLOP/s`
  )
}
