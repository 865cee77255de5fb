import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PsgldConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { Evaluator, Prefix } from '../../main/engine/core/evaluator'
import { componentSlices, flatten } from '../../main/models/components'
import { assessHealth, splitRHat } from '../../main/sampling/diagnostics'
import type { ComponentDiagnostics } from '../../main/sampling/diagnostics'
import { normals } from '../../main/sampling/philox'
import { Pool } from '../../main/sampling/pool'
import { localLane } from '../local-lane'
import type { OpenLane } from '../../main/sampling/lane'
import { PsgldKernel } from '../../main/sampling/psgld'
import { Reclaimer } from '../../main/sampling/reclaim'
import { sample } from '../../main/sampling/sample'
import type { SamplingResult } from '../../main/sampling/estimates'
import type { ChainsInput, TracePoint } from '../../main/sampling/input'
import { CentredHalves, estimate, reliability } from '../../main/sampling/susceptibility'
import type { Group } from '../../main/sampling/susceptibility'
import { replicasOf } from '../../main/sampling/tasks'
import type { ChainsRun, SharedRun, Task, TaskResult } from '../../main/sampling/tasks'
import { architecture, diagonal, dyingLanes, QuadraticEvaluator, smallInput, weights } from './sampling-fake'

const centre = (component: string): Float32Array => flatten(weights, componentSlices(architecture, weights, component))

const quadratic = (before?: (component: string) => number | Promise<number>): OpenLane =>
  localLane((): Promise<Evaluator> => Promise.resolve(new QuadraticEvaluator(centre, before)))

const numbersOf = ({ tokens: _, components: __, ...numbers }: SamplingResult): unknown => numbers

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sampling-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const kept = (input: ChainsInput, everySeconds = 0): ChainsInput => ({
  ...input,
  checkpoint: { folder, everySeconds, fingerprint: 'study' }
})

/** Interrupts after so many tasks of the replicas. */
const interruptedAfter = async (input: ChainsInput, tasks: number): Promise<unknown> => {
  const controller = new AbortController()
  let count = 0
  const before = (): number => {
    if (++count === tasks) controller.abort()
    return 0
  }
  return sample({ ...input, signal: controller.signal }, { openLane: quadratic(before) }).then(
    () => 'finished',
    (error: unknown) => error
  )
}

describe('the pSGLD kernel', () => {
  const kernel = new PsgldKernel()
  const source = { seed: 2 ** 40 + 17, step: 3, chain: 1, stream: 2 ** 24 + 5 }

  it('gives the normals of the plain form, to 1e-14', () => {
    const count = 3 * 8192 + 3
    const expected = normals(count, source)
    const actual = kernel.normals(count, source)
    expect(actual.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i])), 0)).toBeLessThan(1e-14)
  })

  it('gives normals with the moments of a normal distribution', () => {
    const values = kernel.normals(1 << 18, source)
    const moment = (power: number): number => values.reduce((sum, value) => sum + value ** power, 0) / values.length
    expect(moment(1)).toBeCloseTo(0, 2)
    expect(moment(2)).toBeCloseTo(1, 2)
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.05)
  })

  it('does the update of docs/method.md, section 2', () => {
    const { sampler } = smallInput()
    const size = 8192 + 5
    const start = Float32Array.from({ length: size }, (_, i) => Math.sin(i))
    const state = {
      weights: start.map((u, i) => u + 0.01 * Math.cos(i)),
      centre: start,
      squares: start.map((u) => u * u)
    }
    const before = { weights: state.weights.slice(), squares: state.squares.slice() }
    const gradient = start.map((u) => 8 * u * u)
    const xi = normals(size, source)
    expect(kernel.update(state, gradient, 4, sampler, source)).toBe(true)
    for (let i = 0; i < size; i++) {
      const g = gradient[i] / 4
      const v = sampler.rmsDecay * before.squares[i] + (1 - sampler.rmsDecay) * g * g
      const rate = sampler.stepSize / (Math.sqrt(v) + sampler.rmsEpsilon)
      const u =
        before.weights[i] -
        (rate / 2) * (sampler.nBeta * g + sampler.gamma * (before.weights[i] - start[i])) +
        Math.sqrt(rate) * xi[i]
      expect(Math.abs(state.squares[i] - v)).toBeLessThan(1e-6 * (1 + v))
      expect(Math.abs(state.weights[i] - u)).toBeLessThan(3e-7)
    }
  })

  it('reports weights that are not finite, and only those of this call', () => {
    const { sampler } = smallInput()
    const state = () => ({ weights: new Float32Array(5), centre: new Float32Array(5), squares: new Float32Array(5) })
    for (const bad of [NaN, Infinity, 3e30])
      expect(kernel.update(state(), Float32Array.of(0, 0, 0, 0, bad), 1, sampler, source)).toBe(false)
    const small = { weights: new Float32Array(1), centre: new Float32Array(1), squares: new Float32Array(1) }
    expect(kernel.update(small, Float32Array.of(1), 1, sampler, source)).toBe(true)
  })
})

