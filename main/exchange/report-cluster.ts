import {
  type ClusteringRecord,
  type ClusterNumber,
  type ClusterSummary,
  leftoverCluster
} from '../../preload/clustering-records'
import { groupName, mayNotBeThere, ruleWords } from '../../preload/clustering-words'
import type { AnnotationTarget, Annotation, Label } from '../../preload/contract-annotations'
import { type Said, quoted } from '../../preload/labels'
import type { RunRecord } from '../../preload/records'
import type { GroupTree } from '../base/group-tree'
import type { ClusterEntry, SelectionDetails } from '../../preload/contract-explore'
import type { StudyTexts } from './contexts'
import type { MapPlaces } from './map-places'
import { type Html, html, nothing, joined, newline } from './html'
import type { MatrixMoments } from './moments'
import { figureWords, tokenHtml, grouped, contextHtml, profileSvg } from './report-parts'

const aroundTokens = 24

export const shownTopTokens = 16

/** A named selection and what its tokens have in common. */
export interface ReportSelection {
  readonly annotation: Annotation
  readonly tokens: readonly number[]
  readonly details: SelectionDetails
}

export interface Report {
  readonly run: RunRecord
  readonly clustering: ClusteringRecord
  readonly selection: readonly ClusterNumber[] | null
  readonly tree: GroupTree
  /**
   * In tree order: each group is followed by those below it; siblings are sorted by size, unclustered tokens come
   * last.
   */
  readonly summaries: readonly ClusterSummary[]
  /** The summaries by number. */
  readonly shown: ReadonlyMap<ClusterNumber, ClusterSummary>
  readonly annotations: ReadonlyMap<AnnotationTarget, Annotation>
  readonly said: ReadonlyMap<ClusterNumber, Said>
  readonly moments: MatrixMoments
  /** Reliability of each column, in order; NaN if unknown. */
  readonly reliabilities: readonly number[]
  readonly central: ReadonlyMap<ClusterNumber, readonly number[]>
  readonly texts: StudyTexts
  /** What the window lists of each group. */
  readonly entries: ReadonlyMap<ClusterNumber, ClusterEntry>
  /** Undefined where neither tokens nor clusters have places. */
  readonly map: MapPlaces | undefined
  readonly selections: readonly ReportSelection[]
  readonly picture: string | undefined
  readonly program: string
}

const own = ({ cluster, kind }: ClusterSummary): string => groupName(kind, cluster)

/** Name given by a person to the cluster or to the merge that contains it, or else the cluster's own. */
export const nameOf = (report: Report, summary: ClusterSummary): string => {
  const name = report.said.get(summary.cluster)?.name ?? ''
  return name === '' ? own(summary) : name
}

export const entry = (term: string, description: Html | string): Html => html`<dt>${term}</dt><dd>${description}</dd>`

