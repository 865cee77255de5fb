import { describe, expect, it } from 'vitest'
import { decode, encode } from '../../preload/wire'
import type { Child } from '../../main/base/processes'
import { ProcessExecutor } from '../../main/engine/apart/client'
import { executorHandlers } from '../../main/engine/apart/handlers'
import type { ExecutorCalls } from '../../main/engine/apart/messages'
import type { Evaluator, OwnWeights, Prefix } from '../../main/engine/core/evaluator'
import { type Executor, OutOfDeviceMemory } from '../../main/engine/core/executor'
import type { Graph } from '../../main/engine/core/graph'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { programName } from '../../main/engine/core/operations'
import { TransformerEvaluator } from '../../main/engine/core/transformer-evaluator'
import { componentNames, componentSlices, flatten } from '../../main/models/components'
import { architectures, baseArchitecture as base, difference, randomRows, randomWeights } from '../engine-models'
import { evaluatorOn, executorCases, openCase, withMemory } from '../executors'
import { uniforms } from '../tiny-model'

/** Rows that everything is computed over, and their ids. */
const [count, length] = [3, 9]

/** Replicas that a graph is for; undefined where it is of one alone, or of none. */
const replicasOf = ({ inputs, outputs }: Graph): number | undefined => {
  const losses = outputs.get('losses')
  return losses === undefined || (!inputs.has('head:index') && inputs.has('head:attended'))
    ? undefined
    : losses.shape[0] / (count * (length - 1))
}

/** The executor behind the messages of a process of its own, in this one. */
const processOf = async (executor: Executor): Promise<ProcessExecutor> => {
  const handlers = executorHandlers<null>(() => executor)
  await handlers.open(null)
  const call = async (method: keyof typeof handlers, parameters: unknown): Promise<unknown> => {
    const arrived = (decode(encode({ parameters })) as { readonly parameters: never }).parameters
    return (decode(encode({ result: await handlers[method](arrived) })) as { readonly result: unknown }).result
  }
  const exit = { code: 0, signal: null, words: 'it was closed' }
  return new ProcessExecutor(
    {
      library: 'The library',
      pid: 0,
      call: call as Child<ExecutorCalls<unknown>>['call'],
      disconnect: async () => exit
    },
    executor.description
  )
}

/** Two chains of every component, in groups that share a program, and rows that they are computed over. */
const caseOf = (architecture: (typeof architectures)[string]) => {
  const uniform = uniforms(11)
  const weights = randomWeights(architecture, uniform)
  const replica = (component: string): OwnWeights => ({
    component,
    weights: flatten(weights, componentSlices(architecture, weights, component)).map((x) => x + 0.3 * (uniform() - 0.5))
  })
  const names = componentNames(architecture)
  const groups = [...new Set(names.map(programName))].map((program) =>
    names
      .filter((component) => programName(component) === program)
      .flatMap((component) => [replica(component), replica(component)])
  )
  return { weights, groups, rows: randomRows(architecture, count, length, uniform) }
}

interface Numbers {
  readonly losses: Float32Array
  readonly gradient: Float32Array
  readonly lossSum: number
}

const alone = async (evaluator: Evaluator, { component, weights }: OwnWeights, prefix: Prefix): Promise<Numbers> => {
  const gradient = new Float32Array(weights.length).fill(1)
  return {
    losses: await evaluator.losses(component, weights, prefix),
    lossSum: (await evaluator.gradient(component, weights, prefix, gradient)).lossSum,
    gradient
  }
}

const together = async (
  { stacked }: Evaluator,
  replicas: readonly OwnWeights[],
  width: number,
  prefix: Prefix
): Promise<Numbers[]> => {
  const gradients = replicas.map(({ weights }) => new Float32Array(weights.length).fill(1))
  const losses = await stacked!.losses(replicas, width, prefix)
  const sums = await stacked!.gradient(replicas, width, prefix, gradients)
  return replicas.map((_, at) => ({ losses: losses[at], gradient: gradients[at], lossSum: sums[at] }))
}

