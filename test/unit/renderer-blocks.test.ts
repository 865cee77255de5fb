import { describe, expect, it } from 'vitest'
import {
  checkedConfiguration,
  clusteringSchema,
  presetNames,
  presets,
  samplerKeys,
  samplingMethods,
  suitClustering
} from '../../preload/contract'
import type {
  BlockDiagnostics,
  ComponentProgress,
  DiagnosticsRecord,
  PresetName,
  RunHealth
} from '../../preload/contract'
import { inLayerOrder, profileGeometry } from '../../renderer/gallery/profile-layout'
import {
  blockProgress,
  blockRows,
  blockWords,
  finalProgress,
  goalOf,
  orderedProgress,
  progressSummary,
  reliabilityText,
  remainderWords,
  shareWords,
  stateSigns
} from '../../renderer/runs/blocks'
import {
  canContinue,
  continuingProblem,
  nextTarget,
  offeredRounds,
  reachWords,
  roundsNeeded,
  roundsTaken
} from '../../renderer/runs/continuing'
import { noiseWords, sortedRows } from '../../renderer/runs/diagnostics'
import { withoutDefaults } from '../../renderer/runs/draft'
import { fallbackAt, fallbackOf, fieldAt, sections, suitedTo, typedValue, valueWords } from '../../renderer/runs/fields'
import { methodOf, presetOf, presetPurpose, withPreset, wordsForMethod } from '../../renderer/runs/methods'
import { ended, previewProgress, roundsNeededWords, shortOf } from '../../renderer/runs/signal'
import { mostlyNoiseWords, trustOf, trustWords } from '../../renderer/runs/trust'
import { placeWords } from '../../renderer/runs/words'
import { rough } from '../../renderer/ui/format'

const blocks = (changes: Partial<BlockDiagnostics> = {}): BlockDiagnostics => ({
  rounds: 4,
  reliabilityBounds: [0.7, 0.9],
  centredReliabilityBounds: [0.6, 0.85],
  gradientCosine: 0.8,
  gradientNorm: 0.01,
  effectiveShare: 0.995,
  meanPhi: 0.002,
  phiDeviation: 0.001,
  remainder: null,
  ...changes
})
const diagnostics = (component: string, changes: Partial<DiagnosticsRecord> = {}): DiagnosticsRecord => ({
  component,
  splitRHat: null,
  learningCoefficient: 0.006,
  meanDistance: [],
  finalDistance: [],
  meanLoss: [],
  reliability: 0.8,
  centredReliability: 0.75,
  lossTrace: { first: NaN, last: NaN, min: NaN, max: NaN },
  failedChains: [],
  blocks: blocks(),
  ...changes
})
const health = (each: readonly DiagnosticsRecord[], sampler: object = { preset: 'first-order' }): RunHealth => {
  const { configuration } = checkedConfiguration({ model: 'm', rows: 'r', sampler })
  return {
    run: { configuration } as RunHealth['run'],
    initialLoss: 4,
    threshold: 0.5,
    diagnostics: each,
    findings: [],
    columns: []
  }
}

