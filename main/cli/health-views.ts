import type { RunHealth } from '../../preload/contract-progress'
import type { SignalPreview } from '../../preload/contract-runs'
import { contentsWords } from '../../preload/corpus-contents'
import type { DiagnosticsRecord, ReliabilityBounds } from '../../preload/records'
import { type Visible, lines as join, line } from '../base/printed'
import { type Page, paragraph } from './page'
import { renderTable } from './table'
import { figure, fixed, percent, grouped } from './text'

const chainsMean = (values: readonly number[]): number => {
  const finite = values.filter(Number.isFinite)
  return finite.reduce((sum, value) => sum + value, 0) / finite.length
}

/** λ̂; a dash at nβ = 0, where it would be 0 for every model. */
const coefficientText = (coefficient: number, nBeta: number): string => (nBeta === 0 ? '–' : figure(coefficient))

const healthRow = (diagnostics: DiagnosticsRecord, unhealthy: ReadonlySet<string>, nBeta: number): string[] => [
  diagnostics.component,
  `${figure(diagnostics.lossTrace.first, 4)} → ${figure(diagnostics.lossTrace.last, 4)}`,
  `${figure(diagnostics.lossTrace.min, 4)} … ${figure(diagnostics.lossTrace.max, 4)}`,
  fixed(diagnostics.splitRHat, 3),
  figure(chainsMean(diagnostics.finalDistance)),
  coefficientText(diagnostics.learningCoefficient, nBeta),
  fixed(diagnostics.reliability, 2),
  fixed(diagnostics.centredReliability, 2),
  unhealthy.has(diagnostics.component) ? '!' : ''
]

const chainsTable = (
  diagnostics: readonly DiagnosticsRecord[],
  unhealthy: ReadonlySet<string>,
  nBeta: number,
  page: Page
): Visible =>
  renderTable(
    [
      { title: 'component' },
      { title: 'loss, first → last', align: 'right' },
      { title: 'min … max', align: 'right' },
      { title: 'split-R̂', align: 'right' },
      { title: 'distance', align: 'right' },
      { title: 'λ̂', align: 'right' },
      { title: 'reliability', align: 'right' },
      { title: 'centred', align: 'right' },
      { title: '' }
    ],
    diagnostics.map((each) => healthRow(each, unhealthy, nBeta)),
    page.width,
    page.bold
  )

const withBounds = (value: number, [low, high]: ReliabilityBounds): string =>
  `${fixed(value, 2)} (${fixed(low, 2)} to ${fixed(high, 2)})`

const blocksTable = (
  diagnostics: readonly DiagnosticsRecord[],
  unhealthy: ReadonlySet<string>,
  nBeta: number,
  page: Page
): Visible =>
  renderTable(
    [
      { title: 'component' },
      { title: 'rounds', align: 'right' },
      { title: 'reliability', align: 'right' },
      { title: 'centred', align: 'right' },
      { title: 'cosine', align: 'right' },
      { title: '‖E∇φ‖', align: 'right' },
      { title: 'eff. share', align: 'right' },
      { title: 'φ, mean ± spread', align: 'right' },
      { title: 'λ̂', align: 'right' },
      { title: 'missed', align: 'right' },
      { title: '' }
    ],
    diagnostics.map(({ component, reliability, centredReliability, learningCoefficient, blocks }) =>
      blocks === null
        ? [component, '–', '–', '–', '–', '–', '–', '–', '–', '–', '!']
        : [
            component,
            String(blocks.rounds),
            withBounds(reliability, blocks.reliabilityBounds),
            withBounds(centredReliability, blocks.centredReliabilityBounds),
            fixed(blocks.gradientCosine, 2),
            figure(blocks.gradientNorm),
            fixed(blocks.effectiveShare, 3),
            `${figure(blocks.meanPhi)} ± ${figure(blocks.phiDeviation)}`,
            coefficientText(learningCoefficient, nBeta),
            blocks.remainder === null ? '–' : `${percent(blocks.remainder.share)} ± ${percent(blocks.remainder.error)}`,
            unhealthy.has(component) ? '!' : ''
          ]
    ),
    page.width,
    page.bold
  )

/** Describes how far the posterior is from the prior, by the smallest effective share. */
export const shareWords = (diagnostics: readonly DiagnosticsRecord[], nBeta: number): string => {
  const shares = diagnostics
    .flatMap(({ component, blocks }) => (blocks === null ? [] : [{ component, share: blocks.effectiveShare }]))
    .sort((a, b) => a.share - b.share)
  if (nBeta === 0 || shares.length === 0) return 'At nβ 0 the posterior equals the prior.'
  const [{ component, share }] = shares
  return share >= 0.98
    ? `The posterior equals the prior within ${percent(Math.max(0.01, 1 - share))}: nβ makes little difference here.`
    : `The posterior is furthest from the prior for ${component}: effective share of draws ${percent(share)}.`
}

export const healthText = ({ run, initialLoss, threshold, diagnostics, findings }: RunHealth, page: Page): Visible => {
  const { sampler } = run.configuration
  const unhealthy = new Set(findings.map(({ component }) => component))
  const isChains = sampler.method === 'psgld'
  const coefficient =
    sampler.nBeta === 0
      ? 'λ̂: undefined at nβ 0, where nβ (E[L] - L(w*)) is always 0.'
      : `λ̂: learning coefficient ${isChains ? 'nβ (E[L] - L(w*))' : 'nβ E[φ]'}.`
  const legend = isChains
    ? 'Loss: mean over chains of L at the draws. Distance: ‖u - u*‖ at the last draw. ' +
      `${coefficient} Reliability: of the column of χ̂, raw and after rows are centred as for clustering; ` +
      `below ${threshold} it is mostly noise.`
    : 'Reliability: of the column of χ̂, raw and after rows are centred as for clustering, above the first number in ' +
      `brackets with 90 % confidence; below ${threshold} it is mostly noise. Cosine: of the mean gradients of both ` +
      'halves of the draws. Effective share: of the draws, once they are weighted for nβ. φ: L - L(w*) at the ' +
      `draws. ${coefficient} Left out: variance of orders above the first, as a share of the column's, ` +
      'where it was looked at.'
  const loss = `L(w*) = ${figure(initialLoss, 4)}`
  return join(
    line`${page.bold(`Run ${run.id}`)} "${run.name}": ${loss} nats per token on the observation rows.`,
    '',
    (isChains ? chainsTable : blocksTable)(diagnostics, unhealthy, sampler.nBeta, page),
    '',
    paragraph(legend, page),
    isChains ? [] : paragraph(shareWords(diagnostics, sampler.nBeta), page),
    '',
    findings.length === 0
      ? [diagnostics.length === 0 ? 'This run was imported without diagnostics.' : 'No problems found.']
      : findings.flatMap(({ message }) => paragraph(`! ${message}`, page, '  '))
  )
}

/** Output of `preview`. */
export const signalText = ({ components, corpus, words }: SignalPreview, page: Page): Visible =>
  join(
    renderTable(
      [
        { title: 'component' },
        { title: 'rounds', align: 'right' },
        { title: 'reliability', align: 'right' },
        { title: 'at least (90 %)', align: 'right' },
        { title: 'rounds needed', align: 'right' }
      ],
      components.map(({ component, rounds, reliability, lower, roundsNeeded }) => [
        component,
        String(rounds),
        fixed(reliability, 2),
        fixed(lower, 2),
        roundsNeeded === null ? '–' : grouped(roundsNeeded)
      ]),
      page.width,
      page.bold
    ),
    '',
    corpus === null ? [] : paragraph(contentsWords(corpus), page),
    paragraph(words, page)
  )
