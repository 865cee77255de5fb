import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OwnWeights, Prefix, StackedEvaluator } from '../../main/engine/core/evaluator'
import type { Graph } from '../../main/engine/core/graph'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { componentSlices, flatten } from '../../main/models/components'
import type { SamplingResult } from '../../main/sampling/estimates'
import { programGroups, mostInTask } from '../../main/sampling/groups'
import type { ChainsInput } from '../../main/sampling/input'
import { localLane } from '../local-lane'
import { type OpenLane } from '../../main/sampling/lane'
import { sample } from '../../main/sampling/sample'
import type { PsgldConfiguration } from '../../preload/configuration'
import { asForCuda, executors, withMemory } from '../executors'
import { QuadraticEvaluator, architecture, dyingLanes, smallInput, weights } from './sampling-fake'
import { runsApart, tinyRun, withExecutor } from './tiny-run'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'spectroscope-stacked-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const centre = (component: string): Float32Array => flatten(weights, componentSlices(architecture, weights, component))

/** What the sampler asks for together: as many replicas of so wide a group. */
interface Asked {
  readonly kind: 'losses' | 'gradient'
  readonly components: readonly string[]
  readonly width: number
}

/**
 * Quadratic losses of replicas together, which are to the bit those of each alone. `sumOf` may change the sum of a
 * replica's losses.
 */
class StackingEvaluator extends QuadraticEvaluator {
  readonly stacked: StackedEvaluator = {
    losses: async (replicas, width, prefix) => {
      this.asked.push({ kind: 'losses', components: replicas.map(({ component }) => component), width })
      const losses: Float32Array[] = []
      for (const { component, weights: own } of replicas) losses.push(await this.losses(component, own, prefix))
      return losses
    },
    gradient: async (replicas, width, prefix, gradients) => {
      this.asked.push({ kind: 'gradient', components: replicas.map(({ component }) => component), width })
      const sums: number[] = []
      for (const [at, replica] of replicas.entries())
        sums.push(this.sumOf(replica, await this.gradientSum(replica, prefix, gradients[at])))
      return sums
    }
  }

  constructor(
    private readonly asked: Asked[],
    before?: (component: string) => number | Promise<number>,
    private readonly sumOf: (replica: OwnWeights, sum: number) => number = (_, sum) => sum
  ) {
    super(centre, before)
  }

  private async gradientSum(
    { component, weights: own }: OwnWeights,
    prefix: Prefix,
    gradient: Float32Array
  ): Promise<number> {
    return (await this.gradient(component, own, prefix, gradient)).lossSum
  }
}

const stacking = (
  asked: Asked[] = [],
  ...others: ConstructorParameters<typeof StackingEvaluator> extends [unknown, ...infer Rest] ? Rest : never
): OpenLane => localLane(() => Promise.resolve(new StackingEvaluator(asked, ...others)))

const quadratic = (): OpenLane => localLane(() => Promise.resolve(new QuadraticEvaluator(centre)))

const numbersOf = ({ tokens: _, components: __, ...numbers }: SamplingResult): unknown => numbers

describe('groups of replicas', () => {
  it('share a program, are as even as can be, and leave out what has all weights', () => {
    const chains = (components: readonly string[], count: number) =>
      components.flatMap((component) => new Array<string>(count).fill(component))
    expect(programGroups(chains(['embed', 'head:0.0', 'head:0.1', 'head:1.0', 'mlp:0', 'full'], 2))).toEqual([
      [0, 1],
      [2, 3, 4, 5],
      [6, 7],
      [8, 9],
      [10],
      [11]
    ])
    const sizes = programGroups(chains(['head:3.0', 'head:3.1', 'head:3.2'], 11)).map(({ length }) => length)
    expect(sizes).toEqual([11, 11, 11])
    expect(programGroups(chains(['mlp:2'], mostInTask + 1)).map(({ length }) => length)).toEqual([9, 8])
  })
})

