import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SampledBlocks } from '../../main/sampling/sampled'
import { sampleBlocks } from '../../main/sampling/blocks-sampler'
import { type BlocksInput, type ChainFlag, type SamplingProgress, chainNames } from '../../main/sampling/input'
import { joinSampled } from '../../main/sampling/sampled-file'
import type { BlockConfiguration } from '../../preload/configuration'
import {
  type Before,
  type Call,
  Losses,
  type Outcome,
  allOrders,
  blocksInput,
  columnOf,
  estimates,
  evenStudy,
  firstOrder,
  kinds,
  limited,
  outcomeOf,
  polynomial,
  sampled,
  watched
} from './blocks-fake'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'blocks-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const kept = (input: BlocksInput): BlocksInput => {
  mkdirSync(join(folder, 'checkpoints'), { recursive: true })
  return { ...input, checkpoint: { folder: join(folder, 'checkpoints'), everySeconds: 1e6, fingerprint: 'study' } }
}
const forget = (): void => rmSync(join(folder, 'checkpoints'), { recursive: true, force: true })

const components = ['head:0.1', 'mlp:1', 'head:0.0']
const most = 6

const cases: readonly (readonly [name: string, sampler: BlockConfiguration])[] = [
  ['first order', firstOrder({ pairs: 1, observationBatch: 1, gamma: 60 })],
  ['all orders', allOrders({ observationBatch: 4, gamma: 200 })]
]

