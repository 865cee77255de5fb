import { clusteringWords, groupName, mayNotBeThere, ruleWords, stabilityWords } from '../../preload/clustering-words'
import { samplerWords } from '../../preload/configuration'
import { contentsWords } from '../../preload/contract'
import { plural } from '../../preload/plural'
import type {
  ClusteringSummary,
  ClusterTokens,
  EngineRate,
  RunDetails,
  RunHealth,
  RunSummary,
  SignalPreview
} from '../../preload/contract'
import type {
  ClusteringRecord,
  ClusterSummary,
  DiagnosticsRecord,
  ReliabilityBounds,
  RunRecord,
  TokenInContext
} from '../../preload/records'
import type { ClusterList } from '../api/clusters'
import { line, lines as join, type Visible } from '../base/printed'
import { renderTable, type Column } from './table'
import {
  clip,
  clipStart,
  duration,
  figure,
  fixed,
  grouped,
  padEnd,
  padStart,
  percent,
  textWidth,
  visibleText,
  visibleToken,
  wrap
} from './text'

/** Where text goes: its width in columns (Infinity where it is no terminal), and how to make it stand out there. */
export interface Page {
  readonly width: number
  readonly bold: (text: string) => Visible
}

const paragraph = (text: string, { width }: Page, indent = ''): string[] =>
  width === Infinity ? [text] : wrap(visibleText(text), width, indent)

const clusterLabel = (cluster: number): string => (cluster < 0 ? 'rest' : String(cluster))

const restWords = (size: number): string => `${plural(size, 'token')} unclustered`

const foundWords = ({ clusters, groupsAbove, leftoverSize }: ClusteringRecord, tokens: number): string => {
  const found = `${plural(clusters, 'cluster')}${groupsAbove === 0 ? '' : ` in ${plural(groupsAbove, 'group')} above`}`
  return `${found}, ${restWords(leftoverSize)} (${percent(leftoverSize / Math.max(1, tokens), 1)})`
}

/** A clustering by its number and name. */
const clusteringHead = ({ number, name }: ClusteringRecord, page: Page): Visible =>
  line`${page.bold(`Clustering ${number}`)} "${name}"`

const settingsText = (clustering: ClusteringRecord): string =>
  `${clusteringWords(clustering.configuration)}; ${effortWords(clustering)}; ${clustering.ending.replace(/\.?$/, '.')}`

/** How much of each level recurs when the draws are split; nothing where they were not. */
const stabilityLines = ({ stability }: ClusteringRecord, page: Page): string[] =>
  stability === null
    ? []
    : stability.levels.toReversed().flatMap((level) => paragraph(`${stabilityWords(level)}.`, page, '  '))

const effortWords = ({ configuration, attempts }: ClusteringRecord): string =>
  configuration.method === 'acl' ? `${plural(attempts, 'seed')} tried` : plural(attempts, 'partition')

const summaryHead = ({ run, name, status, seconds }: RunSummary, page: Page): Visible => {
  const total = Object.values(seconds).reduce((sum, each) => sum + each, 0)
  return line`${page.bold(`Run ${run}`)} "${name}" is ${status}, after ${duration(total)} of work.`
}

/** What `run`, `resume` and `demo` say at the end. */
export const summaryText = (summary: RunSummary, page: Page): Visible => {
  const { tokens, components, clusters, unclustered, ending, failedChains, noisyComponents } = summary
  const found = clusters === null ? 'not clustered' : `${plural(clusters, 'cluster')}, ${restWords(unclustered ?? 0)}`
  return join(
    summaryHead(summary, page),
    `${plural(tokens, 'token')} × ${plural(components, 'component')}; ${found}.`,
    ending === null ? [] : paragraph(`Clustering: ${ending.replace(/\.?$/, '.')}`, page),
    failedChains.length === 0
      ? []
      : ['Chains that ended early:', ...failedChains.flatMap((sentence) => paragraph(`  ${sentence}`, page, '    '))],
    noisyComponents.length === 0
      ? []
      : paragraph(`Mostly noise (see \`spectroscope diagnose\`): ${noisyComponents.join(', ')}.`, page)
  )
}

const when = (time: string | null): string => (time === null ? '–' : time.slice(0, 16).replace('T', ' '))