describe('settings that are a number or a word', () => {
  it('are numbers with something that may stand in their place', () => {
    expect(fieldAt('sampler.pairs')).toMatchObject({
      kind: 'integer',
      instead: 'auto',
      range: '1 to 1,000,000',
      unit: 'pairs'
    })
    expect(fieldAt('sampler.targetReliability')).toMatchObject({ kind: 'number', instead: false, range: '> 0, < 1' })
    expect(fieldAt('sampler.targetReliability').words).toContain('“off”')
    expect(fieldAt('clustering.neighbours')).toMatchObject({
      kind: 'integer',
      instead: 'auto',
      fallback: 'auto',
      range: '2 to 10,000'
    })
    expect(fieldAt('clustering.whiten')).toMatchObject({ kind: 'choice', choices: ['auto', 'true', 'false'] })
    expect(fieldAt('sampler.remainderDraws').range).toBe('0 to 1,000,000, a multiple of 4')
    expect(fieldAt('sampler.draws').instead).toBeUndefined()
  })

  it('are read from what is typed or chosen, and said in words', () => {
    const [pairs, target, whiten] = ['sampler.pairs', 'sampler.targetReliability', 'clustering.whiten'].map(fieldAt)
    expect([
      typedValue(pairs, ' AUTO '),
      typedValue(pairs, '12'),
      typedValue(pairs, 'some'),
      typedValue(pairs, '')
    ]).toEqual(['auto', 12, 'some', undefined])
    expect([
      typedValue(target, 'off'),
      typedValue(target, 'false'),
      typedValue(target, '0.9'),
      typedValue(target, 'auto')
    ]).toEqual([false, false, 0.9, 'auto'])
    expect([typedValue(whiten, 'true'), typedValue(whiten, 'false'), typedValue(whiten, 'auto')]).toEqual([
      true,
      false,
      'auto'
    ])
    expect([
      valueWords(target, false),
      valueWords(whiten, false),
      valueWords(pairs, 'auto'),
      valueWords(fieldAt('sampler.stepSize'), 1e-5)
    ]).toEqual(['off', 'no', 'auto', '1e-5'])
  })

  it('take their defaults from the preset, clustering with them', () => {
    expect(fallbackOf(fieldAt('sampler.rounds'), 'quick')).toBe(presets.quick.rounds)
    expect(fallbackOf(fieldAt('sampler.rounds'), undefined)).toBe(presets['first-order'].rounds)
    expect(fallbackOf(fieldAt('sampler.rounds'), 'paper')).toBeUndefined()
    expect(fallbackOf(fieldAt('sampler.method'), 'all-orders')).toBe('gradient')
    expect(fallbackOf(fieldAt('clustering.neighbours'), 'quick')).toBe('auto')
    expect([
      fallbackOf(fieldAt('clustering.neighbours'), 'paper'),
      fallbackOf(fieldAt('clustering.whiten'), 'paper')
    ]).toEqual([45, false])
  })

  it('know what "auto" comes to for so many tokens', () => {
    for (const tokens of [1000, 60_000]) {
      const { neighbours, minSize, whiten } = suitClustering(clusteringSchema.parse({}), tokens)
      expect(suitedTo(tokens)).toEqual({ neighbours, minSize, whiten })
    }
  })

  it('of a whole run come down to what a person changed', () => {
    for (const preset of presetNames) {
      const { configuration } = checkedConfiguration({ model: 'm', rows: 'r', sampler: { preset, gamma: 100 } })
      const bare = withoutDefaults({ ...configuration }, (path) => fallbackAt(path, preset))
      expect(bare).toEqual({
        model: 'm',
        rows: 'r',
        sampler: { ...(preset === 'first-order' ? {} : { preset }), gamma: 100 }
      })
    }
  })
})

describe('methods and presets', () => {
  it('have each a purpose, and a field for every key', () => {
    expect(Object.keys(presetPurpose)).toEqual(presetNames)
    const known = sections.sampler.map(({ key }) => key)
    for (const method of samplingMethods) expect(samplerKeys(method).filter((key) => !known.includes(key))).toEqual([])
  })

  it('are known from a draft', () => {
    expect([presetOf({}), methodOf({})]).toEqual(['first-order', 'first-order'])
    expect([presetOf({ sampler: { method: 'psgld' } }), methodOf({ sampler: { preset: 'all-orders' } })]).toEqual([
      'paper',
      'gradient'
    ])
    expect(presetOf({ sampler: { preset: 'none' } })).toBe('first-order')
  })

  it('drop settings of another method, and keep what is common', () => {
    const draft = { model: 'm', sampler: { preset: 'paper', chains: 8, gamma: 100, stepSize: 1e-4 }, seed: 2 }
    expect(withPreset(draft, 'first-order')).toEqual({
      draft: { model: 'm', sampler: { gamma: 100 }, seed: 2 },
      dropped: ['chains', 'stepSize']
    })
    expect(withPreset({ sampler: { rounds: 4 } }, 'quick')).toEqual({
      draft: { sampler: { preset: 'quick', rounds: 4 } },
      dropped: []
    })
    expect(withPreset({ model: 'm', sampler: { method: 'gradient', draws: 8 } }, 'paper').draft).toEqual({
      model: 'm',
      sampler: { preset: 'paper', draws: 8 }
    })
    expect(withPreset({ model: 'm', sampler: { preset: 'quick' } }, 'first-order').draft).toEqual({ model: 'm' })
  })

  it.each(presetNames)('give a right configuration for %s from any other', (to: PresetName) => {
    for (const from of presetNames) {
      const given = { model: 'm', rows: 'r', sampler: { ...presets[from], preset: from } }
      expect(checkedConfiguration(withPreset(given, to).draft).issues, `${from} to ${to}`).toEqual([])
    }
  })

  it('have words without those of other methods', () => {
    const words = 'psgld: draws per chain; gradient: maximum draws, a multiple of four'
    expect([
      wordsForMethod(words, 'psgld'),
      wordsForMethod(words, 'gradient'),
      wordsForMethod(words, 'first-order')
    ]).toEqual(['draws per chain', 'maximum draws, a multiple of four', ''])
    expect(wordsForMethod('first-order and gradient: a; b', 'gradient')).toBe('a; b')
    expect(wordsForMethod('strength of the pull; more', 'psgld')).toBe('strength of the pull; more')
  })
})