describe.each(cases)('with a target of reliability, %s', (_name, sampler) => {
  const input = (rounds: number, target: number | false = false): BlocksInput =>
    blocksInput(limited(sampler, rounds, target), { components, study: evenStudy(9, 6, 8) })
  /** Of runs of 1, 2, … rounds that stop at nothing. */
  let runs: Outcome[]
  /** A target that components reach after different numbers of rounds, and the least that does for each. */
  let target: number
  let reached: number[]

  const lowOf = ({ result }: Outcome, component: string): number =>
    result.diagnostics.find((each) => each.component === component)!.blocks!.reliabilityBounds[0]
  const roundsTo = (level: number): number[] =>
    components.map((component) => {
      const at = runs.findIndex((run) => lowOf(run, component) >= level)
      return at < 0 ? most : at + 1
    })

  beforeAll(async () => {
    runs = []
    for (let rounds = 1; rounds <= most; rounds++) runs.push(await sampled(input(rounds)))
    const lows = runs
      .flatMap((run) => components.map((component) => lowOf(run, component)))
      .filter((low) => low > 0 && low < 1)
    // Half-way between two of them, where as many as can be end at different rounds beyond the first.
    const levels = lows
      .toSorted((a, b) => a - b)
      .slice(1)
      .map((low, i) => (low + lows.toSorted((a, b) => a - b)[i]) / 2)
    const score = (level: number): number =>
      new Set(roundsTo(level).map((rounds) => (rounds > 1 && rounds < most ? rounds : 0))).size
    target = levels.reduce((best, level) => (score(level) > score(best) ? level : best))
    reached = roundsTo(target)
    expect(new Set(reached).size).toBeGreaterThan(1)
    expect(Math.max(...reached)).toBeGreaterThan(1)
  })

  const roundsIn = ({ result }: Outcome): number[] => result.diagnostics.map(({ blocks }) => blocks!.rounds)

  /** Every component has the numbers of a run of as many rounds as it has. */
  const expectOwnRounds = (outcome: Outcome, rounds: readonly number[]): void => {
    expect(roundsIn(outcome)).toEqual(rounds)
    components.forEach((component, at) => {
      const run = runs[rounds[at] - 1]
      expect(columnOf(outcome.result, component)).toEqual(columnOf(run.result, component))
      const { reliability, blocks } = outcome.result.diagnostics[at]
      expect({ reliability, bounds: blocks!.reliabilityBounds }).toEqual({
        reliability: run.result.diagnostics[at].reliability,
        bounds: run.result.diagnostics[at].blocks!.reliabilityBounds
      })
      expect(outcome.blocks.filter((block) => block.component === component)).toEqual(
        run.blocks.filter((block) => block.component === component)
      )
    })
  }

  it('a component stops at the first round whose lower bound reaches it, and the others go on', async () => {
    expectOwnRounds(await sampled(input(most, target)), reached)
    expectOwnRounds(await sampled({ ...input(most, target), threads: 1 }, { waveBytes: 1 }), reached)
  })

  it('out of reach or none, all rounds are taken', async () => {
    expect(roundsIn(await sampled(input(3)))).toEqual([3, 3, 3])
    expectOwnRounds(await sampled(input(3, 1 - 1e-12)), [3, 3, 3])
  })

  it('that is reached at once, one round is taken', async () => {
    const least = Math.min(...components.map((component) => lowOf(runs[0], component)))
    if (least > 0) expectOwnRounds(await sampled(input(most, least)), [1, 1, 1])
    expect(roundsIn(await sampled(input(1, target)))).toEqual([1, 1, 1])
  })

  it('each stops where it would have when the run was interrupted, wherever that was', async () => {
    const wanted = input(most, target)
    let count = 0
    const expected = await sampled(wanted, { openLane: watched(polynomial(), { done: () => count++ }) })
    for (let n = 1; n <= count; n += 5) {
      forget()
      const controller = new AbortController()
      let tasks = 0
      const openLane = watched(polynomial(), { begun: () => ++tasks === n && controller.abort() })
      await expect(
        sampleBlocks({ ...kept(wanted), signal: controller.signal }, undefined, { openLane })
      ).rejects.toMatchObject({ kind: 'interrupted' })
      const resumed = await sampled(kept(wanted))
      expect(roundsIn(resumed), `interrupted at task ${n} of ${count}`).toEqual(reached)
      expect(resumed, `interrupted at task ${n} of ${count}`).toEqual(expected)
    }
  })

  it('each goes on from where it stopped when the run is continued', async () => {
    const begun = await sampleBlocks(input(most, target), undefined, { openLane: polynomial() })
    expectOwnRounds(await sampled({ ...input(most), begun }), [most, most, most])
    expectOwnRounds(await sampled({ ...input(most), begun }, { waveBytes: 1 }), [most, most, most])
    const higher = (1 + target) / 2
    expectOwnRounds(
      await sampled({ ...input(most, higher), begun }),
      roundsTo(higher).map((rounds, at) => Math.max(rounds, reached[at]))
    )
    // Nothing is left to do where all have reached it.
    let tasks = 0
    const openLane = watched(polynomial(), { done: ({ kind }) => kind === 'slopes' && tasks++ })
    expectOwnRounds(await sampled({ ...input(most, target), begun }, { openLane }), reached)
    expect(tasks).toBe(0)
  })

  it('each stops as in the whole where its blocks are in one piece; blocks that are alone take all rounds', async () => {
    const inPieces = async (wanted: BlocksInput, isTogether: boolean): Promise<Outcome> => {
      const names = chainNames(wanted)
      const pieces = isTogether
        ? components.map((name) => names.filter(({ component }) => component === name))
        : names.map((name) => [name])
      const parts: SampledBlocks[] = []
      for (const chosen of pieces) parts.push(await sampleBlocks(wanted, chosen, { openLane: polynomial() }))
      return outcomeOf(wanted, joinSampled(names, parts))
    }
    expect(await inPieces(input(most, target), true)).toEqual(await sampled(input(most, target)))
    expectOwnRounds(await inPieces(input(2, target), false), [2, 2, 2])
  })

  it('progress tells of every component how far it is', async () => {
    const reports: SamplingProgress[] = []
    await sampled({ ...input(most, target), onProgress: (progress) => reports.push(progress) })
    const last = reports.at(-1)!
    expect(last.reliabilities!.map(({ component, rounds, done }) => ({ component, rounds, done }))).toEqual(
      components.map((component, at) => ({ component, rounds: reached[at], done: true }))
    )
    last.reliabilities!.forEach(({ component, reliability, lower }, at) => {
      expect(reliability).toBe(runs[reached[at] - 1].result.diagnostics[at].reliability)
      expect(lower).toBe(lowOf(runs[reached[at] - 1], component))
    })
    expect(last.fractionDone).toBe(1)
    for (const { fractionDone, initialLoss } of reports) {
      expect(fractionDone).toBeGreaterThanOrEqual(0)
      expect(fractionDone).toBeLessThanOrEqual(1)
      expect(initialLoss).toBe(runs[0].initialLoss)
    }
    for (const at of components.keys()) {
      const rounds = reports.map(({ reliabilities }) => reliabilities![at].rounds)
      expect(rounds).toEqual(rounds.toSorted((a, b) => a - b))
    }
  })

  it('progress counts what components that are sampled later have to do', async () => {
    const reports: SamplingProgress[] = []
    const onProgress = (progress: SamplingProgress): void => void reports.push(progress)
    await sampled({ ...input(2), threads: 1, onProgress }, { waveBytes: 1 })
    const early = reports.filter(
      ({ reliabilities }) =>
        reliabilities!.some(({ done }) => done) && reliabilities!.some(({ rounds }) => rounds === 0)
    )
    expect(early.length).toBeGreaterThan(0)
    for (const { fractionDone, secondsLeft } of early) {
      expect(fractionDone).toBeLessThan(0.9)
      expect(secondsLeft).toBeGreaterThan(0)
    }
    expect(reports.at(-1)!.fractionDone).toBe(1)
  })
})

