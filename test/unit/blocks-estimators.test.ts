import { describe, expect, it } from 'vitest'
import { resultOfBlocks } from '../../main/sampling/block-columns'
import { sampleBlocks } from '../../main/sampling/blocks-sampler'
import type { BlocksInput } from '../../main/sampling/input'
import { normals } from '../../main/sampling/philox'
import { rowStartsOf } from '../../main/sampling/rows'
import { splitsOf } from '../../main/sampling/splits'
import { componentIndex } from '../../main/models/components'
import type { BlockConfiguration } from '../../preload/configuration'
import {
  Losses,
  allOrders,
  blocksInput,
  centre,
  columnOf,
  evenStudy,
  firstOrder,
  kinds,
  polynomial,
  quadraticScales,
  sampled,
  estimates
} from './blocks-fake'
import { type Plain, exactSusceptibilities, plain, studyOf } from './blocks-reference'
import { architecture } from './sampling-fake'

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0)
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.sqrt(
    dot(
      a.map((value, i) => value - b[i]),
      a.map((value, i) => value - b[i])
    ) / dot(b, b)
  )

const correlation = (a: readonly number[], b: readonly number[]): number => {
  const [x, y] = [a, b].map((values) => values.map((value) => value - mean(values)))
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y))
}

const cubic = new Losses({ ...quadraticScales, cubic: 0.4 })
const quadratic = new Losses(quadraticScales)

describe('block estimates', () => {
  const jackknife = (values: readonly number[]): number =>
    Math.sqrt(0.75 * values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0))
  const standardErrorsOf = ({ without, susceptibilities }: Plain): number[] =>
    susceptibilities.map((_, token) => jackknife(without.map((column) => column[token])))

  const cases: readonly (readonly [name: string, input: BlocksInput])[] = [
    ...kinds.map(([name, sampler]) => [name, blocksInput(sampler)] as const),
    ...kinds.map(
      ([name, sampler]) =>
        [`${name}, probe rows that are observed`, blocksInput(sampler, { observationIncludesProbe: true })] as const
    ),
    [
      'first order, three rounds of single rows',
      blocksInput(firstOrder({ rounds: 3, pairs: 3, observationBatch: 1, gamma: 80 }))
    ],
    [
      'all orders, three rounds of all rows at once',
      blocksInput(allOrders({ draws: 12, observationBatch: 7, gamma: 80 }), { seed: 0 })
    ]
  ]

  it.each(cases)('are those of docs/method.md written out plainly, one draw after another: %s', async (_, input) => {
    const { result, blocks } = await sampled(input, { openLane: polynomial(undefined, cubic) })
    expect(result.components).toEqual(input.components)
    for (const [column, component] of input.components.entries()) {
      const expected = plain(input, component, cubic)
      expect(apart(columnOf(result, component), expected.susceptibilities)).toBeLessThan(2e-5)
      const errors = Array.from(
        { length: result.tokens },
        (_, token) => result.standardErrors[token * input.components.length + column]
      )
      expect(apart(errors, standardErrorsOf(expected))).toBeLessThan(1e-3)
      const parts = result.parts.map((part) => columnOf(result, component, part))
      expect(parts).toHaveLength(4)
      parts.forEach((part, block) => expect(apart(part, expected.alone[block])).toBeLessThan(1e-4))
      const { reliability, blocks: own } = result.diagnostics[column]
      const r = correlation(...expected.halves)
      expect(reliability).toBeCloseTo(r < 0 ? r : (2 * r) / (1 + r), 4)
      expect(own!.effectiveShare).toBeCloseTo(expected.effectiveShare, 5)
      const phis = blocks.filter((block) => block.component === component).flatMap(({ record }) => record.phis)
      expect(
        apart(
          phis.toSorted((a, b) => a - b),
          expected.phis.toSorted((a, b) => a - b)
        )
      ).toBeLessThan(1e-5)
    }
  })

  it.each(kinds)('have parts whose mean they are, unless draws have weights: %s', async (_, sampler) => {
    const input = blocksInput(sampler)
    const { result } = await sampled(input, { openLane: polynomial(undefined, cubic) })
    const weighted = sampler.method === 'gradient' && sampler.nBeta > 0
    const meanOf = (numbers: readonly number[], component: string): number[] => {
      const columns = numbers.map((part) => columnOf(result, component, result.parts[part]))
      return columns[0].map((_value, token) => mean(columns.map((column) => column[token])))
    }
    for (const component of input.components) {
      const difference = apart(meanOf([0, 1, 2, 3], component), columnOf(result, component))
      if (weighted) expect(difference).toBeGreaterThan(1e-5)
      else expect(difference).toBeLessThan(1e-6)
      const { halves } = plain(input, component, cubic)
      for (const half of [0, 1] as const)
        if (!weighted) expect(apart(meanOf(splitsOf(4)[0][half], component), halves[half])).toBeLessThan(1e-4)
    }
  })

  it('have what first order leaves out in every part, once it is added', async () => {
    const input = blocksInput(firstOrder())
    const blocks = await sampleBlocks(input, undefined, { openLane: polynomial() })
    const before = await estimates(input, blocks)
    const column = Float64Array.from({ length: before.tokens }, (_, token) => Math.sin(token))
    const remainder = { record: { draws: 8, share: 0.1, error: 0.02 }, column }
    const starts = rowStartsOf(input.study.targets)
    const after = await resultOfBlocks(input, starts, blocks, new Map([['mlp:1', remainder]]))
    const pairs = [
      [before.susceptibilities, after.susceptibilities],
      ...before.parts.map((part, at) => [part, after.parts[at]])
    ]
    for (const [old, now] of pairs) {
      const own = columnOf(before, 'mlp:1', old)
      const gained = columnOf(after, 'mlp:1', now).map((value, token) => value - own[token])
      expect(apart(gained, [...column])).toBeLessThan(1e-5)
      expect(columnOf(after, 'head:0.1', now)).toEqual(columnOf(before, 'head:0.1', old))
    }
  })

  it('can be split in halves that share no part', () => {
    for (const parts of [2, 4]) {
      const splits = splitsOf(parts)
      expect(splits).toHaveLength(parts - 1)
      for (const [first, second] of splits) {
        expect(first).toHaveLength(second.length)
        expect([...first, ...second].toSorted((a, b) => a - b)).toEqual(Array.from({ length: parts }, (_, i) => i))
      }
      const withFirst = splits.map(([first, second]) => (first.includes(0) ? first : second).join())
      expect(new Set(withFirst).size).toBe(parts - 1)
    }
    for (const parts of [0, 1, 3, 5]) expect(splitsOf(parts)).toEqual([])
  })

  it("depend on the seed, and one component's not on which others there are", async () => {
    const input = blocksInput(firstOrder())
    const { result } = await sampled(input)
    const alone = await sampled({ ...input, components: ['mlp:1'] })
    expect(columnOf(alone.result, 'mlp:1')).toEqual(columnOf(result, 'mlp:1'))
    const other = await sampled({ ...input, seed: input.seed + 1 })
    expect(apart(columnOf(other.result, 'mlp:1'), columnOf(result, 'mlp:1'))).toBeGreaterThan(0.01)
    // Both halves of a seed count.
    expect(columnOf((await sampled({ ...input, seed: input.seed % 2 ** 32 })).result, 'mlp:1')).not.toEqual(
      columnOf(result, 'mlp:1')
    )
  })
})