export const runsText = (runs: readonly RunRecord[], page: Page): Visible =>
  runs.length === 0
    ? line`No runs in this workspace.`
    : renderTable(
        [
          { title: 'run' },
          { title: 'name', flexible: true },
          { title: 'status' },
          { title: 'created (UTC)' },
          { title: 'tokens', align: 'right' },
          { title: 'components', align: 'right' },
          { title: 'clusters', align: 'right' },
          { title: 'clusterings', align: 'right' }
        ],
        runs.map(({ id, name, status, stage, provenance, createdAt, tokens, components, clusterings }) => [
          id,
          `${name}${provenance.imported === undefined ? '' : ' (imported)'}`,
          status === 'interrupted' && stage !== null
            ? `${provenance.engineLost ? 'device lost' : 'interrupted'} (${stage})`
            : status,
          when(createdAt),
          grouped(tokens),
          components.length === 0 ? '–' : String(components.length),
          clusterings.length === 0 ? '–' : String(clusterings[clusterings.length - 1].clusters),
          String(clusterings.length)
        ]),
        page.width,
        page.bold
      )

const tokenWords = ({ topTokens }: ClusterSummary): string =>
  topTokens.map(({ text, count }) => `${visibleToken(text)} ${grouped(count)}`).join('  ')

const subsetWords = ({ subsets }: ClusterSummary): string => {
  const total = subsets.reduce((sum, { count }) => sum + count, 0)
  const named = subsets.filter(({ subset }) => subset !== '')
  const shares = named.slice(0, 4).map(({ subset, count }) => `${subset} ${percent(count / total)}`)
  return shares.join('  ') + (named.length > 4 ? `  +${named.length - 4}` : '')
}

/** Groups above each cluster that are shown, by its number. */
const depthsOf = (clusters: readonly ClusterSummary[]): ReadonlyMap<number, number> => {
  const parents = new Map(clusters.map(({ cluster, parent }) => [cluster, parent]))
  const depthOf = (cluster: number): number => {
    const parent = parents.get(cluster) ?? null
    return parent === null ? 0 : depthOf(parent) + Number(parents.has(parent))
  }
  return new Map(clusters.map(({ cluster }) => [cluster, depthOf(cluster)]))
}

const ruleText = ({ rule }: ClusterSummary): string => {
  if (rule === null) return ''
  const quality = `recall ${percent(rule.recall)}, precision ${percent(rule.precision)}`
  return `${ruleWords(rule.conditions)} (${quality})`
}

/** Stability in figures, with a question mark where the group may be noise. */
const stabilityText = ({ stability }: ClusterSummary): string =>
  `${fixed(stability, 2)}${mayNotBeThere(stability) ? ' ?' : ''}`

/** Columns of a terminal from which on there is room for the conductance beside the stability. */
const wideEnough = 100

interface ClusterColumn {
  readonly column: Column
  readonly cell: (summary: ClusterSummary) => string
}

/**
 * Clusters in the order given, those in a group above set in below it. Columns that say nothing of any of them are
 * left out.
 */
const clustersTable = (clusters: readonly ClusterSummary[], tokens: number, page: Page): Visible => {
  const depths = depthsOf(clusters)
  const hasTree = clusters.some(({ kind }) => kind === 'region' || kind === 'neighbourhood')
  const isSplit = clusters.some(({ stability }) => stability !== null)
  const levelOf = ({ kind }: ClusterSummary): string => (kind === 'main body' ? 'unclustered' : kind)
  const cut = (each: ClusterSummary): string =>
    each.conductance === null ? (hasTree ? '–' : levelOf(each)) : figure(each.conductance)
  const hasRules = clusters.some(({ rule }) => rule !== null)
  const optional = (wanted: boolean, ...columns: readonly ClusterColumn[]): readonly ClusterColumn[] =>
    wanted ? columns : []
  const columns: readonly ClusterColumn[] = [
    {
      column: { title: 'cluster', align: hasTree ? 'left' : 'right' },
      cell: ({ cluster }) => `${'  '.repeat(depths.get(cluster) ?? 0)}${clusterLabel(cluster)}`
    },
    ...optional(hasTree, { column: { title: 'level', flexible: true }, cell: levelOf }),
    { column: { title: 'size', align: 'right' }, cell: ({ size }) => grouped(size) },
    { column: { title: 'share', align: 'right' }, cell: ({ size }) => percent(size / Math.max(1, tokens), 1) },
    ...optional(isSplit, { column: { title: 'stability', align: 'right' }, cell: stabilityText }),
    ...optional(!isSplit || page.width >= wideEnough, { column: { title: 'conductance', align: 'right' }, cell: cut }),
    ...optional(hasRules, { column: { title: 'best rule', flexible: true }, cell: ruleText }),
    { column: { title: 'top tokens', flexible: true }, cell: tokenWords },
    { column: { title: 'subsets', flexible: true }, cell: subsetWords }
  ]
  const rows = clusters.map((summary) => columns.map(({ cell }) => cell(summary)))
  const marked = clusters.some(({ stability }) => mayNotBeThere(stability))
  const legend = marked ? paragraph('?: stability below 0.5; the group may be noise.', page) : []
  return join(
    renderTable(
      columns.map(({ column }) => column),
      rows,
      page.width,
      page.bold
    ),
    legend
  )
}