describe('sampling with replicas together', () => {
  const heads = (changes: Partial<PsgldConfiguration> = {}): ChainsInput => ({
    ...smallInput(changes),
    components: ['head:0.1', 'head:0.0', 'mlp:1']
  })

  it.each([
    ['steps and draws', heads()],
    ['Gaussian draws', heads({ nBeta: 0 })],
    ['probe rows that are observed', { ...heads(), observationIncludesProbe: true }]
  ])('has the numbers of sampling one by one: %s', async (_, input) => {
    const expected = numbersOf(await sample(input, { openLane: quadratic() }))
    // The last has one evaluator, and lanes that update.
    for (const [engine, threads] of [
      ['quadratic', 1],
      ['quadratic', 2],
      ['webgpu', 3]
    ] as const) {
      const asked: Asked[] = []
      expect(
        numbersOf(await sample({ ...input, engine, threads }, { openLane: stacking(asked), rangeWeights: 12 }))
      ).toEqual(expected)
      expect(asked.every(({ components, width }) => components.length === width)).toBe(true)
      expect(new Set(asked.map(({ components }) => components.join()))).toEqual(
        new Set(['head:0.1,head:0.1,head:0.0,head:0.0', 'mlp:1,mlp:1'])
      )
    }
  })

  it('shares out the rows of replicas that are fewer than the threads, one by one', async () => {
    const asked: Asked[] = []
    const expected = numbersOf(await sample(heads(), { openLane: quadratic() }))
    expect(numbersOf(await sample({ ...heads(), threads: 9 }, { openLane: stacking(asked) }))).toEqual(expected)
    expect(asked).toEqual([])
  })

  it('goes on where it was interrupted, within a step or a draw, with what is left of a group', async () => {
    const input = (name: string): ChainsInput => ({
      ...heads(),
      checkpoint: { folder: join(folder, name), everySeconds: 1e6, fingerprint: 'study' }
    })
    const expected = numbersOf(await sample(heads(), { openLane: quadratic() }))
    const partial: Asked[] = []
    for (const calls of [7, 20, 33, 58, 81, 120, 151]) {
      const controller = new AbortController()
      let count = 0
      const openLane = stacking([], () => {
        if (++count === calls) controller.abort()
        return 0
      })
      await expect(
        sample({ ...input(`${calls}`), threads: 1, signal: controller.signal }, { openLane })
      ).rejects.toMatchObject({ kind: 'interrupted' })
      expect(numbersOf(await sample(input(`${calls}`), { openLane: stacking(partial) }))).toEqual(expected)
    }
    // A run that was begun one by one may have done some of a group.
    partial.length = 0
    for (const calls of [38, 39, 40, 41, 42]) {
      const controller = new AbortController()
      let count = 0
      const alone = localLane(() =>
        Promise.resolve(
          new QuadraticEvaluator(centre, () => {
            if (++count === calls) controller.abort()
            return 0
          })
        )
      )
      await expect(
        sample({ ...input(`alone ${calls}`), threads: 1, signal: controller.signal }, { openLane: alone })
      ).rejects.toMatchObject({ kind: 'interrupted' })
      expect(numbersOf(await sample(input(`alone ${calls}`), { openLane: stacking(partial) }))).toEqual(expected)
    }
    expect(partial.some(({ components, width }) => components.length < width)).toBe(true)
  })

  it('does a group again where its worker died before it changed anything, and ends with its place otherwise', async () => {
    const dying = (nth: readonly number[], when: 'before' | 'after'): OpenLane =>
      dyingLanes(stacking(), (task) => task.kind === 'step' && task.replicas.length > 1, nth, when)
    const input = { ...heads(), threads: 1 }
    const expected = numbersOf(await sample(input, { openLane: quadratic() }))
    expect(numbersOf(await sample(input, { openLane: dying([3], 'before') }))).toEqual(expected)
    await expect(sample(input, { openLane: dying([3], 'after') })).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/ended at head:0\.1, chain 1 and 3 more, step \d+ \(out of memory\)/) as string
    })
  })

  it('ends a chain whose loss is not finite, and leaves the others of its group as they are', async () => {
    const seen: Float32Array[] = []
    const flagged: string[] = []
    const sumOf = ({ component, weights: own }: OwnWeights, sum: number): number => {
      if (component === 'head:0.0' && !seen.includes(own)) seen.push(own)
      return own === seen[1] ? NaN : sum
    }
    const expected = await sample(heads(), { openLane: quadratic() })
    const asked: Asked[] = []
    const found = await sample(
      { ...heads(), threads: 1, onFlag: ({ message }) => flagged.push(message) },
      { openLane: stacking(asked, undefined, sumOf) }
    )
    expect(flagged).toEqual([expect.stringMatching(/^head:0\.0, chain 2: the loss is not finite at step 0;/)])
    const tracesOf = ({ traces }: SamplingResult) => traces.filter(({ component }) => component !== 'head:0.0')
    expect(tracesOf(found)).toEqual(tracesOf(expected))
    // Its place in the program stays.
    expect(asked.filter(({ components }) => components.length === 3).every(({ width }) => width === 4)).toBe(true)
    expect(asked.some(({ components }) => components.length === 3)).toBe(true)
  })
})

