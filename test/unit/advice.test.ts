import { describe, expect, it } from 'vitest'
import type { PsgldConfiguration } from '../../preload/configuration'
import { Visible } from '../../main/base/printed'
import { healthText } from '../../main/cli/health-views'
import { checkFailures, finiteRemedy } from '../../main/sampling/estimates'
import { assessHealth, diagnose, learningCoefficient } from '../../main/sampling/diagnostics'
import type { ChainTrace, ComponentDiagnostics } from '../../main/sampling/diagnostics'
import type { RunHealth } from '../../preload/contract'
import { smallInput } from './sampling-fake'

/** Settings that only a sampler with steps has. */
const aboutSteps = /step|burn/i

const samplerAt = (nBeta: number): PsgldConfiguration => {
  const { sampler } = smallInput({ nBeta })
  return sampler
}

const traces: readonly ChainTrace[] = [0, 1].map((chain) => ({
  component: 'mlp:1',
  chain,
  losses: Float64Array.from({ length: 40 }, (_, draw) => 4 + draw / 100 + 0.01 * Math.sin(17 * draw + chain)),
  distances: Float64Array.from({ length: 40 }, (_, draw) => (draw === 0 ? 1 : 6))
}))

/** Everything that can be found about a component's chains, at once. */
const unwell: ComponentDiagnostics = {
  component: 'mlp:1',
  splitRHat: 1.4,
  learningCoefficient: NaN,
  meanDistance: [1, 1],
  finalDistance: [1, 1],
  meanLoss: 3.9,
  reliability: 0.2,
  centredReliability: 0.1,
  lossTrace: { first: 4, last: 4, min: 4, max: 4 },
  blocks: null,
  failedChains: [{ chain: 2, draw: 1, step: 0, message: 'loss is NaN' }]
}

describe('advice on chains', () => {
  it('names steps and their size where steps are run', () => {
    const findings = assessHealth(unwell, traces, 4, samplerAt(3))
    expect(findings.map(({ kind }) => kind)).toEqual([
      'chains failed',
      'loss not above L(w*)',
      'still drifting',
      'begins at w*',
      'chains disagree',
      'mostly noise'
    ])
    for (const { message } of findings) expect(message).toMatch(aboutSteps)
    expect(finiteRemedy(smallInput())).toMatch(/stepSize.*gamma/)
  })

  it('names none of them at nβ 0, where no step is run', () => {
    const findings = assessHealth(unwell, traces, 4, samplerAt(0))
    expect(findings.map(({ kind }) => kind)).toEqual([
      'chains failed',
      'loss not above L(w*)',
      'chains disagree',
      'mostly noise'
    ])
    for (const { message } of findings) expect(message).not.toMatch(aboutSteps)
    expect(findings[0].message).toContain('a larger sampler.gamma')
    expect(findings[1].message).toContain('a smaller sampler.gamma')
    const input = smallInput({ nBeta: 0 })
    expect(finiteRemedy(input)).not.toMatch(aboutSteps)
    expect(() => checkFailures(input, [])).toThrow(/raise sampler\.gamma/)
  })
})

/** What `diagnose` says of one component whose λ̂ was stored, as earlier versions did at nβ 0 too. */
const healthAt = (method: 'psgld' | 'first-order', nBeta: number): RunHealth => ({
  run: { id: 'a', name: 'a', configuration: { sampler: { method, nBeta } } } as RunHealth['run'],
  initialLoss: 4,
  threshold: 0.5,
  findings: [],
  columns: [],
  diagnostics: [
    {
      ...unwell,
      learningCoefficient: 7.25,
      meanLoss: [4.1],
      failedChains: [],
      blocks:
        method === 'psgld'
          ? null
          : {
              rounds: 2,
              reliabilityBounds: [0.8, 0.9],
              centredReliabilityBounds: [0.8, 0.9],
              gradientCosine: 0.9,
              gradientNorm: 1,
              effectiveShare: 1,
              meanPhi: 0.1,
              phiDeviation: 0.1,
              remainder: null
            }
    }
  ]
})

describe('λ̂', () => {
  it('is nβ times the rise of the loss, and none at nβ 0', () => {
    expect(learningCoefficient(3, 0.5)).toBe(1.5)
    expect(learningCoefficient(0, 0.5)).toBeNaN()
    expect(diagnose(traces, [], 4, 0).learningCoefficient).toBeNaN()
    expect(diagnose(traces, [], 4, 3).learningCoefficient).toBeGreaterThan(0)
  })

  it.each([['psgld'], ['first-order']] as const)('is a dash in the terminal at nβ 0, which says why: %s', (method) => {
    const page = { width: 200, bold: Visible.of }
    const text = (nBeta: number): string => healthText(healthAt(method, nBeta), page).text
    expect(text(3)).toMatch(/λ̂: learning coefficient/)
    expect(text(3)).toContain('7.25')
    expect(text(0)).toMatch(/λ̂: undefined at nβ 0/)
    expect(text(0)).not.toContain('7.25')
  })
})