describe('sampling', () => {
  it('gives the same numbers whatever the number of workers and the order of work', async () => {
    const expected = numbersOf(await sample({ ...smallInput(), threads: 1 }, { openLane: quadratic() }))
    for (const threads of [2, 3])
      expect(numbersOf(await sample({ ...smallInput(), threads }, { openLane: quadratic() }))).toEqual(expected)
    let state = 1
    const pick = (waiting: number): number => (state = (state * 48271) % 2147483647) % waiting
    const late = quadratic(async () => {
      await new Promise((resolve) => setTimeout(resolve, pick(3)))
      return 0
    })
    expect(numbersOf(await sample({ ...smallInput(), threads: 3 }, { openLane: late, pick }))).toEqual(expected)
  })

  /** One chain or two, and rows of so many lengths that a step has four chunks and a draw several blocks. */
  const fewChains = (
    chains: number,
    changes: Partial<PsgldConfiguration> = {},
    observationIncludesProbe = false
  ): ChainsInput => {
    const input = smallInput({ estimator: 'restricted', chains, batchSize: 6, draws: 3, ...changes })
    const row = (seed: number, length: number): Int32Array =>
      Int32Array.from({ length }, (_, t) => (seed * 5 + t * t) % 10)
    const probe = [9, 6, 8, 4, 7, 5, 6].map((length, i) => row(i, length))
    return {
      ...input,
      components: ['head:0.1'],
      observationIncludesProbe,
      study: {
        sampling: Array.from({ length: 13 }, (_, i) => row(i + 2, 4 + (i % 5))),
        observation: [row(1, 6), row(2, 5), row(3, 7)],
        probe,
        targets: probe.map(({ length }) => Int32Array.from({ length: length - 2 }, (_, t) => t + 2))
      }
    }
  }

  /** The kinds of tasks that were done. */
  const noting =
    (kinds: Map<string, number>): OpenLane =>
    async (run, kind) => {
      const lane = await quadratic()(run, kind)
      return {
        ...lane,
        run: (task) => {
          kinds.set(task.kind, (kinds.get(task.kind) ?? 0) + 1)
          return lane.run(task)
        }
      }
    }

  it.each([
    ['a chain', fewChains(1)],
    ['two chains', fewChains(2)],
    ['a chain, with probe rows that are observed', fewChains(1, {}, true)],
    ['Gaussian draws of a chain', fewChains(1, { nBeta: 0 })]
  ])('shares the rows of %s among threads that have none, to the same numbers', async (_, input) => {
    const expected = numbersOf(await sample({ ...input, threads: 1 }, { openLane: quadratic() }))
    for (const threads of [2, 3, 8]) {
      const kinds = new Map<string, number>()
      expect(numbersOf(await sample({ ...input, threads }, { openLane: noting(kinds) }))).toEqual(expected)
      const shared = threads > input.sampler.chains
      expect([kinds.has('chunk'), kinds.has('block')]).toEqual([shared && input.sampler.nBeta > 0, shared])
    }
  })

  it.each([1, 8])(
    'takes a step in stages where the activations of its rows would not fit, to the same numbers, on %i threads',
    async (threads) => {
      const expected = numbersOf(await sample({ ...fewChains(2), threads: 1 }, { openLane: quadratic() }))
      const counts: number[] = []
      for (const stageBytes of [1, 4 * 7 * 4 * 6 * 7 * 2, 2 ** 30]) {
        const kinds = new Map<string, number>()
        expect(numbersOf(await sample({ ...fewChains(2), threads }, { openLane: noting(kinds), stageBytes }))).toEqual(
          expected
        )
        counts.push(kinds.get(threads === 1 || stageBytes === 1 ? 'step' : 'update')!)
      }
      expect(counts[0]).toBeGreaterThan(counts[1])
      expect(counts[1]).toBeGreaterThan(counts[2])
    }
  )

  it('goes on with another number of threads where it was interrupted between rows, in a step or in a draw', async () => {
    const expected = numbersOf(await sample({ ...fewChains(1), threads: 1 }, { openLane: quadratic() }))
    for (const [tasks, stageBytes] of [
      [9, 1],
      [12, 2 ** 30],
      [17, 2500],
      [24, 1],
      [31, 2 ** 30],
      [38, 2 ** 30],
      [45, 2 ** 30],
      [52, 2 ** 30]
    ] as const) {
      const controller = new AbortController()
      let count = 0
      const openLane = quadratic(() => {
        if (++count === tasks) controller.abort()
        return 0
      })
      rmSync(folder, { recursive: true, force: true })
      await expect(
        sample(
          { ...kept(fewChains(1), 1e6), threads: 1 + (tasks % 3), signal: controller.signal },
          { openLane, stageBytes }
        )
      ).rejects.toMatchObject({ kind: 'interrupted' })
      expect(
        numbersOf(await sample({ ...kept(fewChains(1)), threads: tasks % 2 === 0 ? 5 : 1 }, { openLane: quadratic() }))
      ).toEqual(expected)
    }
  })

  it('gives the covariance of quadratic losses under a Gaussian posterior: ½ tr(AΣBΣ)', async () => {
    const input = {
      ...smallInput({ nBeta: 0, gamma: 50, draws: 1500, chains: 4, estimator: 'restricted' }),
      components: ['head:0.1']
    }
    const { susceptibilities, standardErrors, tokens, diagnostics } = await sample(input, { openLane: quadratic() })
    const size = centre('head:0.1').length
    const pairs = (ids: Int32Array): [number, number][] =>
      Array.from({ length: ids.length - 1 }, (_, t) => [ids[t], ids[t + 1]])
    const observed = input.study.observation.flatMap(pairs)
    const a = Array.from(
      { length: size },
      (_, i) => observed.reduce((sum, [id, next]) => sum + diagonal(id, next, i), 0) / observed.length
    )
    const studied = input.study.probe.flatMap((ids, row) =>
      Array.from(input.study.targets[row], (t): [number, number] => [ids[t - 1], ids[t]])
    )
    const half = (b: readonly number[]): number =>
      a.reduce((sum, value, i) => sum + value * b[i], 0) / 2 / input.sampler.gamma ** 2
    const expected = studied.map(([id, next]) => half(a) - half(a.map((_, i) => diagonal(id, next, i))))
    expect(tokens).toBe(expected.length)
    expected.forEach((value, token) => {
      expect(standardErrors[token]).toBeLessThan(0.1 * half(a))
      expect(Math.abs(susceptibilities[token] - value)).toBeLessThan(4 * standardErrors[token])
    })
    expect(diagnostics[0].reliability).toBeGreaterThan(0.9)
    expect(diagnostics[0].splitRHat).toBeLessThan(1.02)
  })

  it('samples the localised posterior of a quadratic loss at nβ > 0', async () => {
    const nBeta = 20
    const input = {
      ...smallInput({
        nBeta,
        gamma: 50,
        stepSize: 2e-3,
        rmsEpsilon: 1,
        draws: 300,
        stepsBetweenDraws: 5,
        burnIn: 200,
        chains: 2,
        batchSize: 11,
        estimator: 'restricted'
      }),
      components: ['head:0.1']
    }
    const { traces } = await sample(input, { openLane: quadratic() })
    const pairs = input.study.sampling.flatMap((ids) =>
      Array.from({ length: ids.length - 1 }, (_, t) => [ids[t], ids[t + 1]])
    )
    const size = centre('head:0.1').length
    const expected = Array.from(
      { length: size },
      (_, i) =>
        1 /
        (input.sampler.gamma +
          (nBeta * pairs.reduce((sum, [id, next]) => sum + diagonal(id, next, i), 0)) / pairs.length)
    ).reduce((a, b) => a + b)
    const squares = traces.flatMap(({ distances }) => [...distances].map((distance) => distance ** 2))
    expect(Math.abs(squares.reduce((a, b) => a + b) / squares.length / expected - 1)).toBeLessThan(0.08)
  })

  it('counts the probe rows into L when they are observation rows too', async () => {
    const both = await sample({ ...smallInput(), observationIncludesProbe: true }, { openLane: quadratic() })
    const { study } = smallInput()
    const joined = await sample(
      { ...smallInput(), study: { ...study, observation: [...study.observation, ...study.probe] } },
      { openLane: quadratic() }
    )
    expect(both.initialLoss).toBeCloseTo(joined.initialLoss, 12)
    both.susceptibilities.forEach((value, i) => expect(Math.abs(value - joined.susceptibilities[i])).toBeLessThan(1e-9))
  })

  it.each(['restricted', 'two-chain'] as const)(
    'adds up as exactly as sums of all losses in float64 would: %s',
    async (estimator) => {
      const input = { ...smallInput({ nBeta: 0, gamma: 50, draws: 41, chains: 2, estimator }), threads: 1 }
      const { study } = input
      const rows = [...study.observation, ...study.probe].map((ids) => ids.join())
      /** By weights: losses of every row at every draw. */
      const seen = new Map<Float32Array, Map<string, Float32Array[]>>()
      class Recording extends QuadraticEvaluator {
        override async losses(component: string, u: Float32Array, prefix: Prefix): Promise<Float32Array> {
          const values = await super.losses(component, u, prefix)
          const { ids, count, length } = prefix.rows
          const own = seen.get(u) ?? new Map<string, Float32Array[]>()
          seen.set(u, own)
          for (let row = 0; row < count; row++) {
            const key = ids.subarray(row * length, (row + 1) * length).join()
            own.set(key, [...(own.get(key) ?? []), values.slice(row * (length - 1), (row + 1) * (length - 1))])
          }
          return values
        }
      }
      let run: ChainsRun | undefined
      const result = await sample(input, {
        openLane: localLane((shared) => {
          run = shared as ChainsRun
          return Promise.resolve(new Recording(centre))
        })
      })
      const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
      const groupsOf = (name: string): Group[] =>
        run!.replicas
          .filter(({ component }) => component === name)
          .flatMap(({ weights: u }) => {
            const losses = rows.map((key) => seen.get(u)!.get(key)!)
            const draws = Array.from({ length: 41 }, (_, k) => ({
              observed: total(losses.slice(0, 3).flatMap((row) => [...row[k]])) / 14,
              tokens: study.targets.flatMap((targets, row) => Array.from(targets, (t) => losses[3 + row][k][t - 1]))
            }))
            return [draws.slice(0, 20), draws.slice(20)].map((part, half): Group => {
              const phi = part.map(({ observed }) => observed - result.initialLoss)
              return {
                half: half as 0 | 1,
                draws: part.length,
                phi: total(phi),
                observed: total(part.map(({ observed }) => observed)),
                phiObserved: total(part.map(({ observed }, k) => observed * phi[k])),
                loss: Float64Array.from(part[0].tokens, (_, t) => total(part.map(({ tokens }) => tokens[t]))),
                product: Float64Array.from(part[0].tokens, (_, t) =>
                  total(part.map(({ tokens }, k) => phi[k] * tokens[t]))
                ),
                productShift: 0
              }
            })
          })
      const full = estimator === 'two-chain' ? groupsOf('full') : null
      result.components.forEach((component, column) => {
        const { susceptibilities, standardErrors, halves } = estimate(groupsOf(component), full)
        const ofColumn = (values: Float32Array): number[] =>
          Array.from({ length: result.tokens }, (_, token) => values[token * result.components.length + column])
        const deviation = (actual: readonly number[], expected: Float64Array): number =>
          Math.max(...actual.map((value, i) => Math.abs(value - expected[i]))) / Math.max(...expected.map(Math.abs))
        expect(deviation(ofColumn(result.susceptibilities), susceptibilities)).toBeLessThan(
          estimator === 'restricted' ? 1e-6 : 2e-7
        )
        expect(deviation(ofColumn(result.standardErrors), standardErrors)).toBeLessThan(1e-6)
        expect(result.parts).toHaveLength(2)
        result.parts.forEach((part, half) => expect(deviation(ofColumn(part), halves[half])).toBeLessThan(2e-6))
      })
    }
  )

  it('leaves out a chain that turns non-finite, and a component without any other', async () => {
    let calls = 0
    const flags: string[] = []
    const input = {
      ...smallInput(),
      threads: 1,
      onFlag: ({ component, chain, message }: { component: string; chain: number; message: string }) =>
        void flags.push(`${component} ${chain} ${message}`)
    }
    const one = await sample(input, {
      openLane: quadratic((component) => (component === 'mlp:1' && ++calls === 20 ? NaN : 0))
    })
    expect(flags).toHaveLength(1)
    expect(flags[0]).toMatch(
      /^mlp:1 [01] mlp:1, chain [12]: the loss is not finite at (step|draw) \d+; .*sampler\.stepSize/
    )
    expect(one.components).toEqual(['head:0.1', 'mlp:1'])
    expect(one.susceptibilities.every(Number.isFinite)).toBe(true)
    expect(one.diagnostics[1].failedChains).toHaveLength(1)
    expect(one.diagnostics[1].finalDistance.filter(Number.isNaN)).toHaveLength(1)

    const none = await sample(smallInput(), {
      openLane: quadratic((component) => (component === 'head:0.1' && ++calls > 60 ? NaN : 0))
    })
    expect(none.components).toEqual(['mlp:1'])
    expect(none.susceptibilities).toHaveLength(none.tokens)
    expect(none.diagnostics[0].failedChains).toHaveLength(2)
    expect(none.diagnostics[0].reliability).toBeNaN()
    const findings = assessHealth(
      none.diagnostics[0],
      none.traces.filter(({ component }) => component === 'head:0.1'),
      none.initialLoss,
      input.sampler
    )
    expect(findings.map(({ kind }) => kind)).toEqual(['chains failed'])
  })

  it('stops when every chain of full, or of every component, has failed', async () => {
    const failing = (name: string): OpenLane => {
      const initialCalls = 4
      let calls = 0
      return quadratic((component) =>
        ++calls > initialCalls && (name === '' ? component !== 'full' : component === name) ? NaN : 0
      )
    }
    await expect(sample({ ...smallInput(), threads: 1 }, { openLane: failing('full') })).rejects.toMatchObject({
      kind: 'sampling',
      message: expect.stringContaining('restricted') as string
    })
    await expect(sample({ ...smallInput(), threads: 1 }, { openLane: failing('') })).rejects.toMatchObject({
      kind: 'sampling',
      message: expect.stringContaining('head:0.1, mlp:1') as string
    })
  })

  it('refuses rows that do not fit the settings', async () => {
    const { study, ...rest } = smallInput()
    const refusal = (changes: Partial<ChainsInput['study']>) =>
      sample({ ...rest, study: { ...study, ...changes } }, { openLane: quadratic() })
    await expect(async () => refusal({ sampling: study.sampling.slice(0, 3) })).rejects.toMatchObject({
      kind: 'configuration',
      message: expect.stringContaining('batchSize') as string
    })
    await expect(async () => refusal({ observation: [] })).rejects.toMatchObject({ kind: 'configuration' })
    await expect(async () => refusal({ targets: study.targets.map(() => new Int32Array(0)) })).rejects.toMatchObject({
      kind: 'configuration'
    })
  })

  it('reports progress and every draw', async () => {
    const points: TracePoint[] = []
    const fractions: number[] = []
    const input = smallInput()
    const { traces } = await sample(
      {
        ...input,
        onTrace: (point) => void points.push(point),
        onProgress: ({ fractionDone }) => void fractions.push(fractionDone)
      },
      { openLane: quadratic() }
    )
    expect(points).toHaveLength(3 * 2 * input.sampler.draws)
    for (const { component, chain, draw, loss } of points)
      expect(traces.find((trace) => trace.component === component && trace.chain === chain)!.losses[draw]).toBe(loss)
    expect(fractions.length).toBeGreaterThan(0)
    expect(fractions.every((fraction) => fraction > 0 && fraction <= 1)).toBe(true)
  })
})

