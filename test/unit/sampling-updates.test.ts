import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { componentSlices, flatten } from '../../main/models/components'
import type { PsgldConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { SamplingResult } from '../../main/sampling/estimates'
import type { ChainsInput } from '../../main/sampling/input'
import { Pool } from '../../main/sampling/pool'
import { localLane } from '../local-lane'
import { type OpenLane } from '../../main/sampling/lane'
import { PsgldKernel } from '../../main/sampling/psgld'
import { sample } from '../../main/sampling/sample'
import type { LaneKind, SharedRun, Task, TaskResult } from '../../main/sampling/tasks'
import { QuadraticEvaluator, architecture, dyingLanes, smallInput, weights } from './sampling-fake'

const centre = (component: string): Float32Array => flatten(weights, componentSlices(architecture, weights, component))

const quadratic = (before?: (component: string) => number): OpenLane =>
  localLane(() => Promise.resolve(new QuadraticEvaluator(centre, before)))

/** Tells of every task which kind of lane has it. */
const noting =
  (note: (kind: LaneKind, task: Task) => void, openLane = quadratic()): OpenLane =>
  async (run, kind) => {
    const lane = await openLane(run, kind)
    return {
      ...lane,
      run: (task) => {
        note(kind, task)
        return lane.run(task)
      }
    }
  }

const numbersOf = ({ tokens: _, components: __, ...numbers }: SamplingResult): unknown => numbers

/** On an engine of one evaluator, so that all threads but one update. */
const onDevice = (threads: number, changes: Partial<PsgldConfiguration> = {}): ChainsInput => ({
  ...smallInput(changes),
  engine: 'webgpu',
  threads
})

/** Ranges of a dozen weights: three to fifty-odd in a replica. */
const rangeWeights = 12

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spectroscope-updates-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const kept = (input: ChainsInput, name: string, everySeconds = 1e6): ChainsInput => ({
  ...input,
  checkpoint: { folder: join(folder, name), everySeconds, fingerprint: 'study' }
})

describe('a range of weights', () => {
  it('is updated to the bits of all of them together', () => {
    const kernel = new PsgldKernel()
    const { sampler } = smallInput()
    const source = { seed: 5, step: 7, chain: 1, stream: 2 ** 24 + 3 }
    const size = 2 * 8192 + 1029
    const state = () => ({
      weights: Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
      centre: Float32Array.from({ length: size }, (_, i) => Math.cos(i)),
      squares: new Float32Array(size).fill(0.1)
    })
    const gradient = Float32Array.from({ length: size }, (_, i) => Math.sin(3 * i))
    const [whole, parts] = [state(), state()]
    kernel.update(whole, gradient, 5, sampler, source)
    for (const [start, end] of [
      [8192, 16384],
      [0, 8192],
      [16388, size],
      [16384, 16388]
    ]) {
      const of = (values: Float32Array): Float32Array => values.subarray(start, end)
      kernel.update(
        { weights: of(parts.weights), centre: of(parts.centre), squares: of(parts.squares) },
        of(gradient),
        5,
        sampler,
        source,
        start
      )
    }
    expect(parts).toEqual(whole)
  })
})

describe('lanes that update', () => {
  it.each([
    ['steps and draws', onDevice(1), undefined],
    ['a step of several stages', onDevice(1), 1],
    ['Gaussian draws', onDevice(1, { nBeta: 0 }), undefined],
    ['probe rows that are observed', { ...onDevice(1), observationIncludesProbe: true }, undefined]
  ] as const)('change no number: %s', async (_, input, stageBytes) => {
    const expected = numbersOf(await sample(input, { openLane: quadratic() }))
    for (const threads of [2, 3, 6]) {
      const kinds = { evaluating: new Set<string>(), updating: new Set<string>() }
      const opened: LaneKind[] = []
      const lanes = noting((kind, task) => kinds[kind].add(task.kind))
      const openLane: OpenLane = (run, kind) => {
        opened.push(kind)
        return lanes(run, kind)
      }
      expect(
        numbersOf(
          await sample(
            { ...input, threads },
            { openLane, rangeWeights, ...(stageBytes === undefined ? {} : { stageBytes }) }
          )
        )
      ).toEqual(expected)
      expect(opened.sort()).toEqual(['evaluating', ...new Array<LaneKind>(threads - 1).fill('updating')])
      expect(kinds.updating).toEqual(new Set(['commit', input.sampler.nBeta === 0 ? 'gaussian' : 'update']))
    }
  })

  it('put the gradients of chunks together where evaluators share the rows of a chain', async () => {
    const input: ChainsInput = {
      ...smallInput({ estimator: 'restricted', chains: 1 }),
      components: ['head:0.1'],
      engine: 'onnx-cuda',
      threads: 1
    }
    const expected = numbersOf(await sample(input, { openLane: quadratic() }))
    const evaluated: Task['kind'][] = []
    const updated: Task['kind'][] = []
    const openLane = noting((kind, { kind: task }) => (kind === 'updating' ? updated : evaluated).push(task))
    expect(numbersOf(await sample({ ...input, threads: 4 }, { openLane, rangeWeights }))).toEqual(expected)
    expect(evaluated).toContain('chunk')
    expect(new Set(updated)).toEqual(new Set(['update', 'take', 'commit']))
  })

  it('are waited for while the rest is computed: evaluators have what has the most weights first', async () => {
    class Even extends QuadraticEvaluator {
      override operations(): { readonly gradient: number; readonly losses: number } {
        return { gradient: 1, losses: 1 }
      }
    }
    const evaluated: number[] = []
    const openLane = noting(
      (_, task) => task.kind === 'step' && evaluated.push(...task.replicas),
      localLane(() => Promise.resolve(new Even(centre)))
    )
    // 28 weights of a head, 84 of an MLP, 104 of the embedding.
    await sample(
      {
        ...onDevice(2, { estimator: 'restricted', chains: 1, batchSize: 1 }),
        components: ['mlp:0', 'head:0.0', 'embed']
      },
      { openLane, rangeWeights }
    )
    expect(evaluated.slice(0, 6)).toEqual([2, 0, 1, 2, 0, 1])
  })

  it('are helped by an evaluator where all are busy and nothing is left to evaluate', async () => {
    const replicas = [0, 1].map(
      (chain) => ({ component: 'mlp:0', chain, claims: new Int32Array(5) }) as unknown as SharedRun['replicas'][number]
    )
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => (open = resolve))
    const given: Record<LaneKind, Task['kind'][]> = { evaluating: [], updating: [] }
    const lanes: OpenLane = (_, kind) =>
      Promise.resolve({
        stacks: false,
        run: async (task: Task): Promise<TaskResult> => {
          given[kind].push(task.kind)
          await (kind === 'updating' ? gate : setImmediate())
          return task.kind === 'update' ? true : [0]
        },
        share: () => {},
        release: () => {},
        close: () => Promise.resolve()
      })
    const pool = await Pool.open({ replicas } as unknown as SharedRun, lanes, { evaluating: 1, updating: 1 })
    const updates = [0, 1, 2, 3, 4].map((range) =>
      pool.run<'update'>(
        { kind: 'update', replica: 0, step: 0, parts: 0, range, begun: true, ends: true, targets: 1 },
        0
      )
    )
    const losses = [0, 1, 1].map((replica) =>
      pool.run<'losses'>({ kind: 'losses', replicas: [replica], width: 1, prefix: 0, probe: null }, 1)
    )
    await Promise.all(losses)
    await Promise.all(updates.slice(2))
    expect(given).toEqual({
      updating: ['update', 'update'],
      evaluating: ['losses', 'losses', 'losses', 'update', 'update', 'update']
    })
    open()
    await Promise.all(updates)
    await pool.close()
  })

  it('go on where a run was interrupted, with another number of threads', async () => {
    const expected = numbersOf(await sample(onDevice(1), { openLane: quadratic() }))
    for (const [evaluations, threads] of [
      [8, 1],
      [12, 4],
      [17, 2],
      [40, 3],
      [61, 1],
      [83, 5]
    ] as const) {
      const controller = new AbortController()
      let count = 0
      const openLane = quadratic(() => {
        if (++count === evaluations) controller.abort()
        return 0
      })
      await expect(
        sample({ ...kept(onDevice(threads), `${evaluations}`), signal: controller.signal }, { openLane, rangeWeights })
      ).rejects.toMatchObject({ kind: 'interrupted' })
      expect(
        numbersOf(
          await sample(kept(onDevice((threads % 3) + 1), `${evaluations}`), { openLane: quadratic(), rangeWeights: 20 })
        )
      ).toEqual(expected)
    }
  })

  it('finish the replicas of a device that goes away, which are kept', async () => {
    const expected = numbersOf(await sample(onDevice(1), { openLane: quadratic() }))
    let count = 0
    const counting = quadratic(() => (count++, 0))
    await sample(onDevice(1), { openLane: counting })
    const all = count
    count = 0
    const leaving = quadratic(() => {
      if (++count > all / 2) throw new SpectroscopeError('engine', 'The device is gone; resume the run.')
      return 0
    })
    await expect(sample(kept(onDevice(3), 'gone'), { openLane: leaving, rangeWeights })).rejects.toMatchObject({
      kind: 'engine'
    })
    count = 0
    expect(numbersOf(await sample(kept(onDevice(3), 'gone'), { openLane: counting, rangeWeights }))).toEqual(expected)
    expect(count).toBeLessThan(0.6 * all)
  })

  const dying = (nth: readonly number[], when: 'before' | 'after'): OpenLane =>
    dyingLanes(quadratic(), ({ kind }) => kind === 'update', nth, when)

  it('are replaced where they die before they change anything', async () => {
    const expected = numbersOf(await sample(onDevice(1), { openLane: quadratic() }))
    for (const nth of [1, 6, 23])
      expect(numbersOf(await sample(onDevice(3), { openLane: dying([nth], 'before'), rangeWeights }))).toEqual(expected)
  })

  it('that die within a change end the run, which goes on from a checkpoint of whole replicas', async () => {
    const expected = numbersOf(await sample(onDevice(1), { openLane: quadratic() }))
    for (const nth of [4, 33, 71, 100]) {
      await expect(
        sample(kept(onDevice(3), `${nth}`, 0), { openLane: dying([nth], 'after'), rangeWeights })
      ).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(/ended at .*, step \d+ \(out of memory\)/) as string
      })
      expect(numbersOf(await sample(kept(onDevice(3), `${nth}`), { openLane: quadratic(), rangeWeights }))).toEqual(
        expected
      )
    }
  })

  it('that are gone for good end the run, with some ranges of a replica updated or none', async () => {
    const expected = numbersOf(await sample(onDevice(1), { openLane: quadratic() }))
    for (const [threads, nth] of [
      [2, 1],
      [2, 40],
      [3, 41]
    ] as const) {
      const opened = { evaluating: 0, updating: 0 }
      const lanes = dying([nth], 'before')
      const openLane: OpenLane = (run, kind) =>
        ++opened[kind] > (kind === 'evaluating' ? 1 : threads - 1)
          ? Promise.reject(new SpectroscopeError('engine', 'No more threads.'))
          : lanes(run, kind)
      await expect(
        sample(kept(onDevice(threads), `${threads} ${nth}`, 0), { openLane, rangeWeights })
      ).rejects.toMatchObject({ kind: 'engine', message: 'No more threads.' })
      expect(
        numbersOf(await sample(kept(onDevice(threads), `${threads} ${nth}`), { openLane: quadratic(), rangeWeights }))
      ).toEqual(expected)
    }
  })
})
