import { describe, expect, it } from 'vitest'
import { componentSlices, flatten } from '../../main/models/components'
import { resultOf } from '../../main/sampling/estimates'
import type { SampledChains } from '../../main/sampling/sampled'
import { localLane } from '../local-lane'
import type { OpenLane } from '../../main/sampling/lane'
import { chainNames } from '../../main/sampling/input'
import { sampleChains } from '../../main/sampling/chains-sampler'
import { sample } from '../../main/sampling/sample'
import type { ChainName, ChainsInput } from '../../main/sampling/input'
import type { PsgldConfiguration } from '../../preload/configuration'
import { architecture, QuadraticEvaluator, smallInput, weights } from './sampling-fake'

/** `before` is told the component of every evaluation and adds to its losses. */
const quadratic = (before?: (component: string) => number): OpenLane =>
  localLane(() =>
    Promise.resolve(
      new QuadraticEvaluator((component) => flatten(weights, componentSlices(architecture, weights, component)), before)
    )
  )

const joined = (input: ChainsInput, parts: readonly SampledChains[]): SampledChains => {
  const found = chainNames(input).map(
    ({ component, chain }) =>
      parts.flatMap((part) =>
        part.chains.flatMap((own, at) =>
          own.component === component && own.chain === chain ? [{ own, part, at }] : []
        )
      )[0]
  )
  return {
    tokens: parts[0].tokens,
    initialLoss: parts[0].initialLoss,
    chains: found.map(({ own }) => own),
    sums: (at) => found[at].part.sums(found[at].at)
  }
}

const dealt = (input: ChainsInput, count: number): ChainName[][] =>
  Array.from({ length: count }, (_, part) => chainNames(input).filter((_chain, i) => i % count === part))

const small = (changes: Partial<PsgldConfiguration> = {}): ChainsInput => ({
  ...smallInput(changes),
  components: ['mlp:1', 'head:0.1', 'head:1.0']
})

describe('parts of a run', () => {
  it.each([
    ['two-chain', 3],
    ['restricted', 3],
    ['two-chain', 0]
  ] as const)('come to the result of the whole: %s, nβ %i', async (estimator, nBeta) => {
    const input = small({ estimator, nBeta, chains: 3 })
    const whole = await sample(input, { openLane: quadratic() })
    for (const count of [2, 5]) {
      const parts = await Promise.all(
        dealt(input, count).map((chains) => sampleChains(input, chains, { openLane: quadratic() }))
      )
      expect(await resultOf(input, joined(input, parts))).toEqual(whole)
    }
  })

  it('measure the loss at w* through the same component, whichever they have', async () => {
    const byComponent = (component: string): number =>
      ({ 'mlp:1': 0.25, 'head:0.1': 0.5, 'head:1.0': 0.5, full: 0.125 })[component] ?? NaN
    const input = small()
    const losses = await Promise.all(
      dealt(input, 8).map(
        async (chains) => (await sampleChains(input, chains, { openLane: quadratic(byComponent) })).initialLoss
      )
    )
    expect(losses).toHaveLength(8)
    expect(new Set(losses)).toEqual(new Set([(await sample(input, { openLane: quadratic(byComponent) })).initialLoss]))
  })

  it('whose chains fail are left out together, and judged together', async () => {
    const failing = (names: readonly string[]) => {
      let calls = 0
      return quadratic((component) => (names.includes(component) && ++calls > 40 ? NaN : 0))
    }
    const input = small()
    const parts = (names: readonly string[]) =>
      Promise.all(dealt(input, 8).map((chains) => sampleChains(input, chains, { openLane: failing(names) })))
    const one = await resultOf(input, joined(input, await parts(['head:0.1'])))
    expect(one.components).toEqual(['mlp:1', 'head:1.0'])
    expect(
      one.diagnostics.find(({ component }) => component === 'head:0.1')!.failedChains.map(({ chain }) => chain)
    ).toEqual([0, 1])
    await expect(resultOf(input, joined(input, await parts(['full'])))).rejects.toMatchObject({
      kind: 'sampling',
      message: expect.stringContaining('Every chain of full') as string
    })
  })
})
