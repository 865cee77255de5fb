import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RunWatch } from '../../main/api/run-watch'
import type { RunEvent } from '../../preload/contract'
import { parseConfiguration } from '../../preload/configuration'
import type { RunRecord, TracePointRecord } from '../../preload/records'

const draws = 16
const run = {
  id: 'r',
  initialLoss: null,
  configuration: parseConfiguration(
    { model: 'm', rows: 'r', sampler: { method: 'psgld', draws, chains: 2, nBeta: 3 } },
    'c'
  )
} as unknown as RunRecord

let events: RunEvent[] = []
let batches: (readonly TracePointRecord[])[] = []
const watch = (traces: ConstructorParameters<typeof RunWatch>[2] = []): RunWatch =>
  new RunWatch(run, ['embed', 'mlp:0'], traces, {
    event: (event) => events.push(event),
    traces: (points) => batches.push(points)
  })

beforeEach(() => {
  vi.useFakeTimers()
  events = []
  batches = []
})
afterEach(() => void vi.useRealTimers())

const draw = (watched: RunWatch, component: string, chain: number, at: number, loss: number): void =>
  watched.trace({ component, chain, draw: at, loss, distance: 0.1 }, 2)

describe('a run that is watched', () => {
  it('tells its traces some at a time, and keeps them all', () => {
    const watched = watch()
    for (let at = 0; at < 3; at++) for (const chain of [0, 1]) draw(watched, 'embed', chain, at, 2.5 + at)
    expect(batches).toEqual([])
    vi.advanceTimersByTime(1000)
    expect(batches).toHaveLength(1)
    expect(batches[0]).toHaveLength(6)
    expect(watched.live(true, false).traces).toEqual(
      [0, 1].map((chain) => ({
        component: 'embed',
        chain,
        losses: Float64Array.of(2.5, 3.5, 4.5),
        distances: Float64Array.of(0.1, 0.1, 0.1)
      }))
    )
  })

  it('says which chains disagree as soon as that is seen, and not again while it is so', () => {
    const watched = watch()
    const health = (): RunEvent[] => events.filter(({ type }) => type === 'health')
    for (let at = 0; at < 10; at++) {
      draw(watched, 'embed', 0, at, 2.5 + 0.01 * (at % 3))
      draw(watched, 'embed', 1, at, 4.5 + 0.01 * (at % 3))
      draw(watched, 'mlp:0', 0, at, 2.5 + 0.01 * (at % 3))
      draw(watched, 'mlp:0', 1, at, 2.5 + 0.01 * (at % 2))
    }
    vi.advanceTimersByTime(1000)
    expect(health()).toMatchObject([
      { findings: [{ component: 'embed', kind: 'chains disagree', message: expect.stringContaining('R̂') }] }
    ])
    draw(watched, 'embed', 0, 10, 2.5)
    draw(watched, 'embed', 1, 10, 4.5)
    vi.advanceTimersByTime(1000)
    expect(health()).toHaveLength(1)
    expect(watched.live(true, false).flags).toHaveLength(1)
  })

  it('says at once that a chain has failed', () => {
    const watched = watch()
    draw(watched, 'embed', 0, 0, 2.5)
    watched.chainEnded({ component: 'embed', chain: 1, message: 'embed, chain 2 ended' })
    watched.close()
    expect(watched.live(true, false).flags).toMatchObject([{ component: 'embed', kind: 'chains failed' }])
  })

  it('goes on with the traces of earlier work, and takes those again that are sampled again', () => {
    const watched = watch([
      { component: 'embed', chain: 0, losses: Float64Array.of(1, 2, 3), distances: Float64Array.of(1, 2, 3) }
    ])
    draw(watched, 'embed', 0, 1, 9)
    expect(watched.live(true, false).traces[0].losses).toEqual(Float64Array.of(1, 9))
  })

  it('knows how far each component is, and keeps rates now and then', () => {
    const watched = watch()
    watched.event({ type: 'stage', stage: 'sample' })
    for (let second = 0; second < 5000; second++) {
      vi.advanceTimersByTime(1000)
      watched.event({
        type: 'progress',
        progress: { stage: 'sample', done: second, total: 5000, unit: '', tokensPerSecond: 100, step: 1, steps: 8 }
      })
    }
    for (let at = 0; at < 8; at++) draw(watched, 'mlp:0', 0, at, 3)
    const { components, rates, progress } = watched.live(true, false)
    expect(components).toEqual([
      { component: 'embed', fraction: 1 / 8 },
      { component: 'mlp:0', fraction: 1 / 4 }
    ])
    expect(progress).toMatchObject({ done: 4999 })
    expect(rates.length).toBeGreaterThan(1000)
    expect(rates.length).toBeLessThanOrEqual(4002)
    expect(watched.rate).toBe(100)
    expect(watched.live(false, false)).toMatchObject({ working: false, stage: null, progress: null, components: [] })
  })

  it('tells progress a few times a second at most', () => {
    const watched = watch()
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(10)
      watched.event({ type: 'progress', progress: { stage: 'sample', done: i, total: 100, unit: '' } })
    }
    expect(events.length).toBeLessThanOrEqual(6)
    expect(events.length).toBeGreaterThanOrEqual(4)
  })
})