export const time = (iso: string): Html =>
  html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`

/** Stability as a number, marked in words if the group may be noise. */
export const stabilityHtml = (stability: number | null): Html => {
  const doubt = mayNotBeThere(stability) ? html` <span class="label">may be noise</span>` : nothing
  return html`${figureWords(stability)}${doubt}`
}

export const sharePercent = (share: number): string => `${(100 * share).toFixed(0)} %`

/** The best rule in words, with its recall and precision; nothing if there is no rule. */
export const ruleHtml = ({ rule }: Pick<ClusterSummary, 'rule'>): Html => {
  if (rule === null) return nothing
  const quality = `recall ${sharePercent(rule.recall)}, precision ${sharePercent(rule.precision)}`
  return html`${ruleWords(rule.conditions)} <span class="soft">${quality}</span>`
}

const statusHtml = ({ status, confidence, tags, blindTest }: Label): Html[] =>
  [
    status,
    ...(confidence === null ? [] : [`${confidence} confidence`]),
    ...(blindTest === null ? [] : [`blind test: ${blindTest.right} of ${blindTest.of}`]),
    ...tags
  ].map((words) => html`<span class="label">${words}</span>`)

export const labelHtml = (annotation: Annotation | undefined): Html => {
  if (annotation === undefined) return nothing
  const { author, changedAt, note } = annotation
  const by = html`<span class="soft">${author}, ${time(changedAt)}</span>`
  const noteLines = joined(note.split(/\r\n|\r|\n/), newline)
  return html`<p>${statusHtml(annotation)}${by}</p>${note === '' ? nothing : html`<p class="note">${noteLines}</p>`}`
}

export const topTokensHtml = ({ topTokens }: Pick<ClusterSummary, 'topTokens'>, most: number): Html =>
  joined(
    topTokens.slice(0, most).map(({ text, count, lift }) => {
      const token = html`<span class="token">${tokenHtml(text)}</span>`
      return html`<span>${token} ${grouped(count)} <span class="soft">×${figureWords(lift)}</span></span>`
    }),
    ' '
  )

/** Shown groups above a group, largest first. */
export const aboveOf = ({ tree, shown }: Report, { cluster }: ClusterSummary): ClusterSummary[] =>
  tree
    .pathOf(cluster)
    .slice(1)
    .reverse()
    .flatMap((group) => shown.get(group) ?? [])

export const contextItem = ({ texts }: Report, token: number): Html => {
  const { text, before, after } = texts.around(token, aroundTokens)
  const document = texts.documentOf(token)
  const where = [texts.subsetOf(token), document === undefined ? '' : `${document.file}:${document.record}`]
  const place = html`<span class="place">${where.filter((part) => part !== '').join(', ')}</span>`
  const own = html`<mark>${tokenHtml(text)}</mark>`
  return html`<li>${place}<span class="context">${contextHtml(before)}${own}${contextHtml(after)}</span></li>`
}

/** Links to the groups that contain a group and to those it contains. */
const placeHtml = (report: Report, summary: ClusterSummary): Html => {
  const link = (other: ClusterSummary): Html => html`<a href="#cluster${other.cluster}">${nameOf(report, other)}</a>`
  const above = aboveOf(report, summary)
  const children = summary.cluster === leftoverCluster ? [] : report.tree.childrenOf(summary.cluster)
  const below = children
    .flatMap((child) => report.shown.get(child) ?? [])
    .sort((a, b) => b.size - a.size || a.cluster - b.cluster)
  const parts = joined(
    below.map((other) => html`<span>${link(other)} ${grouped(other.size)}</span>`),
    ' '
  )
  const within = above.length === 0 ? nothing : html`<p class="soft">In ${joined(above.map(link), ' › ')}</p>\n`
  return html`${within}${below.length === 0 ? nothing : html`<h3>Made of</h3><p class="tokens">${parts}</p>\n`}`
}

/** The other clusters in a cluster's merge, and the merge's annotation. */
const mergedHtml = (report: Report, { cluster }: ClusterSummary, merge: Annotation | undefined): Html => {
  if (merge === undefined) return nothing
  const others = (merge.clusters ?? [])
    .filter((other) => other !== cluster)
    .map((other) => {
      const shown = report.shown.get(other)
      const name = `cluster ${other}`
      return shown === undefined ? name : html`<a href="#cluster${other}">${name}</a>`
    })
  return html`<p class="soft">Merged with ${joined(others, ', ')}</p>\n${labelHtml(merge)}`
}

const figuresHtml = ({ size, distinctTokens, conductance, stability }: ClusterSummary): Html =>
  joined(
    [
      `${grouped(size)} tokens`,
      `${grouped(distinctTokens)} distinct`,
      ...(conductance === null ? [] : [`conductance ${figureWords(conductance)}`]),
      ...(stability === null ? [] : [html`stability ${stabilityHtml(stability)}`])
    ],
    ', '
  )

const subsetsHtml = ({ subsets }: ClusterSummary): Html =>
  joined(
    subsets.slice(0, 8).map(({ subset, count, lift }) => {
      const name = subset === '' ? 'none' : subset
      return html`<span>${name} ${grouped(count)} <span class="soft">×${figureWords(lift)}</span></span>`
    }),
    ' '
  )

const profileTitle =
  'Mean χ per component (standard deviations; left: expression, right: suppression; ' +
  'line: spread within the cluster)'

const profileHtml = (report: Report, { cluster }: ClusterSummary): Html => {
  const moments = report.moments.groups.get(cluster)
  if (moments === undefined) return nothing
  const profile = profileSvg(report.run.components, moments, report.moments.columns, report.reliabilities)
  return html`<h3>${profileTitle}</h3>${profile}`
}

export const clusterSection = (report: Report, summary: ClusterSummary): Html => {
  const { cluster, rule, uncaught } = summary
  const annotation = report.annotations.get(`cluster:${cluster}`)
  const central = report.central.get(cluster) ?? []
  const name = nameOf(report, summary)
  const ownName = annotation?.name ?? ''
  const besides = [
    ...(name === own(summary) ? [] : [own(summary)]),
    ...(ownName === '' || ownName === name ? [] : [quoted(ownName)])
  ].join(', ')
  const merged = [...report.annotations.values()].find(({ clusters }) => clusters?.includes(cluster))
  const ruleText = html`${ruleHtml(summary)}; ${grouped(uncaught ?? 0)} tokens missed`
  const best = rule === null ? nothing : html`<h3>Best rule</h3><p>A token that ${ruleText}</p>\n`
  const beside = besides === '' ? nothing : html` <span class="soft">${besides}</span>`
  const labels = html`${labelHtml(annotation)}${mergedHtml(report, summary, merged)}`
  const top = topTokensHtml(summary, shownTopTokens)
  return html`<section id="cluster${cluster}"><h2>${name}${beside}</h2>
${placeHtml(report, summary)}${labels}<p>${figuresHtml(summary)}</p>
${best}<h3>Top tokens (count, lift over the study)</h3><p class="tokens">${top}</p>
<h3>Subsets</h3><p class="tokens">${subsetsHtml(summary)}</p>
${profileHtml(report, summary)}
<h3>Tokens nearest to the mean</h3><ul class="gallery">
${joined(
  central.map((token) => contextItem(report, token)),
  newline
)}
</ul></section>
`
}