describe('a run in rounds, at work', () => {
  const progress = (
    component: string,
    rounds: number,
    reliability: number | null,
    lower: number | null,
    done: boolean
  ): ComponentProgress => ({ component, rounds, reliability, lower, done })
  const all = [
    progress('a', 3, 0.9, 0.82, true),
    progress('b', 16, 0.6, 0.4, true),
    progress('c', 3, 0.7, 0.6, false),
    progress('d', 0, null, null, false),
    progress('e', 2, null, null, true)
  ]

  it('tells states apart by word and sign', () => {
    const rows = blockProgress(all, 0.8)
    expect(rows.map(({ state }) => state)).toEqual(['done', 'stopped', 'sampling', 'waiting', 'failed'])
    expect(new Set(rows.map(({ state }) => stateSigns[state])).size).toBe(5)
    expect(blockProgress(all, null)[1].state).toBe('done')
    expect(progressSummary(rows)).toBe('1 of 5 done, 1 stopped below the target, 1 failed, lowest b at 0.60')
    expect(progressSummary(blockProgress([all[3]], 0.8))).toBe('0 of 1 done')
    expect(blockWords(rows[0])).toBe('a: reliability 0.90, at least 0.82 with 90 % confidence; 3 rounds; done')
    expect(blockWords(rows[3])).toBe('d: waiting')
  })

  it('can be read from the least reliable up', () => {
    const rows = blockProgress(all, 0.8)
    expect(orderedProgress(rows, 'reliability').map(({ component }) => component)).toEqual(['d', 'e', 'b', 'c', 'a'])
    expect(orderedProgress(rows, 'model')).toBe(rows)
  })

  it('says its round, not the component that is at work', () => {
    expect(
      placeWords({ stage: 'sample', done: 0.1, total: 1, unit: '', component: 'mlp:0', round: 3, rounds: 16 })
    ).toBe('round 3 of at most 16')
    expect(placeWords({ stage: 'sample', done: 1, total: 1, unit: '', round: 17, rounds: 16 })).toBe(
      'round 16 of at most 16'
    )
  })

  it('ends with what diagnostics say', () => {
    const rows = finalProgress(
      health([diagnostics('a'), diagnostics('b', { blocks: null, reliability: NaN }), diagnostics('full')])
    )
    expect(rows).toEqual([progress('a', 4, 0.8, 0.7, true), progress('b', 0, null, null, true)])
  })

  it('knows its goal', () => {
    expect(goalOf(health([]).run.configuration.sampler)).toEqual({ target: 0.8, rounds: 16 })
    expect(
      goalOf(health([], { preset: 'all-orders', draws: 8, targetReliability: false }).run.configuration.sampler)
    ).toEqual({ target: null, rounds: 2 })
    expect(goalOf(health([], { preset: 'paper' }).run.configuration.sampler)).toBeNull()
  })
})