const configurationWords = ({ configuration, baseFolder, provenance }: RunRecord): string[] => {
  const { sampler, model, seed } = configuration
  const { engine, enginesBefore = [] } = provenance
  const engineWords =
    engine === undefined
      ? configuration.engine
      : `${engine.name} ${engine.version}, ${engine.precision}, ${engine.device}`
  return [
    `Model ${model} (from ${baseFolder}), seed ${seed}, engine ${engineWords}.`,
    ...enginesBefore.map(({ name, device, until }) => `Until ${when(until)} UTC on ${name} (${device}).`),
    ...(provenance.corpus === undefined ? [] : [contentsWords(provenance.corpus)]),
    `Sampler: ${sampler.preset} preset: ${samplerWords(sampler)}.`
  ]
}

export const detailsText = ({ run, summary, next, clustering, clusters }: RunDetails, page: Page): Visible => {
  const others = run.clusterings.filter(({ number }) => number !== clustering?.number)
  return join(
    summaryHead(summary, page),
    configurationWords(run).flatMap((line) => paragraph(line, page)),
    run.error === null ? [] : paragraph(`It stopped with: ${run.error}`, page),
    next === null ? [] : [`Next stage: ${next}; resume with: spectroscope resume ${run.id}`],
    summary.failedChains.map((sentence) => `Chain ended early: ${sentence}`),
    summary.noisyComponents.length === 0
      ? []
      : paragraph(`Mostly noise: ${summary.noisyComponents.join(', ')} (see spectroscope diagnose).`, page),
    clustering === null
      ? ['', `${plural(run.tokens, 'token')}, not clustered.`]
      : [
          '',
          line`${clusteringHead(clustering, page)}: ${foundWords(clustering, run.tokens)}.`,
          ...paragraph(settingsText(clustering), page),
          ...stabilityLines(clustering, page),
          '',
          clustersTable(clusters, run.tokens, page)
        ],
    others.length === 0
      ? []
      : [
          '',
          'Other clusterings (--clustering N):',
          ...others.map((each) => `  ${each.number}  "${each.name}": ${foundWords(each, run.tokens)}`)
        ]
  )
}

/** The text of `clusters`. */
export const clustersText = ({ run, name, tokens, clustering, clusters }: ClusterList, page: Page): Visible =>
  join(
    line`${clusteringHead(clustering, page)} of run ${run} "${name}": ${foundWords(clustering, tokens)}.`,
    stabilityLines(clustering, page),
    '',
    clustersTable(clusters, tokens, page)
  )

/** Columns for where a token comes from. */
const placeWidth = 30

const placeOf = ({ subset, file, record }: TokenInContext, width: number): string => {
  const where = file === null ? '' : `${visibleText(file)}${record === null ? '' : `#${record}`}`
  const name = visibleText(subset)
  return [name, clipStart(where, Math.max(10, width - textWidth(name) - 1))].filter((part) => part !== '').join(' ')
}

const contextLine = (token: TokenInContext, sides: number, page: Page): Visible => {
  const shown = visibleToken(token.text)
  const left = padStart(clipStart(token.before.map(visibleText).join(''), sides), sides)
  const right = padEnd(clip(token.after.map(visibleText).join(''), sides), sides)
  const place = placeOf(token, page.width - 2 * sides - textWidth(shown) - 6)
  return line`${left} ${page.bold(`⟦${shown}⟧`)} ${`${right}  ${place}`.trimEnd()}`
}