describe('slopes of first order', () => {
  /** After one round: each block's mean gradient, its unit vector, and its point. */
  const blocksOf = async (gamma: number, losses: Losses) => {
    const input = blocksInput(firstOrder({ nBeta: 0, rounds: 1, pairs: 3, gamma }), {
      components: ['mlp:0', 'head:1.1']
    })
    const { chains, sums } = await sampleBlocks(input, undefined, { openLane: polynomial(undefined, losses) })
    return Promise.all(
      chains.map(async ({ component, chain }, at) => {
        const { slopes, gradient } = await sums(at)
        const g = Float64Array.from(gradient, (value) => value / 6)
        const norm = Math.sqrt(dot(g, g))
        const q = g.map((value) => value / norm)
        const y = normals(centre(component).length, {
          seed: input.seed,
          step: chain,
          chain: 0,
          stream: 8 * 2 ** 24 + componentIndex(architecture, component)
        })
        const x = y.map((value, i) => (value - dot(y, q) * q[i]) / Math.sqrt(gamma))
        return { norm, q, x, g, slopes, tokens: studyOf(input, component, losses).tokens }
      })
    )
  }

  it.each([20, 300])(
    'are b·g to rounding for losses that are linear and quadratic, wherever the point lies: γ %i',
    async (gamma) => {
      for (const { g, norm, slopes, tokens } of await blocksOf(gamma, quadratic)) {
        tokens.forEach(({ b }, token) =>
          expect(Math.abs(slopes[token] - dot(b, g))).toBeLessThan(4e-7 * norm * Math.sqrt(gamma))
        )
      }
    }
  )

  it.each([20, 300])(
    'of a cubic term along q are those of the two-point rule, Σ ±ℓ / 2h, and across q its slope at the point: γ %i',
    async (gamma) => {
      const blocks = await blocksOf(gamma, cubic)
      let largest = 0
      for (const { g, q, x, norm, slopes, tokens } of blocks) {
        tokens.forEach(({ b, m }, token) => {
          const along = dot(m, q)
          const third = (norm * along * (dot(m, x) ** 2 + along ** 2 / gamma / 3)) / 2
          largest = Math.max(largest, Math.abs(third) / norm)
          expect(Math.abs(slopes[token] - dot(b, g) - third)).toBeLessThan(1e-6 * norm * Math.sqrt(gamma))
        })
      }
      expect(largest).toBeGreaterThan(1e-3)
    }
  )
})