describe('checkpoints', () => {
  it.each([
    ['steps and draws', {}],
    ['Gaussian draws', { nBeta: 0 }]
  ])('go on to the numbers of an uninterrupted run: %s, interrupted anywhere', async (_, changes) => {
    const expected = numbersOf(await sample(smallInput(changes), { openLane: quadratic() }))
    for (const tasks of [7, 20, 31, 44, 57]) {
      rmSync(folder, { recursive: true, force: true })
      const error = await interruptedAfter(kept(smallInput(changes), 1e6), tasks)
      expect(error).toMatchObject({ kind: 'interrupted' })
      expect(numbersOf(await sample({ ...kept(smallInput(changes)), threads: 1 }, { openLane: quadratic() }))).toEqual(
        expected
      )
    }
  })

  it('go on when interrupted again and again', async () => {
    const expected = numbersOf(await sample(smallInput(), { openLane: quadratic() }))
    let interruptions = 0
    while ((await interruptedAfter(kept(smallInput()), 17)) !== 'finished') interruptions++
    expect(interruptions).toBeGreaterThan(5)
    expect(numbersOf(await sample(kept(smallInput()), { openLane: quadratic() }))).toEqual(expected)
  })

  it('remember a failed chain', async () => {
    let calls = 0
    const failing = quadratic((component) => (component === 'mlp:1' && ++calls === 10 ? NaN : 0))
    const controller = new AbortController()
    const first = sample(
      { ...kept(smallInput()), signal: controller.signal, onFlag: () => controller.abort() },
      { openLane: failing }
    )
    await expect(first).rejects.toMatchObject({ kind: 'interrupted' })
    const { diagnostics } = await sample(kept(smallInput()), { openLane: quadratic() })
    expect(diagnostics[1].failedChains).toHaveLength(1)
  })

  it('fall back to the one before when the newest is damaged, and start anew without any', async () => {
    const expected = numbersOf(await sample(smallInput(), { openLane: quadratic() }))
    for (const tasks of [90, 20]) await interruptedAfter(kept(smallInput(), 1e6), tasks)
    const files = readdirSync(folder).filter((name) => name.endsWith('.checkpoint'))
    expect(files).toHaveLength(2)
    const all = 3 * 2 * smallInput().sampler.draws
    for (const [damaged, name] of files.entries()) {
      const path = join(folder, name)
      const bytes = readFileSync(path)
      writeFileSync(path, bytes.subarray(0, bytes.length - 100))
      const points: TracePoint[] = []
      expect(
        numbersOf(
          await sample(
            { ...kept(smallInput(), 1e6), onTrace: (point) => void points.push(point) },
            { openLane: quadratic() }
          )
        )
      ).toEqual(expected)
      expect(points.length < all).toBe(damaged === 0)
    }
  })

  it('find a single flipped bit', async () => {
    const expected = numbersOf(await sample(smallInput(), { openLane: quadratic() }))
    await interruptedAfter(kept(smallInput(), 1e6), 60)
    const [name] = readdirSync(folder)
    const bytes = readFileSync(join(folder, name))
    bytes[bytes.length - 1000] ^= 4
    writeFileSync(join(folder, name), bytes)
    expect(numbersOf(await sample(kept(smallInput(), 1e6), { openLane: quadratic() }))).toEqual(expected)
  })

  it('of another seed, setting or study are not used', async () => {
    await interruptedAfter(kept(smallInput(), 1e6), 60)
    const same = kept(smallInput(), 1e6)
    const otherStudy = { ...same, checkpoint: { ...same.checkpoint!, fingerprint: 'another study' } }
    for (const input of [{ ...same, seed: 5 }, kept(smallInput({ gamma: 301 }), 1e6), otherStudy]) {
      const expected = numbersOf(
        await sample(
          { ...input, checkpoint: { ...input.checkpoint!, folder: join(folder, 'other') } },
          { openLane: quadratic() }
        )
      )
      expect(numbersOf(await sample(input, { openLane: quadratic() }))).toEqual(expected)
    }
  })

  it('that cannot be written stop the run with a storage error, and the last one stays', async () => {
    await interruptedAfter(kept(smallInput(), 1e6), 60)
    const before = readdirSync(folder)
    for (const slot of [0, 1]) {
      if (before.includes(`sampling-${slot}.checkpoint`)) continue
      mkdirSync(join(folder, `sampling-${slot}.checkpoint`, 'full'), { recursive: true })
    }
    await expect(sample(kept(smallInput()), { openLane: quadratic() })).rejects.toMatchObject({
      kind: 'storage',
      message: expect.stringContaining('last checkpoint') as string
    })
    rmSync(join(folder, before.includes('sampling-0.checkpoint') ? 'sampling-1.checkpoint' : 'sampling-0.checkpoint'), {
      recursive: true
    })
    expect(numbersOf(await sample(kept(smallInput()), { openLane: quadratic() }))).toEqual(
      numbersOf(await sample(smallInput(), { openLane: quadratic() }))
    )
  })
})