describe.each(kinds)('a number that is not finite, %s', (_name, sampler) => {
  const input = blocksInput(sampler)
  let expected: Outcome
  /** Calls for the component in a run where all is well. */
  let calls: Call[]
  beforeAll(async () => {
    calls = []
    expected = await sampled(
      { ...input, threads: 1 },
      {
        openLane: polynomial((call) => {
          if (call.component === 'mlp:1') calls.push(call)
          return 0
        })
      }
    )
  })

  /** Of this component the n-th call answers what is no number, or all calls from it on. */
  const bad = (component: string, n: number, { value = NaN, onwards = false } = {}): Before => {
    let count = 0
    return (call) => {
      if (call.component !== component) return 0
      count++
      return count === n || (onwards && count > n) ? value : 0
    }
  }

  const others = ['head:0.1', 'head:0.0']

  const expectOnlyOthers = ({ result, blocks }: Outcome): void => {
    expect(result.components).toEqual(others)
    for (const component of others) {
      expect(columnOf(result, component)).toEqual(columnOf(expected.result, component))
      const own = ({ diagnostics }: Outcome['result']) => {
        const {
          centredReliability: _,
          blocks: known,
          ...more
        } = diagnostics.find((each) => each.component === component)!
        return { ...more, ...known, centredReliabilityBounds: undefined }
      }
      expect(own(result)).toEqual(own(expected.result))
      expect(blocks.filter((block) => block.component === component)).toEqual(
        expected.blocks.filter((block) => block.component === component)
      )
    }
    const failed = result.diagnostics.find(({ component }) => component === 'mlp:1')!
    expect(failed.failedChains.length).toBeGreaterThan(0)
    expect(failed.failedChains[0].message).toMatch(
      /^mlp:1: .*is not finite.*excluded; raise sampler\.gamma \(now 300\)\.$/
    )
    expect(failed.blocks).toBeNull()
  }

  it('in any of its evaluations leaves out its component, by name, and no other number changes', async () => {
    expect(new Set(calls.map(({ kind }) => kind)).size).toBe(2)
    // The first calls may be those at w*.
    for (let n = 4; n <= calls.length; n += 3) {
      for (const value of n % 2 === 0 ? [NaN] : [Infinity]) {
        const flags: ChainFlag[] = []
        const outcome = await sampled(
          { ...input, threads: 1 + (n % 2), onFlag: (flag) => flags.push(flag) },
          { openLane: polynomial(bad('mlp:1', n, { value })) }
        )
        expect(
          flags.map(({ component }) => component),
          `call ${n} of ${calls.length}`
        ).toEqual(['mlp:1'])
        expect(flags[0].message).toBe(outcome.result.diagnostics[1].failedChains[0].message)
        expectOnlyOthers(outcome)
      }
    }
  })

  it('ends the work on its component', async () => {
    let count = 0
    const failing = bad('mlp:1', 6, { onwards: true })
    await sampled(
      { ...input, threads: 1 },
      {
        openLane: polynomial((call) => {
          if (call.component === 'mlp:1') count++
          return failing(call)
        })
      }
    )
    expect(count).toBeLessThan(calls.length / 2)
  })

  it('in a piece or in a wave leaves out its component from the whole', async () => {
    expectOnlyOthers(await sampled(input, { openLane: polynomial(bad('mlp:1', 7)), waveBytes: 1 }))
    const parts: SampledBlocks[] = []
    for (const [piece, chosen] of chainNames(input)
      .map((chain) => [chain])
      .entries()) {
      parts.push(await sampleBlocks(input, chosen, { openLane: polynomial(piece === 6 ? bad('mlp:1', 7) : undefined) }))
    }
    const joined = joinSampled(chainNames(input), parts)
    const result = await estimates(input, joined)
    expect(result.components).toEqual(others)
    for (const component of others) expect(columnOf(result, component)).toEqual(columnOf(expected.result, component))
    expect(result.diagnostics[1].failedChains.map(({ chain }) => chain)).toEqual([2])
  })

  it('stays known after an interruption', async () => {
    const controller = new AbortController()
    const openLane = polynomial(bad('mlp:1', 8))
    await expect(
      sampleBlocks({ ...kept(input), signal: controller.signal, onFlag: () => controller.abort() }, undefined, {
        openLane
      })
    ).rejects.toMatchObject({ kind: 'interrupted' })
    const outcome = await sampled(kept(input))
    expectOnlyOthers(outcome)
    forget()
    // The wave of mlp:1 is the first here, and done when the second is interrupted.
    const waves = { waveBytes: 1 }
    const turned = { ...input, components: ['mlp:1', ...others] }
    const later = new AbortController()
    const failing = bad('mlp:1', 8)
    const inSecond = polynomial((call) => {
      if (call.component === 'head:0.1') later.abort()
      return failing(call)
    })
    await expect(
      sampleBlocks({ ...kept(turned), signal: later.signal }, undefined, { openLane: inSecond, ...waves })
    ).rejects.toMatchObject({ kind: 'interrupted' })
    const result = await sampled(kept(turned), waves)
    expect(result.result.components).toEqual(others)
  })

  it.each([0.1, 0.3, 0.7, 1])('spoils no run that continues this one: after %f of the evaluations', async (share) => {
    const begun = await sampleBlocks(input, undefined, {
      openLane: polynomial(bad('mlp:1', Math.ceil(share * calls.length)))
    })
    expect(begun.chains.some(({ failure }) => failure !== null)).toBe(true)
    const more = { ...input, sampler: limited(sampler, 3) }
    const whole = await sampled(more)
    const { result } = await sampled({ ...more, begun })
    for (const component of others) expect(columnOf(result, component)).toEqual(columnOf(whole.result, component))
    // It is left out still, or has the numbers of a run in which all was well; never those of sums that are not
    // whole.
    if (result.components.includes('mlp:1')) expect(columnOf(result, 'mlp:1')).toEqual(columnOf(whole.result, 'mlp:1'))
    else
      expect(result.diagnostics.find(({ component }) => component === 'mlp:1')!.failedChains.length).toBeGreaterThan(0)
  })

  it('of every component ends the run, and says what helps', async () => {
    const failing = polynomial(({ kind }) => (kind === 'gradient' ? NaN : 0))
    await expect(sampled(input, { openLane: failing })).rejects.toMatchObject({
      kind: 'sampling',
      message:
        'Every component (head:0.1, mlp:1, head:0.0) ended with a non-finite number: ' +
        'raise sampler.gamma (now 300).'
    })
    await expect(sampled({ ...input, precision: 'float16' }, { openLane: failing })).rejects.toMatchObject({
      kind: 'sampling',
      message: expect.stringContaining('or ')
    })
    // One after another.
    let count = 0
    const late = polynomial(() => (++count > 60 ? NaN : 0))
    await expect(sampled({ ...input, threads: 1 }, { openLane: late })).rejects.toMatchObject({ kind: 'sampling' })
    // In pieces it is found when they are gathered.
    const parts = await Promise.all(
      chainNames(input).map((chain) => sampleBlocks(input, [chain], { openLane: failing }))
    )
    await expect(estimates(input, joinSampled(chainNames(input), parts))).rejects.toMatchObject({ kind: 'sampling' })
  })

  it('at w* ends the run before anything is sampled', async () => {
    let count = 0
    const openLane = polynomial(() => {
      count++
      return NaN
    })
    await expect(sampled(input, { openLane })).rejects.toMatchObject({
      kind: 'sampling',
      message:
        'The loss of the model as given is not finite on the observation rows; check that its weights are complete.'
    })
    expect(count).toBeLessThan(5)
  })
})

describe('losses that depend on no weight', () => {
  it.each(kinds)('have susceptibilities of 0 and a reliability of 0: %s', async (_, sampler) => {
    const flat = new Losses({ linear: 0, diagonal: 0, along: 0, cubic: 0 })
    const { result, blocks } = await sampled(blocksInput(limited(sampler, 2, 0.5)), {
      openLane: polynomial(undefined, flat)
    })
    expect(result.components).toHaveLength(3)
    for (const values of [result.susceptibilities, result.standardErrors])
      expect(values.every((value) => value === 0)).toBe(true)
    for (const { reliability, blocks: own } of result.diagnostics) {
      expect(reliability).toBe(0)
      expect(own).toMatchObject({ rounds: 2, effectiveShare: expect.closeTo(1, 6), gradientNorm: 0 })
    }
    expect(blocks.every(({ failure }) => failure === null)).toBe(true)
  })
})