describe('diagnostics of a run in rounds', () => {
  it('are rows with intervals, without λ̂ at nβ 0', () => {
    const [row] = blockRows(health([diagnostics('a')]))
    expect(row).toMatchObject({
      bounds: [0.7, 0.9],
      centredBounds: [0.6, 0.85],
      rounds: 4,
      learningCoefficient: 0.006,
      remainderShare: null,
      noisy: false,
      failed: false,
      far: false
    })
    expect(blockRows(health([diagnostics('a')], { preset: 'quick' }))[0].learningCoefficient).toBeNull()
    expect(
      blockRows(health([diagnostics('a', { blocks: null, reliability: NaN, centredReliability: NaN })]))[0]
    ).toMatchObject({ failed: true, noisy: true, rounds: null })
  })

  it('are sorted by any column', () => {
    const rows = blockRows(
      health([
        diagnostics('a', { blocks: blocks({ rounds: 9 }) }),
        diagnostics('b', { blocks: null }),
        diagnostics('c')
      ])
    )
    expect(sortedRows(rows, 'rounds', true).map(({ component }) => component)).toEqual(['a', 'c', 'b'])
    expect(sortedRows(rows, 'rounds', false).map(({ component }) => component)).toEqual(['c', 'a', 'b'])
  })

  it('say how far the posterior is from the prior', () => {
    const words = (shares: readonly number[], nBeta = 3): string | undefined =>
      shareWords(
        blockRows(
          health(
            shares.map((effectiveShare, index) => diagnostics(`c${index}`, { blocks: blocks({ effectiveShare }) }))
          )
        ),
        nBeta
      )?.words
    expect(words([0.999, 0.981])).toBe('The posterior equals the prior within 2 %: nβ makes no difference here.')
    expect(words([1, 1])).toBe('The posterior equals the prior within 1 %: nβ makes no difference here.')
    expect(words([0.9, 0.5])).toMatch(/the effective share of draws is 50 % to 90 %/)
    expect(words([0.9, 0.29])).toMatch(/^The effective share of c1 is below 0.3: its weighted .* pSGLD/)
    expect(words([0.9, 0.29, 0.1])).toMatch(/c1 and c2 is below 0.3: their/)
    expect(words(Array.from({ length: 12 }, () => 0.1))).toMatch(/c7 and 4 more/)
    expect(words([1], 0)).toMatch(/nβ is 0/)
    expect(words([])).toBeUndefined()
  })

  it('say what first order leaves out, where it was looked at', () => {
    const rows = blockRows(
      health([
        diagnostics('a', { blocks: blocks({ remainder: { draws: 16, share: 0.031, error: 0.012 } }) }),
        diagnostics('b', { blocks: blocks({ remainder: { draws: 16, share: -0.01, error: 0.01 } }) }),
        diagnostics('c')
      ])
    )
    expect(remainderWords(rows)).toBe(
      'First order misses at most 3 % ± 1 % of a column’s variance (a, the largest of 2 tested).'
    )
    expect(remainderWords(blockRows(health([diagnostics('a')])))).toBeNull()
  })

  it('leave advice to the findings', () => {
    expect(noiseWords(health([diagnostics('a'), diagnostics('b', { reliability: 0.1 })]))).toMatch(
      /1 of 2 columns are mostly noise .*: b\..*advice below\.$/
    )
    expect(noiseWords(health([diagnostics('b', { reliability: 0.1 })]))).toMatch(/See the advice below\.$/)
  })

  it('show reliabilities with two decimals', () => {
    expect([0.057, -0.2, null, NaN, 1].map(reliabilityText)).toEqual(['0.06', '−0.20', '–', '–', '1.00'])
  })
})

describe('trust in columns', () => {
  it('is the lower of both reliabilities', () => {
    const trust = trustOf(
      health([
        diagnostics('a'),
        diagnostics('b', { centredReliability: 0.3 }),
        diagnostics('c', { reliability: NaN }),
        diagnostics('full')
      ])
    )
    expect([...trust.keys()]).toEqual(['a', 'b', 'c'])
    expect([...trust.values()].map(({ least, noisy }) => [least, noisy])).toEqual([
      [0.75, false],
      [0.3, true],
      [0, true]
    ])
    expect(trustWords(trust.get('b')!)).toBe('reliability 0.80, centred 0.30, mostly noise')
  })

  it('is said in a line where more than half are noise', () => {
    const noise = diagnostics('n', { reliability: 0.1 })
    const words = (each: readonly DiagnosticsRecord[]): string | null =>
      mostlyNoiseWords(trustOf(health(each.map((one, index) => ({ ...one, component: String(index) })))), 0.5)
    expect(words([noise, noise, diagnostics('a')])).toBe('Most columns are mostly noise: 2 of 3 below 0.5')
    expect(words([noise, diagnostics('a')])).toBeNull()
    expect(words([])).toBeNull()
  })

  it('dims bars of a profile, and marks them', () => {
    const columns = inLayerOrder(['head:0.0', 'head:0.1', 'mlp:0'])
    const shape = { columns, values: [1, -1, 1], width: 60, height: 40 }
    const plain = profileGeometry(shape)
    expect([plain.signs, plain.reliable, plain.dimPositive]).toEqual([[], '', ''])
    const known = profileGeometry({
      ...shape,
      trust: trustOf(health([diagnostics('head:0.0'), diagnostics('head:0.1', { reliability: 0.1 })]))
    })
    expect(known.signs).toEqual([30])
    expect(known.negative).toBe('')
    expect(known.dimNegative).toBe(plain.negative)
    expect(known.positive).toBe(plain.positive)
    expect([known.reliable.split('M').length, known.unreliable.split('M').length]).toEqual([2, 2])
  })
})

