import type { ClusteringRecord, ClusterSummary, TokenInContext } from '../../preload/clustering-records'
import {
  clusteringWords,
  recallWords,
  stabilityWords,
  ruleWords,
  mayNotBeThere,
  groupName
} from '../../preload/clustering-words'
import type { ClusterTokens, ClusteringSummary } from '../../preload/contract-progress'
import { plural } from '../../preload/plural'
import type { ClusterList } from '../api/clusters'
import { type Visible, line, lines as join } from '../base/printed'
import { type Page, paragraph } from './page'
import { type Column, renderTable } from './table'
import {
  percent,
  visibleToken,
  grouped,
  fixed,
  figure,
  visibleText,
  clipStart,
  textWidth,
  padStart,
  padEnd,
  clip
} from './text'

const clusterLabel = (cluster: number): string => (cluster < 0 ? 'rest' : String(cluster))

export const restWords = (size: number): string => `${plural(size, 'token')} unclustered`

export const foundWords = ({ clusters, groupsAbove, leftoverSize }: ClusteringRecord, tokens: number): string => {
  const found = `${plural(clusters, 'cluster')}${groupsAbove === 0 ? '' : ` in ${plural(groupsAbove, 'group')} above`}`
  return `${found}, ${restWords(leftoverSize)} (${percent(leftoverSize / Math.max(1, tokens), 1)})`
}

/** Number and name of a clustering. */
export const clusteringHead = ({ number, name }: ClusteringRecord, page: Page): Visible =>
  line`${page.bold(`Clustering ${number}`)} "${name}"`

export const settingsText = (clustering: ClusteringRecord): string =>
  `${clusteringWords(clustering.configuration)}; ${effortWords(clustering)}; ` + clustering.ending.replace(/\.?$/, '.')

/** How much of the nearest neighbours an approximate search found. Empty for exact ones. */
export const recallLines = (clustering: ClusteringRecord, page: Page): string[] =>
  clustering.neighbourRecall === null ? [] : paragraph(`${recallWords(clustering)}.`, page, '  ')

/** Share of each level that is stable under splitting the draws. Empty if they were not split. */
export const stabilityLines = ({ stability }: ClusteringRecord, page: Page): string[] =>
  stability === null
    ? []
    : stability.levels.toReversed().flatMap((level) => paragraph(`${stabilityWords(level)}.`, page, '  '))

const effortWords = ({ configuration, attempts }: ClusteringRecord): string =>
  configuration.method === 'acl' ? `${plural(attempts, 'seed')} tried` : plural(attempts, 'partition')

const tokenWords = ({ topTokens }: ClusterSummary): string =>
  topTokens.map(({ text, count }) => `${visibleToken(text)} ${grouped(count)}`).join('  ')

const subsetWords = ({ subsets }: ClusterSummary): string => {
  const total = subsets.reduce((sum, { count }) => sum + count, 0)
  const named = subsets.filter(({ subset }) => subset !== '')
  const shares = named.slice(0, 4).map(({ subset, count }) => `${subset} ${percent(count / total)}`)
  return shares.join('  ') + (named.length > 4 ? `  +${named.length - 4}` : '')
}

/** Depth of each group in the tree of shown groups, by number. */
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

/** Stability, with a question mark if the group may be noise. */
const stabilityText = ({ stability }: ClusterSummary): string =>
  `${fixed(stability, 2)}${mayNotBeThere(stability) ? ' ?' : ''}`

/** Minimum terminal width for showing the conductance beside the stability. */
const wideEnough = 100

interface ClusterColumn {
  readonly column: Column
  readonly cell: (summary: ClusterSummary) => string
}

/** Clusters in the given order, indented below the groups above them. Columns without values are left out. */
export const clustersTable = (clusters: readonly ClusterSummary[], tokens: number, page: Page): Visible => {
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

/** Output of `clusters`. */
export const clustersText = ({ run, name, tokens, clustering, clusters }: ClusterList, page: Page): Visible =>
  join(
    line`${clusteringHead(clustering, page)} of run ${run} "${name}": ${foundWords(clustering, tokens)}.`,
    recallLines(clustering, page),
    stabilityLines(clustering, page),
    '',
    clustersTable(clusters, tokens, page)
  )

/** Width of the columns for a token's source. */
const placeWidth = 30

const sourceText = ({ subset, file, record }: TokenInContext, width: number): string => {
  const where = file === null ? '' : `${visibleText(file)}${record === null ? '' : `#${record}`}`
  const name = visibleText(subset)
  return [name, clipStart(where, Math.max(10, width - textWidth(name) - 1))].filter((part) => part !== '').join(' ')
}

const contextLine = (token: TokenInContext, sides: number, page: Page): Visible => {
  const shown = visibleToken(token.text)
  const left = padStart(clipStart(token.before.map(visibleText).join(''), sides), sides)
  const right = padEnd(clip(token.after.map(visibleText).join(''), sides), sides)
  const place = sourceText(token, page.width - 2 * sides - textWidth(shown) - 6)
  return line`${left} ${page.bold(`⟦${shown}⟧`)} ${`${right}  ${place}`.trimEnd()}`
}

/** How a group was cut from the graph, and whether it is stable. */
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

export const clusteringText = ({ run, tokens, clustering }: ClusteringSummary, page: Page): Visible =>
  join(
    line`${clusteringHead(clustering, page)} of run ${run}: ${foundWords(clustering, tokens)}.`,
    paragraph(`Clustering: ${clustering.ending.replace(/\.?$/, '.')}`, page),
    recallLines(clustering, page),
    stabilityLines(clustering, page),
    `Show it with: spectroscope show ${run} --clustering ${clustering.number}`
  )
