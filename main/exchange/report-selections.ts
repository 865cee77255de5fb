import type { Annotation } from '../../preload/contract-annotations'
import { isSelection, parseTarget } from '../../preload/label-rules'
import { plural } from '../../preload/plural'
import type { ClusterNumber, ClusterSummary } from '../../preload/records'
import type { Workspace } from '../store/store'
import { html, joined, newline, nothing } from './html'
import type { Html } from './html'
import { contextItem, labelHtml, ruleHtml, shownTopTokens, topTokensHtml } from './report-cluster'
import type { Report, ReportSelection } from './report-cluster'
import { grouped } from './report-parts'

const shownContexts = 8
const shownParts = 12

/** Selections of which all tokens are in the groups that are shown. */
export const readSelections = async (
  workspace: Workspace,
  run: string,
  clustering: number,
  annotations: readonly Annotation[],
  membership: Int32Array,
  isShown: (cluster: ClusterNumber) => boolean
): Promise<ReportSelection[]> => {
  const found: ReportSelection[] = []
  for (const annotation of annotations) {
    const { target, tokens = [] } = annotation
    if (!isSelection(target) || !tokens.every((token) => isShown(membership[token]))) continue
    const details = await workspace.getSelectionDetails(run, clustering, Int32Array.from(tokens))
    found.push({ annotation, tokens, details })
  }
  return found
}

/** Tokens at even distances, at most so many. */
const spread = (tokens: readonly number[], most: number): number[] =>
  tokens.length <= most
    ? [...tokens]
    : Array.from({ length: most }, (_, at) => tokens[Math.floor((at * tokens.length) / most)])

const selectionHtml = (
  report: Report,
  { annotation, tokens, details }: ReportSelection,
  link: (summary: ClusterSummary) => Html
): Html => {
  const { number } = parseTarget(annotation.target)
  const named = annotation.name === '' ? `Selection ${number}` : annotation.name
  const parts = details.parts.slice(0, shownParts).flatMap(({ cluster, count }) => {
    const summary = report.shown.get(cluster)
    return summary === undefined ? [] : [html`<span>${link(summary)} ${grouped(count)}</span>`]
  })
  const [rule = null] = details.rules
  const best = rule === null ? nothing : html`<p>A token that ${ruleHtml({ rule })}</p>\n`
  const contexts = spread(tokens, shownContexts).map((token) => contextItem(report, token))
  const { size, distinctTokens } = details.entry
  return html`<section id="selection${number}"><h3 dir="auto">${named}</h3>
${labelHtml(annotation)}<p>${plural(size, 'token')}, ${grouped(distinctTokens)} distinct</p>
${best}<p class="tokens">${topTokensHtml(details, shownTopTokens)}</p>
<p class="tokens"><span class="soft">In</span> ${joined(parts, ' ')}</p>
<ul class="gallery">
${joined(contexts, newline)}
</ul></section>`
}

/** All shown selections, with links to the clusters that their tokens are in; nothing if there are none. */
export const selectionsHtml = (report: Report, link: (summary: ClusterSummary) => Html): Html =>
  report.selections.length === 0
    ? nothing
    : html`<section id="selections"><h2>Selections <span class="soft">named sets of tokens from any clusters</span></h2>
${joined(
  report.selections.map((one) => selectionHtml(report, one, link)),
  newline
)}</section>\n`