describe('susceptibilities of quadratic losses', () => {
  const study = evenStudy(6, 3)
  const gamma = 20

  /** Columns of runs with one seed after another, and what they ought to be. */
  const repeated = async (sampler: BlockConfiguration, seeds = 16) => {
    const inputs = Array.from({ length: seeds }, (_, i) =>
      blocksInput(sampler, { seed: i + 1, study, components: ['head:0.1'], threads: 1 })
    )
    const results = []
    for (const input of inputs)
      results.push(
        await estimates(input, await sampleBlocks(input, undefined, { openLane: polynomial(undefined, quadratic) }))
      )
    const own = studyOf(inputs[0], 'head:0.1', quadratic)
    return {
      columns: results.map((result) => columnOf(result, 'head:0.1')),
      claimed: results.map(({ standardErrors }) => Array.from(standardErrors)),
      shares: results.map(({ diagnostics }) => diagnostics[0].blocks!.effectiveShare),
      exact: exactSusceptibilities(own, sampler.nBeta, gamma),
      untilted: exactSusceptibilities(own, 0, gamma)
    }
  }

  /** How far the mean over seeds lies from what is expected, in its standard errors over seeds. */
  const errorsApart = (columns: readonly number[][], expected: readonly number[]): number[] =>
    expected.map((value, token) => {
      const values = columns.map((column) => column[token])
      const spread = values.reduce((sum, each) => sum + (each - mean(values)) ** 2, 0) / (values.length - 1)
      return Math.abs(mean(values) - value) / Math.sqrt(spread / values.length)
    })

  const centred = (column: readonly number[]): number[] => column.map((value) => value - mean(column))
  const most = (values: readonly number[]): number => Math.max(...values)

  it('are -(½ tr(AΣBΣ) + b·Σc), of the token less that of L, with the gradient estimator at nβ 0', async () => {
    const { columns, exact, claimed } = await repeated(
      allOrders({ nBeta: 0, gamma, draws: 240, observationBatch: 6 }),
      24
    )
    expect(most(errorsApart(columns, exact.all))).toBeLessThan(5)
    // Neither the other sign nor the first order alone would do.
    expect(
      most(
        errorsApart(
          columns,
          exact.all.map((value) => -value)
        )
      )
    ).toBeGreaterThan(20)
    expect(most(errorsApart(columns, exact.first))).toBeGreaterThan(5)
    // Nor do the errors that it claims lie far from those that its repetitions have.
    const square = mean(exact.all.map((_, token) => mean(claimed.map((errors) => errors[token] ** 2))))
    const spread = mean(
      exact.all.map((_, token) => {
        const values = columns.map((column) => column[token])
        return mean(values.map((value) => (value - mean(values)) ** 2)) * (24 / 23)
      })
    )
    expect(Math.sqrt(square / spread)).toBeGreaterThan(0.75)
    expect(Math.sqrt(square / spread)).toBeLessThan(1.3)
  })

  it('are those under the posterior at nβ 3, to which weights carry the Gaussian draws', async () => {
    const { columns, exact, untilted, shares } = await repeated(allOrders({ gamma, draws: 400, observationBatch: 6 }))
    expect(most(errorsApart(columns, exact.all))).toBeLessThan(5)
    expect(most(errorsApart(columns, untilted.all))).toBeGreaterThan(8)
    expect(mean(shares)).toBeGreaterThan(0.3)
    expect(mean(shares)).toBeLessThan(0.7)
  })

  it.each<[name: string, sampler: BlockConfiguration, order: 'all' | 'first']>([
    ['all orders, nβ 0, one row', allOrders({ nBeta: 0, gamma, draws: 400, observationBatch: 1 }), 'all'],
    ['all orders, nβ 3, two rows', allOrders({ gamma, draws: 400, observationBatch: 2 }), 'all'],
    ['first order, nβ 0, two rows', firstOrder({ nBeta: 0, gamma, pairs: 2, rounds: 8, observationBatch: 2 }), 'first']
  ])(
    'tend to those of all observation rows, but for what all tokens have in common, where a gradient has few: %s',
    async (_, sampler, order) => {
      const { columns, exact } = await repeated(sampler)
      const expected = centred(exact[order])
      expect(most(errorsApart(columns.map(centred), expected))).toBeLessThan(5)
      expect(
        most(
          errorsApart(
            columns.map(centred),
            expected.map((value) => -value)
          )
        )
      ).toBeGreaterThan(8)
    }
  )

  it('are -b·Σc with first order at nβ 0: exactly, where a slice is all observation rows', async () => {
    const { columns, exact } = await repeated(
      firstOrder({ nBeta: 0, gamma, pairs: 1, rounds: 1, observationBatch: 6 }),
      3
    )
    for (const column of columns) expect(apart(column, exact.first)).toBeLessThan(1e-5)
  })

  it('have their first order under the posterior at nβ 3 with first order', async () => {
    const { columns, exact, untilted } = await repeated(
      firstOrder({ gamma, pairs: 64, rounds: 2, observationBatch: 6 })
    )
    expect(most(errorsApart(columns, exact.first))).toBeLessThan(5)
    expect(most(errorsApart(columns, untilted.first))).toBeGreaterThan(8)
  })
})