describe('workers', () => {
  const dying = (matches: (task: Task) => boolean, nth: readonly number[], when: 'before' | 'after'): OpenLane =>
    dyingLanes(quadratic(), matches, nth, when)

  it('that die are replaced, and the task is done again', async () => {
    const expected = numbersOf(await sample(smallInput(), { openLane: quadratic() }))
    for (const kind of ['step', 'losses', 'commit', 'prefix']) {
      expect(
        numbersOf(
          await sample(
            { ...smallInput(), threads: 1 },
            { openLane: dying((task) => task.kind === kind, [5], 'before') }
          )
        )
      ).toEqual(expected)
    }
  })

  it('that die while they share the rows of a chain are replaced, and the task is done again', async () => {
    const input = { ...smallInput({ estimator: 'restricted', chains: 1 }), components: ['head:0.1'], threads: 3 }
    const expected = numbersOf(await sample({ ...input, threads: 1 }, { openLane: quadratic() }))
    for (const kind of ['chunk', 'update', 'block', 'take']) {
      expect(
        numbersOf(await sample(input, { openLane: dying((task) => task.kind === kind, [3], 'before') })),
        kind
      ).toEqual(expected)
    }
  })

  it('that die twice at one task, or within a change of the weights, end the run', async () => {
    await expect(
      sample({ ...smallInput(), threads: 1 }, { openLane: dying((task) => task.kind === 'step', [5, 6], 'before') })
    ).rejects.toMatchObject({ kind: 'engine', message: expect.stringMatching(/step \d+ \(out of memory\)/) as string })
    await expect(
      sample({ ...smallInput(), threads: 1 }, { openLane: dying((task) => task.kind === 'step', [5], 'after') })
    ).rejects.toMatchObject({ kind: 'engine' })
  })

  it('keep to programs of their own, and help others only when these are done', async () => {
    const input = smallInput()
    const components = ['embed', 'head:0.0', 'head:1.0', 'mlp:0', 'mlp:1', 'full']
    const replicas = components.flatMap((component) =>
      [0, 1].map(
        (chain) => ({ component, chain, claims: new Int32Array(1) }) as unknown as SharedRun['replicas'][number]
      )
    )
    const ran: Set<string>[] = []
    const recording: OpenLane = () => {
      const seen = new Set<string>()
      ran.push(seen)
      return Promise.resolve({
        stacks: false,
        run: async (task: Task): Promise<TaskResult> => {
          for (const replica of replicasOf(task)) seen.add(replicas[replica].component)
          await setImmediate()
          return [0]
        },
        share: () => {},
        release: () => {},
        close: () => Promise.resolve()
      })
    }
    const pool = await Pool.open({ replicas, sampler: input.sampler } as unknown as SharedRun, recording, {
      evaluating: 2,
      updating: 0
    })
    const stage = (indices: readonly number[]) =>
      Promise.all(
        indices.map((replica) =>
          pool.run<'losses'>({ kind: 'losses', replicas: [replica], width: 1, prefix: 0, probe: null }, 1)
        )
      )
    const all = Array.from(replicas.keys())
    for (let round = 0; round < 5; round++) await stage(all)
    expect(ran.map((seen) => seen.size)).toEqual([3, 3])
    expect(new Set(ran.flatMap((seen) => [...seen])).size).toBe(6)
    await stage(all.filter((replica) => ran[0].has(replicas[replica].component)))
    expect(ran[0].size).toBe(3)
    expect(ran[1].size).toBeGreaterThan(3)
    await pool.close()
  })

  it('that fail at a task end the run with its place', async () => {
    const failing = quadratic((component) => {
      if (component === 'mlp:1') throw new Error('no memory')
      return 0
    })
    await expect(sample(smallInput(), { openLane: failing })).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/mlp:1, chain \d, step 0: no memory/) as string
    })
  })

  it('whose device goes away keep all that was done before, though no checkpoint was due', async () => {
    const expected = numbersOf(await sample(smallInput(), { openLane: quadratic() }))
    let tasks = 0
    const counting = quadratic(() => {
      tasks++
      return 0
    })
    await sample(smallInput(), { openLane: counting })
    const all = tasks
    for (const share of [0.3, 0.6, 0.9]) {
      rmSync(folder, { recursive: true })
      mkdirSync(folder)
      const input = kept(smallInput(), 1e6)
      tasks = 0
      const leaving = quadratic(() => {
        if (++tasks > share * all) throw new SpectroscopeError('engine', 'The device is gone; resume the run.')
        return 0
      })
      await expect(sample(input, { openLane: leaving })).rejects.toMatchObject({
        kind: 'engine',
        message: 'The device is gone; resume the run.'
      })
      tasks = 0
      expect(numbersOf(await sample(input, { openLane: counting }))).toEqual(expected)
      expect(tasks).toBeLessThan((1 - share + 0.1) * all)
    }
  })
})