describe('a preview of the signal', () => {
  it('shows how far it is, and never that it is done before it is', () => {
    expect(previewProgress(12.7, 30)).toEqual({ fraction: 12.7 / 30, words: '12 s of about 30 s' })
    expect(previewProgress(45, 30)).toEqual({ fraction: 0.97, words: '45 s, almost done' })
  })

  it('says what components need beside what the run takes', () => {
    expect([
      roundsNeededWords(null, 16),
      roundsNeededWords(7, 16),
      roundsNeededWords(40, 16),
      roundsNeededWords(Infinity, 16),
      roundsNeededWords(40, null)
    ]).toEqual(['–', '7', '40 ▲', 'not yet known', '40'])
    const component = (roundsNeeded: number | null) => ({
      component: 'a',
      rounds: 2,
      reliability: 0.5,
      lower: 0.3,
      roundsNeeded
    })
    expect(
      shortOf(
        {
          seconds: 30,
          components: [component(4), component(40), component(null)],
          secondsForRun: 60,
          corpus: null,
          remainder: null,
          words: ''
        },
        16
      )
    ).toBe(1)
    expect([ended('It works'), ended('It works.'), ended(' Does it? ')]).toEqual(['It works.', 'It works.', 'Does it?'])
  })

  it('gives times as roughly as they are known', () => {
    expect([rough(0.2), rough(40), rough(250), rough(3569), rough(3575), rough(null)]).toEqual([
      '1 s',
      '40 s',
      '4 min',
      '59 min',
      '1 h 0 min',
      '–'
    ])
  })
})

describe('continuing a run', () => {
  it('takes a finished run with its sums', () => {
    expect(canContinue({ status: 'finished', keptSums: 10, queued: false })).toBe(true)
    expect(canContinue({ status: 'finished', keptSums: null, queued: false })).toBe(false)
    expect(canContinue({ status: 'interrupted', keptSums: 10, queued: false })).toBe(false)
    expect(canContinue({ status: 'finished', keptSums: 10, queued: true })).toBe(false)
  })

  it('offers a higher target and rounds that are likely to reach it', () => {
    expect([nextTarget(0.8), nextTarget(0.6), nextTarget(null), nextTarget(0.99)]).toEqual([0.9, 0.8, 0.9, 0.99])
    const run = health([
      diagnostics('a', { reliability: 0.85, blocks: blocks({ rounds: 4, reliabilityBounds: [0.8, 0.9] }) }),
      diagnostics('b', { reliability: 0.6, blocks: blocks({ rounds: 16, reliabilityBounds: [0.5, 0.7] }) }),
      diagnostics('c', { reliability: 0, blocks: blocks({ rounds: 16, reliabilityBounds: [-0.2, 0.2] }) }),
      diagnostics('d', { blocks: null })
    ])
    expect(roundsTaken(run)).toBe(16)
    expect(roundsNeeded(run, 0.9)).toEqual([9, 144, Infinity])
    expect(offeredRounds(run, 0.9)).toBe(256)
    expect(offeredRounds(health([diagnostics('a')]), 0.9)).toBe(32)
    expect(reachWords([9, 144, Infinity], 64)).toBe(
      'Likely enough for 1 of 3 components. The last needs about 144 rounds.'
    )
    expect(reachWords([9, 144, Infinity], 200)).toBe('Likely enough for 2 of 3 components.')
    expect(reachWords([9, 14], 16)).toBe('Likely enough for all 2 components; the last needs 14 rounds.')
  })

  it('says what cannot be asked for', () => {
    const had = { target: 0.8, taken: 16 }
    expect(continuingProblem({ reliability: 0.9, rounds: 16 }, had)).toBeNull()
    expect(continuingProblem({ reliability: 0.7, rounds: 32 }, had)).toBeNull()
    expect(continuingProblem({ rounds: 32 }, had)).toBeNull()
    expect(continuingProblem({ reliability: 0.8, rounds: 16 }, had)).toMatch(/took 16 rounds and aimed at 0.8/)
    expect(continuingProblem({ reliability: 1.2, rounds: 32 }, had)).toMatch(/between 0 and 1/)
    expect(continuingProblem({ rounds: 16 }, had)).toMatch(/Enter more/)
    expect(continuingProblem({ rounds: 8 }, had)).toMatch(/at least as many/)
    expect(continuingProblem({ rounds: 1.5 }, had)).toMatch(/whole number/)
  })
})