describe('a run on a device', () => {
  const input = async (): Promise<Awaited<ReturnType<typeof tinyRun>>> => {
    const run = await tinyRun(folder)
    return { ...run, threads: 1, components: ['embed', 'head:0.0', 'head:0.1', 'head:1.1', 'mlp:0', 'unembed'] }
  }
  const groups = 5
  const full = 2
  const replicas = 14
  /**
   * 20 steps of one chunk, 6 draws of a block of observation and one of probe rows; the first losses are of those
   * blocks at w*.
   */
  const [passes, atStar] = [20 + 6 * 2, 2]
  const isPiece = ({ outputs }: Graph): boolean => outputs.has('losses')

  it('computes the replicas of a program together, with fewer runs of it, to the numbers of the processor within float32 noise', async () => {
    const { checkpoint: _, ...run } = await input()
    const counted = (counts: { pieces: number; prefixes: number }) => ({
      ran: (graph: Graph) => (isPiece(graph) ? counts.pieces++ : counts.prefixes++)
    })
    const [alone, together] = [
      { pieces: 0, prefixes: 0 },
      { pieces: 0, prefixes: 0 }
    ]
    const expected = await withExecutor(run, () => withMemory(openOnnxCpu(), undefined, counted(alone)))
    const found = await withExecutor(run, () => withMemory(asForCuda(), 2 ** 31, counted(together)))
    expect(alone).toEqual({ pieces: passes * replicas + atStar, prefixes: passes + atStar })
    expect(together).toEqual({ pieces: passes * (groups + full) + atStar, prefixes: passes + atStar })
    expect(runsApart(found, expected)).toBeLessThan(1e-4)
    expect(found.traces.length).toBe(expected.traces.length)
  })

  it('has the same numbers to the bit when it was interrupted', async () => {
    const run = await input()
    const { checkpoint: _, ...unkept } = run
    const device = () => withMemory(asForCuda(), 2 ** 31)
    const expected = await withExecutor(unkept, device)
    for (const runs of [30, 111, 170]) {
      const controller = new AbortController()
      let count = 0
      const counted = () => withMemory(asForCuda(), 2 ** 31, { ran: () => ++count === runs && controller.abort() })
      const kept = { ...run, checkpoint: { ...run.checkpoint, folder: join(folder, `${runs}`) } }
      await expect(withExecutor({ ...kept, signal: controller.signal }, counted)).rejects.toMatchObject({
        kind: 'interrupted'
      })
      expect((await withExecutor(kept, device)).susceptibilities).toEqual(expected.susceptibilities)
    }
  })

  for (const name of ['tfjs-gpu', 'webgpu-software'] as const) {
    const { missing } = executors[name]
    it.skipIf(missing !== undefined)(
      'is that of the processor within float32 noise on ' +
        `${name}${missing === undefined ? '' : ` (skipped: ${missing})`}`,
      async () => {
        const { checkpoint: _, ...run } = await input()
        let runs = 0
        const expected = await withExecutor(run, openOnnxCpu)
        const open = async () =>
          withMemory(await executors[name].open(), 2 ** 31, { ran: (graph) => (runs += Number(isPiece(graph))) })
        const found = await withExecutor(run, open)
        expect(runs).toBe(passes * (groups + full) + atStar)
        expect(runsApart(found, expected)).toBeLessThan(1e-4)
      }
    )
  }
})