/** How a group was cut from the graph, and whether it recurs. */
const cutWords = ({ conductance, conductanceWhenCut, seed, stability }: ClusterSummary): string => {
  const doubt = mayNotBeThere(stability) ? ' (may be noise)' : ''
  const before = conductanceWhenCut === null ? '' : ` (${figure(conductanceWhenCut)} when cut)`
  return [
    ...(conductance === null ? [] : [`, conductance ${figure(conductance)}${before}`]),
    ...(seed === null ? [] : [`, seed ${seed}`]),
    ...(stability === null ? [] : [`, stability ${fixed(stability, 2)}${doubt}`])
  ].join('')
}

const countWords = (text: string, count: number, lift: number): string => `${text} ${grouped(count)} (×${figure(lift)})`

export const clusterText = ({ run, summary, tokens }: ClusterTokens, page: Page): Visible => {
  const widest = tokens.reduce((most, { text }) => Math.max(most, textWidth(visibleToken(text))), 0)
  const sides =
    page.width === Infinity
      ? 60
      : Math.max(10, Math.min(60, Math.floor((page.width - Math.min(widest, 20) - placeWidth) / 2)))
  const { cluster, kind, parent, size, distinctTokens, topTokens, subsets, rule, uncaught } = summary
  const name = page.bold(groupName(kind, cluster))
  const sizes = `${plural(size, 'token')}, ${plural(distinctTokens, 'distinct one')}`
  const tokensNamed = topTokens.map(({ text, count, lift }) => countWords(visibleToken(text), count, lift))
  const subsetsNamed = subsets.map(({ subset, count, lift }) => countWords(subset, count, lift))
  const above = parent === null ? '' : `, in group ${parent}`
  const exceptions = uncaught === null ? '' : `; ${plural(uncaught, 'token')} missed by the best rule`
  return join(
    line`${name} of run ${run}: ${sizes}${above}${cutWords(summary)}.`,
    paragraph(`Top tokens: ${tokensNamed.join('  ')}`, page, '  '),
    subsets.every(({ subset }) => subset === '') ? [] : paragraph(`Subsets: ${subsetsNamed.join('  ')}`, page, '  '),
    rule === null ? [] : paragraph(`Best rule: a token that ${ruleText(summary)}${exceptions}.`, page, '  '),
    '',
    tokens.map((token) => contextLine(token, sides, page)),
    tokens.length < size
      ? [`… ${plural(tokens.length, 'token')} of ${grouped(size)} shown; use --limit and --offset for more.`]
      : []
  )
}

const chainsMean = (values: readonly number[]): number => {
  const finite = values.filter(Number.isFinite)
  return finite.reduce((sum, value) => sum + value, 0) / finite.length
}

/** λ̂; none at nβ 0, where it would be 0 whatever the model. */
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

/** How far the posterior is from the prior, by the least effective share. */
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
      ? ['No problems found.']
      : findings.flatMap(({ message }) => paragraph(`! ${message}`, page, '  '))
  )
}

/** What `preview` says. */
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

export const clusteringText = ({ run, tokens, clustering }: ClusteringSummary, page: Page): Visible =>
  join(
    line`${clusteringHead(clustering, page)} of run ${run}: ${foundWords(clustering, tokens)}.`,
    paragraph(`Clustering: ${clustering.ending.replace(/\.?$/, '.')}`, page),
    stabilityLines(clustering, page),
    `Show it with: spectroscope show ${run} --clustering ${clustering.number}`
  )

export const enginesText = (engines: readonly EngineRate[], page: Page): Visible =>
  join(
    renderTable(
      [
        { title: 'engine' },
        { title: 'precision' },
        { title: 'version' },
        { title: 'tokens/s', align: 'right' },
        { title: 'GFLOP/s', align: 'right' },
        { title: 'device', flexible: true }
      ],
      engines.map(({ name, precision, version, tokensPerSecond, gigaflopsPerSecond, device, available }) => [
        name,
        precision,
        version,
        available ? grouped(tokensPerSecond ?? 0) : '–',
        available ? figure(gigaflopsPerSecond) : '–',
        device
      ]),
      page.width,
      page.bold
    ),
    engines.flatMap(({ name, remedy }) => (remedy === null ? [] : paragraph(`${name}: ${remedy}`, page, '  '))),
    '',
    paragraph(
      "Rates are one thread's, measured now on gradient steps of a small transformer (width 128, vocabulary 4,096); a run uses all threads.",
      page
    )
  )
