import { afterAll, describe, expect, it } from 'vitest'
import type { Bound, Executor } from '../../main/engine/executor'
import { GraphBuilder } from '../../main/engine/graph'
import { isSoftware } from '../../main/engine/webgpu/adapter'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { uniforms } from '../tiny-model'
import { openPageExecutor } from './executor'

const opened = await openPageExecutor().then(
  (page) => ({ page, missing: undefined }),
  (error: unknown) => ({
    page: undefined,
    missing: error instanceof Error ? error.message.split('\n')[0] : String(error)
  })
)

afterAll(() => opened.page?.close())

const uniform = uniforms(11)
const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * uniform() - 1)

/** Every operation, on shapes that fill no square or group, broadcast, and lie within larger tensors. */
const graphs: Readonly<
  Record<string, () => { readonly builder: GraphBuilder; readonly inputs: Readonly<Record<string, Bound>> }>
> = {
  'element by element': () => {
    const builder = new GraphBuilder()
    const [x, y, z] = [builder.input('x', [3, 5, 7]), builder.input('y', [5, 1]), builder.input('z', [3, 5, 7])]
    const positive = builder.add(builder.mul(x, x), builder.constant(Float32Array.of(0.5), [1]))
    builder.output('add', builder.add(x, y))
    builder.output('sub', builder.sub(y, z))
    builder.output('mul', builder.mul(x, z))
    builder.output('scale', builder.scale(builder.exp(x), -2.5))
    builder.output('log', builder.log(positive))
    builder.output('reciprocal', builder.reciprocal(positive))
    const wide = builder.scale(x, 6)
    for (const tanh of [false, true]) {
      builder.output(`gelu ${tanh}`, builder.gelu(wide, tanh))
      builder.output(`slope ${tanh}`, builder.geluSlope(wide, tanh))
    }
    return { builder, inputs: { x: numbers(105), y: numbers(5), z: numbers(105) } }
  },
  'a far GELU': () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', [6])
    for (const tanh of [false, true]) {
      builder.output(`gelu ${tanh}`, builder.gelu(x, tanh))
      builder.output(`slope ${tanh}`, builder.geluSlope(x, tanh))
    }
    return { builder, inputs: { x: Float32Array.of(-300, -40, -12, 12, 40, 300) } }
  },
  products: () => {
    const builder = new GraphBuilder()
    const [m, n, k] = [67, 70, 33]
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const [a, b] = [
          builder.input(`a${transposeA}`, transposeA ? [k, m] : [m, k]),
          builder.input(`b${transposeB}`, transposeB ? [n, k] : [k, n])
        ]
        builder.output(`${transposeA} ${transposeB}`, builder.matmul(a, b, { transposeA, transposeB }))
      }
    const [c, d] = [builder.input('c', [2, 1, 3, 4]), builder.input('d', [1, 5, 4, 2])]
    builder.output('batch', builder.matmul(c, d))
    builder.output('one for all', builder.matmul(c, builder.input('e', [4, 6])))
    return {
      builder,
      inputs: {
        atrue: numbers(m * k),
        afalse: numbers(m * k),
        btrue: numbers(n * k),
        bfalse: numbers(n * k),
        c: numbers(24),
        d: numbers(40),
        e: numbers(24)
      }
    }
  },
  'shapes and sums': () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', [2, 6, 5, 3])
    const turned = builder.transpose(x, [2, 0, 3, 1])
    builder.output('same', x)
    builder.output('turned', turned)
    const [a, b, c] = builder.split(turned, 3, [1, 3, 2])
    builder.output('middle', b)
    builder.output('joined', builder.concat([c, builder.reshape(a, [5, 2, 3, 1]), c], 3))
    builder.output('first axis', builder.concat(builder.split(x, 0, [1, 1]).reverse(), 0))
    builder.output('sum 1 3', builder.sum(x, [1, 3]))
    builder.output('sum all', builder.sum(builder.reshape(x, [180]), [0]))
    return { builder, inputs: { x: numbers(180) } }
  },
  rows: () => {
    const builder = new GraphBuilder()
    const [x, scale, shift, ids] = [
      builder.input('x', [9, 100]),
      builder.input('scale', [100]),
      builder.input('shift', [100]),
      builder.input('ids', [9], 'int')
    ]
    const { y, mean, inverseDeviation } = builder.layerNorm(x, scale, shift, 1e-5)
    builder.output('y', y)
    builder.output('mean', mean)
    builder.output('inverse', inverseDeviation)
    builder.output('softmax', builder.softmax(builder.scale(x, 30)))
    builder.output('gathered', builder.gather(x, ids))
    builder.output('added', builder.scatterAdd(x, ids, 11))
    return {
      builder,
      inputs: {
        x: numbers(900),
        scale: numbers(100),
        shift: numbers(100),
        ids: Int32Array.of(8, 0, 3, 3, 3, 8, 1, 0, 7)
      }
    }
  },
  attention: () => {
    const builder = new GraphBuilder()
    const [q, k, v, g] = ['q', 'k', 'v', 'g'].map((name) => builder.input(name, [3, 70, 8]))
    builder.output('attended', builder.causalAttention(q, k, v, 32))
    builder.causalAttentionSlope(q, k, v, g, 32).forEach((slope, at) => builder.output(`slope ${at}`, slope))
    return { builder, inputs: { q: numbers(1680), k: numbers(1680), v: numbers(1680), g: numbers(1680) } }
  },
  losses: () => {
    const builder = new GraphBuilder()
    const [vocabulary, block, tokens, width] = [8500, 500, 5, 12]
    const [h, w, ids] = [
      builder.input('h', [tokens, width]),
      builder.input('w', [17 * block, width]),
      builder.input('ids', [tokens], 'int')
    ]
    const { sums, weighted } = builder.exponentialSums(h, w, vocabulary, block)
    builder.output('sums', sums)
    builder.output('weighted', weighted)
    builder.output('slope', builder.exponentialSumsSlope(h, w, builder.reciprocal(sums), block))
    const { loss, logProbabilities } = builder.unembedLoss(h, w, ids)
    builder.output('loss', loss)
    builder.output('logs', logProbabilities)
    return {
      builder,
      inputs: {
        h: numbers(tokens * width),
        w: numbers(17 * block * width),
        ids: Int32Array.of(0, 8499, 17, 4000, 8191)
      }
    }
  }
}