const expectSame = (found: Numbers, expected: Numbers, words: string): void => {
  expect(difference(found.losses, expected.losses), words).toBeLessThan(1e-5)
  expect(
    difference(
      found.gradient.map((x) => x - 1),
      expected.gradient.map((x) => x - 1)
    ),
    words
  ).toBeLessThan(1e-4)
  expect(Math.abs(found.lossSum / expected.lossSum - 1), words).toBeLessThan(1e-5)
}

const cases = [{ name: 'reference', title: 'the float64 reference', skipped: false }, ...executorCases]

for (const { name, title, skipped } of cases) {
  describe.skipIf(skipped)(`replicas together on ${title}`, () => {
    it.each(Object.entries(architectures))(
      'have the losses and gradients that each has alone in float64, for every component of %s',
      async (_, architecture) => {
        const { weights, groups, rows } = caseOf(architecture)
        const ran: (number | undefined)[] = []
        const reference = await evaluatorOn('reference', architecture, weights)
        const device = new TransformerEvaluator(
          withMemory(await openCase(name), 2 ** 40, { ran: (graph) => ran.push(replicasOf(graph)) }),
          architecture,
          weights
        )
        const [prefix, own] = [await reference.prefix(rows), await device.prefix(rows)]
        for (const replicas of groups) {
          const expected: Numbers[] = []
          for (const replica of replicas) expected.push(await alone(reference, replica, prefix))
          ran.length = 0
          const found = await together(device, replicas, replicas.length, own)
          expect(ran).toEqual([replicas.length, replicas.length])
          found.forEach((numbers, at) => expectSame(numbers, expected[at], `${replicas[at].component} ${at}`))
          // One that is left alone has its place in the program of all, and so the numbers that it had beside the
          // others.
          ran.length = 0
          const [rest] = await together(device, replicas.slice(1, 2), replicas.length, own)
          expect(ran).toEqual([replicas.length, replicas.length])
          expectSame(rest, expected[1], 'the second one only')
        }
      }
    )
  })
}

