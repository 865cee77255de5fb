import { describe, expect, it } from 'vitest'
import type { Bound, Executor } from '../../main/engine/core/executor'
import { type Graph, GraphBuilder } from '../../main/engine/core/graph'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { withoutSharing } from '../../main/engine/onnx/shared-memory'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { asForCuda } from '../executors'
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
  const ids = builder.input('ids', [tokens], 'int')
  builder.output('added', builder.scatterAdd(h, ids, 4 * block))
  builder.output('slope', builder.exponentialSumsSlope(h, w, builder.reciprocal(sums), block))
  return {
    graph: builder.build(),
    inputs: {
      ids: Int32Array.of(0, 28, 9, 28, 0, 28),
      h: numbers(tokens * width),
      w: numbers(4 * block * width).fill(0, vocabulary * width)
    }
  }
}

/** Attention of 5 heads over 8 positions in blocks of 3 queries, and its gradients. */
const attention = () => {
  const uniform = uniforms(4)
  const builder = new GraphBuilder()
  const names = ['q', 'k', 'v', 'g']
  const [q, k, v, g] = names.map((name) => builder.input(name, [5, 8, 3]))
  builder.output('mixed', builder.causalAttention(q, k, v, 3))
  builder.causalAttentionSlope(q, k, v, g, 3).forEach((slope, at) => builder.output(names[at], slope))
  return {
    graph: builder.build(),
    inputs: Object.fromEntries(names.map((name) => [name, Float32Array.from({ length: 120 }, () => 2 * uniform() - 1)]))
  }
}

const resultOn = async (
  executor: Executor,
  { graph, inputs }: { readonly graph: Graph; readonly inputs: Readonly<Record<string, Bound>> } = loss()
): Promise<Record<string, Float32Array>> => {
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
  ])('take a vocabulary %s, to the same sums and what is added to its rows', async (_, partBytes) => {
    const device = asForCuda({ partBytes })
    const [inParts, inBlocks, exact] = [
      await resultOn(device),
      await resultOn(openOnnxCpu()),
      await resultOn(new ReferenceExecutor())
    ]
    for (const [name, values] of Object.entries(exact)) {
      const scale = Math.max(...values.map(Math.abs))
      values.forEach((value, at) => {
        expect(Math.abs(inParts[name][at] - value) / scale, name).toBeLessThan(1e-6)
        expect(Math.abs(inBlocks[name][at] - value) / scale, name).toBeLessThan(1e-6)
      })
    }
  })

  it.each([
    ['all heads at once', 2 ** 20],
    ['two heads at once', 4 * 8 * 8 * 2],
    ['one head at once, where not even one fits', 1]
  ])('take the scores of %s, to the same attention', async (_, partBytes) => {
    const device = asForCuda({ partBytes })
    const [inParts, inBlocks, exact] = [
      await resultOn(device, attention()),
      await resultOn(openOnnxCpu(), attention()),
      await resultOn(new ReferenceExecutor(), attention())
    ]
    expect(Object.keys(exact)).toEqual(['mixed', 'q', 'k', 'v'])
    for (const [name, values] of Object.entries(exact)) {
      values.forEach((value, at) => {
        expect(Math.abs(inParts[name][at] - value), name).toBeLessThan(1e-6)
        expect(Math.abs(inBlocks[name][at] - value), name).toBeLessThan(1e-6)
      })
    }
  })
})

describe('weights in memory that threads share', () => {
  const shared = (values: Float32Array): Float32Array => {
    const copy = new Float32Array(new SharedArrayBuffer(values.byteLength))
    copy.set(values)
    return copy
  }

  it('are read where they are', () => {
    const weights = shared(Float32Array.of(1, 2, 3, 4))
    const part = withoutSharing(weights.subarray(1, 3))
    expect([...part]).toEqual([2, 3])
    expect(part.buffer).toBeInstanceOf(ArrayBuffer)
    weights[2] = 7
    expect([...part]).toEqual([2, 7])
    expect([...withoutSharing(weights.subarray(2, 2))]).toEqual([])
  })

  it('give what others give', async () => {
    const executor = openOnnxCpu()
    const { graph, inputs } = loss()
    const { w } = inputs
    const residents = [w, shared(w)].map((data) => executor.resident(data, [4 * block, width]))
    const [own, together] = await Promise.all(
      residents.map((resident) => resultOn(executor, { graph, inputs: { ...inputs, w: resident } }))
    )
    expect(together).toEqual(own)
    await executor.dispose()
  })
})