describe('shared memory', () => {
  it('that a thread has dropped is given back', async () => {
    const reclaimer = new Reclaimer()
    const dropped: WeakRef<object>[] = []
    for (let i = 0; i < 10; i++) {
      const prefix = {
        rows: { ids: new Int32Array(0), count: 0, length: 1 },
        activations: { x: new Float32Array(new SharedArrayBuffer(2 ** 26)) }
      }
      dropped.push(new WeakRef(prefix.activations.x))
      reclaimer.dropped(prefix)
      await setImmediate()
    }
    expect(dropped.filter((reference) => reference.deref() === undefined).length).toBeGreaterThanOrEqual(6)
  })
})

describe('estimates', () => {
  const group = (half: 0 | 1, draws: readonly (readonly [number, number])[]) => {
    const sum = (value: (draw: readonly [number, number]) => number): number =>
      draws.reduce((total, draw) => total + value(draw), 0)
    return {
      half,
      draws: draws.length,
      phi: sum(([l]) => l - 1),
      observed: sum(([l]) => l),
      phiObserved: sum(([l]) => l * (l - 1)),
      loss: Float64Array.of(sum(([, x]) => x)),
      productShift: 0,
      product: Float64Array.of(sum(([l, x]) => (l - 1) * x))
    }
  }

  it('have the standard error that their spread over repetitions has', () => {
    const values = new PsgldKernel().normals(2 * 8 * 50 * 300, { seed: 3, step: 0, chain: 0, stream: 0 })
    const repetitions = Array.from({ length: 300 }, (_, r) => {
      const groups = Array.from({ length: 8 }, (_, g) =>
        group(
          (g % 2) as 0 | 1,
          Array.from({ length: 50 }, (_, k) => {
            const at = 2 * ((r * 8 + g) * 50 + k)
            return [1 + values[at], values[at] + values[at + 1]] as const
          })
        )
      )
      return estimate(groups, null)
    })
    const chi = repetitions.map(({ susceptibilities }) => susceptibilities[0])
    const mean = chi.reduce((a, b) => a + b) / chi.length
    const spread = Math.sqrt(chi.reduce((sum, value) => sum + (value - mean) ** 2, 0) / chi.length)
    const claimed = repetitions.reduce((sum, { standardErrors }) => sum + standardErrors[0], 0) / chi.length
    expect(Math.abs(mean)).toBeLessThan((4 * spread) / Math.sqrt(chi.length))
    expect(claimed / spread).toBeGreaterThan(0.85)
    expect(claimed / spread).toBeLessThan(1.2)
  })

  it('step up the correlation of halves by Spearman-Brown, before and after a uniform mode is centred out', () => {
    const noise = new PsgldKernel().normals(6 * 4000, { seed: 4, step: 0, chain: 0, stream: 0 })
    const part = (i: number): Float64Array => noise.slice(i * 4000, (i + 1) * 4000)
    const mode = part(0)
    const signal = part(1)
    const column = (i: number, strength: number): Float32Array =>
      Float32Array.from(part(i), (value, token) => value + strength * signal[token])
    expect(reliability(column(2, 1), column(3, 1))).toBeCloseTo(2 / 3, 1)
    const withMode = (values: Float32Array): Float32Array => values.map((value, token) => value + 30 * mode[token])
    const halves = (
      [
        [2, 3, 1],
        [4, 5, -1]
      ] as const
    ).map(([a, b, sign]): [Float32Array, Float32Array] => [withMode(column(a, sign)), withMode(column(b, sign))])
    expect(reliability(...halves[0])).toBeGreaterThan(0.99)
    const centring = new CentredHalves(4000, 2)
    for (const pair of halves) centring.add(pair)
    const centred = halves.map((pair) => reliability(...centring.centred(pair)))
    expect(centred[0]).toBeGreaterThan(0.7)
    expect(centred[0]).toBeLessThan(0.9)
  })
})

