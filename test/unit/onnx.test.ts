import { describe, expect, it } from 'vitest'
import type { Executor } from '../../main/engine/executor'
import { GraphBuilder } from '../../main/engine/graph'
import { OnnxExecutor, openOnnxCpu } from '../../main/engine/onnx/executor'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { uniforms } from '../tiny-model'

const [tokens, width, vocabulary, block] = [6, 4, 29, 8]

/** All that a loss and its gradients take of a vocabulary of 29 in four blocks of 8. */
const loss = () => {
  const uniform = uniforms(3)
  const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * uniform() - 1)
  const builder = new GraphBuilder()
  const [h, w] = [builder.input('h', [tokens, width]), builder.input('w', [4 * block, width])]
  const { sums, weighted } = builder.exponentialSums(h, w, vocabulary, block)
  builder.output('sums', sums)
  builder.output('weighted', weighted)
  builder.output('slope', builder.exponentialSumsSlope(h, w, builder.reciprocal(sums), block))
  return { graph: builder.build(), inputs: { h: numbers(tokens * width), w: numbers(4 * block * width).fill(0, vocabulary * width) } }
}

const resultOn = async (executor: Executor): Promise<Record<string, Float32Array>> => {
  const { graph, inputs } = loss()
  const program = await executor.compile(graph)
  const result = await program.run(inputs)
  await program.dispose()
  return result
}

describe('graphs that are lowered for a device', () => {
  it.each([
    ['at once', 2 ** 20],
    ['in parts of two blocks', 4 * tokens * 2 * block],
    ['in parts of one block, where not even one fits', 1]
  ])('take a vocabulary %s, to the same sums', async (_, partBytes) => {
    const device = new OnnxExecutor({ provider: 'cpu', name: 'onnx-cpu', device: 'CPU', partBytes })
    const [inParts, inBlocks, exact] = [await resultOn(device), await resultOn(openOnnxCpu()), await resultOn(new ReferenceExecutor())]
    for (const [name, values] of Object.entries(exact)) {
      const scale = Math.max(...values.map(Math.abs))
      values.forEach((value, at) => {
        expect(Math.abs(inParts[name][at] - value) / scale, name).toBeLessThan(1e-6)
        expect(Math.abs(inBlocks[name][at] - value) / scale, name).toBeLessThan(1e-6)
      })
    }
  })
})