describe('replicas together', () => {
  const { weights, groups, rows } = caseOf(base)
  const heads = groups.find(([{ component }]) => component === 'head:0.0')!

  it("are computed one by one in the machine's own memory, and where their program is of all weights", async () => {
    expect((await evaluatorOn('onnx-cpu', base, weights)).stacked).toBeUndefined()
    const ran: (number | undefined)[] = []
    const device = new TransformerEvaluator(
      withMemory(openOnnxCpu(), 2 ** 40, { ran: (graph) => ran.push(replicasOf(graph)) }),
      base,
      weights
    )
    const full = flatten(weights, componentSlices(base, weights, 'full'))
    const prefix = await device.prefix(rows)
    const expected = await alone(device, { component: 'full', weights: full }, prefix)
    ran.length = 0
    const found = await together(
      device,
      [
        { component: 'full', weights: full },
        { component: 'full', weights: full.map((x) => 1.01 * x) }
      ],
      2,
      prefix
    )
    expect(ran).toEqual([1, 1, 1, 1])
    expect(found[0]).toEqual(expected)
    expect(found[1].losses).not.toEqual(expected.losses)
  })

  it('leave one whose exponents overflow to the exact program, without harm to the others', async () => {
    const replicas = groups
      .find(([{ component }]) => component === 'unembed')!
      .map((replica, at) => (at === 0 ? { ...replica, weights: replica.weights.map((x) => 300 * x) } : replica))
    const reference = await evaluatorOn('reference', base, weights)
    const device = new TransformerEvaluator(withMemory(openOnnxCpu(), 2 ** 40), base, weights)
    const [prefix, own] = [await reference.prefix(rows), await device.prefix(rows)]
    const found = await together(device, replicas, 2, own)
    expect(Math.max(...found[0].losses)).toBeGreaterThan(100)
    for (const [at, replica] of replicas.entries())
      expectSame(found[at], await alone(reference, replica, prefix), `${at}`)
  })

  it('go as many at once as memory is taken to be enough for, and no more', async () => {
    const largest: number[] = []
    for (const memoryBytes of [2 ** 30, 5.5e5, 1e5]) {
      const compiled: (number | undefined)[] = []
      const device = new TransformerEvaluator(
        withMemory(openOnnxCpu(), memoryBytes, { compiled: (graph) => compiled.push(replicasOf(graph)) }),
        base,
        weights
      )
      const prefix = await device.prefix(rows)
      const found = await together(device, heads, heads.length, prefix)
      const reference = await evaluatorOn('reference', base, weights)
      for (const [at, replica] of heads.entries())
        expectSame(found[at], await alone(reference, replica, await reference.prefix(rows)), `${memoryBytes} ${at}`)
      largest.push(Math.max(...compiled.map((replicas) => replicas ?? 1)))
    }
    expect(largest).toEqual([4, 2, 1])
  })

  it.each(['made', 'run'] as const)(
    'are halved where another process says that its memory is short when a program is %s',
    async (when) => {
      const check = (graph: Graph): void => {
        if ((replicasOf(graph) ?? 1) > 2) throw new OutOfDeviceMemory('CUDA failure 2: out of memory')
      }
      const ran: number[] = []
      const apart = await processOf(
        withMemory(openOnnxCpu(), undefined, {
          compiled: (graph) => when === 'made' && check(graph),
          ran: (graph) => {
            if (when === 'run') check(graph)
            ran.push(replicasOf(graph) ?? 1)
          }
        })
      )
      const [evaluator, reference] = [
        new TransformerEvaluator(apart, base, weights),
        await evaluatorOn('reference', base, weights)
      ]
      const found = await together(evaluator, heads, heads.length, await evaluator.prefix(rows))
      expect(ran.slice(1)).toEqual([2, 2, 2, 2])
      for (const [at, replica] of heads.entries())
        expectSame(found[at], await alone(reference, replica, await reference.prefix(rows)), `${at}`)
      await evaluator.dispose()
    }
  )

  it.each(['made', 'run'] as const)(
    "are halved where a device's memory turns out to be short when a program is %s, which is remembered",
    async (when) => {
      const reference = await evaluatorOn('reference', base, weights)
      const expected: Numbers[] = []
      for (const replica of heads) expected.push(await alone(reference, replica, await reference.prefix(rows)))
      let [most, alive] = [4, 0]
      const ran: number[] = []
      const inner = openOnnxCpu()
      const check = (graph: Graph): void => {
        if ((replicasOf(graph) ?? 1) > most) throw new OutOfDeviceMemory('CUDA failure 2: out of memory')
      }
      const watched = withMemory(inner, 2 ** 40, when === 'made' ? { compiled: check } : { ran: check })
      const device: Executor = {
        ...watched,
        compile: async (graph) => {
          const program = await watched.compile(graph)
          alive++
          return {
            run: async (inputs) => {
              const outputs = await program.run(inputs)
              ran.push(replicasOf(graph) ?? 1)
              return outputs
            },
            dispose: () => (alive--, program.dispose())
          }
        }
      }
      for (const [limit, runs] of [
        [4, [4, 4]],
        [2, [2, 2, 2, 2]],
        [1, [1, 1, 1, 1, 1, 1, 1, 1]]
      ] as const) {
        most = limit
        const evaluator = new TransformerEvaluator(device, base, weights)
        const prefix = await evaluator.prefix(rows)
        const found = await together(evaluator, heads, heads.length, prefix)
        found.forEach((numbers, at) => expectSame(numbers, expected[at], `${limit} ${at}`))
        ran.length = 0
        // Room that is there again is not tried: what turned out to fit stays.
        most = 4
        await together(evaluator, heads, heads.length, prefix)
        expect(ran).toEqual(runs)
        await evaluator.dispose()
        expect(alive).toBe(0)
      }
    }
  )
})