describe('diagnostics', () => {
  it('find chains that disagree, and none in chains that agree', () => {
    const values = new PsgldKernel().normals(4 * 200, { seed: 5, step: 0, chain: 0, stream: 0 })
    const chains = [0, 1, 2, 3].map((chain) => values.slice(chain * 200, (chain + 1) * 200))
    expect(splitRHat(chains)!).toBeLessThan(1.02)
    expect(splitRHat(chains.map((chain, i) => chain.map((value) => value + i)))!).toBeGreaterThan(1.3)
    expect(splitRHat(chains.map((chain) => chain.map((value, k) => value + k / 25)))!).toBeGreaterThan(1.3)
    expect(splitRHat([Float64Array.of(1, 2, 3)])).toBeNull()
    expect(splitRHat([new Float64Array(10)])).toBeNull()
  })

  it('say what is wrong in words', () => {
    const { sampler } = smallInput()
    const healthy: ComponentDiagnostics = {
      component: 'mlp:1',
      splitRHat: 1.01,
      learningCoefficient: 1,
      meanDistance: [1, 1],
      finalDistance: [1, 1],
      meanLoss: 4.2,
      reliability: 0.9,
      centredReliability: 0.8,
      lossTrace: { first: 4.1, last: 4.2, min: 4.1, max: 4.3 },
      failedChains: [],
      blocks: null
    }
    const trace = (loss: (draw: number) => number) =>
      [0, 1].map((chain) => ({
        component: 'mlp:1',
        chain,
        losses: Float64Array.from({ length: 40 }, (_, k) => loss(k) + 0.01 * Math.sin(17 * k + chain)),
        distances: new Float64Array(40)
      }))
    const kinds = (changes: Partial<ComponentDiagnostics>, loss: (draw: number) => number = () => 4.2): string[] =>
      assessHealth({ ...healthy, ...changes }, trace(loss), 4, sampler).map(({ kind }) => kind)
    expect(kinds({})).toEqual([])
    expect(kinds({ meanLoss: 3.9 })).toEqual(['loss not above L(w*)'])
    expect(kinds({}, (k) => 4 + k / 100)).toEqual(['still drifting'])
    expect(kinds({ splitRHat: 1.4 })).toEqual(['chains disagree'])
    expect(kinds({ reliability: 0.3, centredReliability: 0.2 })).toEqual(['mostly noise'])
    expect(kinds({ reliability: 0.99, centredReliability: 0.2 })).toEqual(['mostly noise'])
    const nearAtFirst = trace(() => 4.2).map((each) => ({
      ...each,
      distances: Float64Array.from({ length: 40 }, (_, k) => (k === 0 ? 1 : 6))
    }))
    expect(assessHealth(healthy, nearAtFirst, 4, sampler)).toMatchObject([
      { kind: 'begins at w*', message: expect.stringMatching(/16\.7 % .*sampler\.burnIn/) as string }
    ])
    expect(
      assessHealth(
        { ...healthy, splitRHat: 1.4 },
        trace(() => 4.2),
        4,
        sampler
      )[0].message
    ).toMatch(/^mlp:1: split-R̂ is 1\.4 .*more draws.*\.$/)
  })
})