const resultOn = async (executor: Executor, name: string): Promise<Record<string, Float32Array>[]> => {
  const { builder, inputs } = cases[name]
  const program = await executor.compile(builder.build())
  const results = [await program.run(inputs), await program.run(inputs)]
  await program.dispose()
  return results
}

const cases = Object.fromEntries(Object.entries(graphs).map(([name, make]) => [name, make()]))

describe(opened.missing === undefined ? 'kernels in a page' : `kernels in a page (skipped: ${opened.missing})`, () => {
  it.skipIf(opened.missing !== undefined)('say on what they compute, and software is known as such', () => {
    const { description } = opened.page!.executor
    expect(description).toMatchObject({ name: 'webgpu-window-software', precision: 'float32' })
    expect(isSoftware(description.device)).toBe(true)
  })

  it.skipIf(opened.missing !== undefined)('outlive a run that fails', async () => {
    const builder = new GraphBuilder()
    builder.output('twice', builder.scale(builder.input('x', [3]), 2))
    const program = await opened.page!.executor.compile(builder.build())
    await expect(program.run({ x: Float32Array.of(1, 2) })).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringContaining('the input x has 2 numbers and not 3')
    })
    expect(await program.run({ x: Float32Array.of(1, 2, 3) })).toEqual({ twice: Float32Array.of(2, 4, 6) })
  })

  it.skipIf(opened.missing !== undefined).each(Object.keys(graphs))(
    'compute %s as float64 does, and the same each time',
    async (name) => {
      const { executor } = opened.page!
      const [[expected], [first, second]] = [
        await resultOn(new ReferenceExecutor(), name),
        await resultOn(executor, name)
      ]
      expect(Object.keys(first).sort()).toEqual(Object.keys(expected).sort())
      expect(second).toEqual(first)
      for (const [output, values] of Object.entries(expected)) {
        const largest = Math.max(1e-6, ...values.map(Math.abs))
        expect(first[output].length).toBe(values.length)
        expect(
          Math.max(...values.map((value, at) => Math.abs(first[output][at] - value))) / largest,
          output
        ).toBeLessThan(3e-6)
      }
    }
  )
})
