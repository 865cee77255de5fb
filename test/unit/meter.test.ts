import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Meter } from '../../main/sampling/meter'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Adds tasks of 10 operations and 2 tokens, after these seconds each. */
const add = (meter: Meter, seconds: readonly number[]): void => {
  for (const each of seconds) {
    vi.advanceTimersByTime(1000 * each)
    meter.add(10, 2)
  }
}

it('knows no rate before two tasks have ended', () => {
  const meter = new Meter()
  expect(meter.rates()).toEqual({ operations: NaN, tokens: NaN })
  add(meter, [1])
  expect(meter.rates()).toEqual({ operations: NaN, tokens: NaN })
  add(meter, [2])
  expect(meter.rates()).toEqual({ operations: 5, tokens: 1 })
})

it('follows the last fifteen seconds where tasks are quick', () => {
  const meter = new Meter()
  add(meter, Array<number>(100).fill(1))
  expect(meter.rates().operations).toBeCloseTo(10)
  add(meter, Array<number>(200).fill(0.1))
  expect(meter.rates().operations).toBeCloseTo(100)
})

it('keeps a steady rate where tasks take minutes, and two threads end theirs together', () => {
  const meter = new Meter()
  const rates = Array.from({ length: 40 }, () => {
    add(meter, [119, 1])
    return meter.rates().operations
  })
  for (const rate of rates.slice(4)) {
    expect(rate / (20 / 120)).toBeGreaterThan(0.8)
    expect(rate / (20 / 120)).toBeLessThan(1.25)
  }
})
