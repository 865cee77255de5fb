import { ruleWords } from '../../preload/clustering-words'
import type { ClusterDetails, PatternCount } from '../../preload/contract-explore'
import { patternWords } from '../../preload/contract-explore'
import { plural } from '../../preload/plural'
import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber, ClusterSummary, RuleRecord } from '../../preload/records'
import { visibleToken } from '../../preload/visible'
import { html, joined, newline, nothing } from './html'
import type { Html } from './html'
import { coloursOf, mapOverlay, mapSvg } from './map'
import { titleOf } from './names'
import { reportGenerator } from './output'
import { provenance } from './report'
import { aboveOf, contextItem, labelHtml, sharePercent, stabilityHtml } from './report-cluster'
import type { Report } from './report-cluster'
import { figureWords, grouped, profileSvg, tokenHtml } from './report-parts'
import { selectionsHtml } from './report-selections'

/** Only files of the site itself; `file:` because browsers do not count opened files as one origin. */
const policy =
  "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; base-uri 'none'; " +
  "form-action 'none'"

export const pageNameOf = (cluster: ClusterNumber): string =>
  `${cluster === leftoverCluster ? 'unclustered' : String(cluster)}.html`

interface Page {
  readonly title: string
  /** Path of the site's root from the page: `` or `../`. */
  readonly root: string
  readonly kind: 'index' | 'cluster'
  readonly bar: Html
  readonly body: Html
}

const page = ({ title, root, kind, bar, body }: Page): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">${reportGenerator}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<link rel="stylesheet" href="${root}assets/site.css"><script src="${root}assets/theme.js"></script>
</head><body class="${kind}" data-root="${root}">
<header class="bar">${bar}
<button type="button" id="theme" aria-label="Switch between light and dark">◐</button></header>
${body}
<script src="${root}assets/site.js"></script>
</body></html>\n`.markup

const titleHtml = (report: Report, summary: ClusterSummary): Html => {
  const { text, given } = titleOf(report, summary)
  return given ? html`<b dir="auto">${text}</b>` : html`<span dir="auto">${text}</span>`
}

const chips = (texts: readonly string[]): Html =>
  joined(
    texts.map((text) => html`<span class="token" dir="auto">${tokenHtml(text)}</span>`),
    ' '
  )

const levelOf = ({ cluster, kind }: ClusterSummary): string =>
  cluster === leftoverCluster ? kind : `${kind} ${cluster}`

// ── The index ──

const qualityOf = ({ precision, recall }: RuleRecord): string => `${sharePercent(precision)} / ${sharePercent(recall)}`

const ruleCell = ({ rule }: ClusterSummary): Html =>
  rule === null ? nothing : html`${ruleWords(rule.conditions)} <span class="soft">${qualityOf(rule)}</span>`

interface Column {
  readonly title: string
  readonly help: string
  readonly isNumber: boolean
  /** What rows are sorted by. */
  readonly key: (summary: ClusterSummary) => string | number
  readonly cell: (summary: ClusterSummary) => Html | string
}

const columnsOf = (report: Report): Column[] => {
  const { summaries } = report
  const colours = coloursOf(report)
  const name = (summary: ClusterSummary): Html => {
    const swatch = html`<i class="swatch ${colours.get(summary.cluster) ?? 'none'}"></i>`
    const href = `clusters/${pageNameOf(summary.cluster)}`
    const level = html`<span class="soft">${levelOf(summary)}</span>`
    return html`${swatch}<a href="${href}">${titleHtml(report, summary)}</a> ${level}`
  }
  const shown = (wanted: boolean, column: Column): Column[] => (wanted ? [column] : [])
  return [
    {
      title: 'Cluster',
      help: 'Its name, or what its tokens have in common',
      isNumber: false,
      key: (summary) => titleOf(report, summary).text,
      cell: name
    },
    {
      title: 'Tokens',
      help: 'How many tokens are in it',
      isNumber: true,
      key: ({ size }) => size,
      cell: ({ size }) => grouped(size)
    },
    {
      title: 'Conductance',
      help: 'Share of its edges that lead out; low is well separated',
      isNumber: true,
      key: ({ conductance }) => conductance ?? 2,
      cell: ({ conductance }) => figureWords(conductance)
    },
    ...shown(
      summaries.some(({ stability }) => stability !== null),
      {
        title: 'Stability',
        help: 'How much of it comes out again from half of the draws; below 0.5 it may be noise',
        isNumber: true,
        key: ({ stability }) => stability ?? -1,
        cell: ({ stability }) => stabilityHtml(stability)
      }
    ),
    ...shown(
      summaries.some(({ rule }) => rule !== null),
      {
        title: 'Best rule',
        help: 'What predicts it best; precision / recall',
        isNumber: false,
        key: ({ rule }) => rule?.f1 ?? -1,
        cell: ruleCell
      }
    ),
    {
      title: 'Top tokens',
      help: 'Its most frequent tokens',
      isNumber: false,
      key: ({ topTokens }) => visibleToken(topTokens.at(0)?.text ?? ''),
      cell: ({ topTokens }) => chips(topTokens.slice(0, 6).map(({ text }) => text))
    }
  ]
}

const tableHtml = (report: Report): Html => {
  const columns = columnsOf(report)
  const head = columns.map(({ title, help, isNumber }) => {
    const numeric = isNumber ? html` class="number"` : nothing
    return html`<th${numeric} scope="col"><button type="button" title="${help}">${title}</button></th>`
  })
  const rows = report.summaries.map((summary) => {
    const cells = columns.map(({ isNumber, key, cell }) => {
      const numeric = isNumber ? html` class="number"` : nothing
      return html`<td${numeric} data-key="${key(summary)}">${cell(summary)}</td>`
    })
    return html`<tr data-cluster="${summary.cluster}" data-kind="${summary.kind}">${cells}</tr>`
  })
  return html`<table id="clusters"><thead><tr>${head}</tr></thead><tbody>
${joined(rows, newline)}
</tbody></table>`
}

/** "173 clusters, 15 of them stable, 12 labelled" */
const countsOf = ({ summaries, said }: Report): string => {
  const clusters = summaries.filter(({ kind }) => kind === 'cluster')
  const stable = clusters.filter(({ stability }) => stability !== null && stability >= 0.5).length
  const labelled = clusters.filter(({ cluster }) => said.get(cluster)?.status === 'labelled').length
  const known = clusters.some(({ stability }) => stability !== null)
  return [
    plural(clusters.length, 'cluster'),
    ...(known ? [`${grouped(stable)} stable`] : []),
    `${grouped(labelled)} labelled`
  ].join(', ')
}

const levelsHtml = ({ summaries }: Report): Html => {
  const kinds = ['cluster', 'neighbourhood', 'region'].filter((kind) =>
    summaries.some((summary) => summary.kind === kind)
  )
  if (kinds.length < 2) return nothing
  const choices = ['all', ...kinds].map((kind) => {
    const words = kind === 'all' ? 'All' : `${kind[0].toUpperCase()}${kind.slice(1)}s`
    return html`<button type="button" data-level="${kind}" aria-pressed="false">${words}</button>`
  })
  return html`<div class="levels" role="group" aria-label="Level">${choices}</div>`
}

const linkFromIndex = (report: Report, summary: ClusterSummary): Html =>
  html`<a href="clusters/${pageNameOf(summary.cluster)}">${titleHtml(report, summary)}</a>`

/** The page with all clusters: the map, a table to sort, and a search over names, tokens and contexts. */
export const indexPage = (report: Report): string => {
  const { run } = report
  const map = mapSvg(report, (cluster) => `clusters/${pageNameOf(cluster)}`)
  const figure = map === undefined ? nothing : html`<figure>${map}</figure>`
  const search = html`<input type="search" id="search" placeholder="Search names, tokens and contexts  ( / )"
aria-label="Search names, tokens and contexts" autocomplete="off" spellcheck="false">`
  const selections = selectionsHtml(report, (summary) => linkFromIndex(report, summary))
  const body = html`<main>
<section class="intro"><h1 dir="auto">${run.name}</h1>
<p class="lead">What a language model tells apart: ${grouped(run.tokens)} tokens, grouped by how
${plural(run.components.length, 'part')} of <b>${run.configuration.model.split(/[\\/]/).at(-1) ?? ''}</b> respond to each of
them. ${countsOf(report)}.</p></section>
${figure}
<div class="tools">${search}${levelsHtml(report)}<span id="found" role="status" class="soft"></span></div>
${tableHtml(report)}
${selections}<section id="contexts" hidden><h2>In context</h2><ul class="gallery"></ul></section>
<details><summary>How this was measured</summary>${provenance(report)}</details>
</main>`
  return page({ title: run.name, root: '', kind: 'index', bar: html`<span class="brand">Spectroscope</span>`, body })
}

// ── A cluster ──

const shareBar = (share: number): Html => {
  const length = Math.round(1000 * Math.max(0, Math.min(1, share))) / 10
  const box = html`viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"`
  return html`<svg class="share" ${box}><rect width="${length}" height="6"/></svg>`
}

const listed = (title: string, rows: readonly Html[], note = ''): Html => {
  if (rows.length === 0) return nothing
  const noted = note === '' ? nothing : html` <span class="soft">${note}</span>`
  return html`<section><h2>${title}${noted}</h2><ul class="bars">${rows}</ul></section>\n`
}

const row = (share: number, what: Html, count: Html | string): Html =>
  html`<li>${shareBar(share)}<span class="what">${what}</span><span class="number">${count}</span></li>`

const times = (lift: number): string => `×${figureWords(lift)}`

/** Those that say most first: frequent here, and rare elsewhere. */
const telling = (patterns: readonly PatternCount[]): PatternCount[] => {
  const weight = ({ count, lift }: PatternCount): number => count * Math.log2(Math.max(0.5, lift) + 1)
  return patterns
    .filter(({ count }) => count > 0)
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, 6)
}

const tile = (value: Html | string, words: string): Html =>
  html`<div class="tile"><b>${value}</b><span>${words}</span></div>`

const tilesHtml = ({ size, distinctTokens, conductance, stability }: ClusterSummary): Html =>
  html`<div class="tiles">${[
    tile(grouped(size), 'tokens'),
    tile(grouped(distinctTokens), 'distinct'),
    ...(conductance === null ? [] : [tile(figureWords(conductance), 'conductance')]),
    ...(stability === null ? [] : [tile(stabilityHtml(stability), 'stability')])
  ]}</div>`

const ruleHtml = ({ rule, uncaught }: ClusterSummary): Html => {
  if (rule === null) return nothing
  const quality =
    `precision ${sharePercent(rule.precision)}, recall ${sharePercent(rule.recall)}, ` +
    ` ${plural(uncaught ?? 0, 'exception')}`
  const words = ruleWords(rule.conditions)
  return html`<p class="rule">A token that <b>${words}</b> <span class="soft">${quality}</span></p>`
}

const linkTo = (report: Report, summary: ClusterSummary): Html =>
  html`<a href="${pageNameOf(summary.cluster)}">${titleHtml(report, summary)}</a>`

const besideHtml = (report: Report, summary: ClusterSummary, details: ClusterDetails): Html => {
  const { shown, tree, moments, run, reliabilities } = report
  const top = summary.topTokens.slice(0, 14)
  const most = Math.max(1, ...top.map(({ count }) => count))
  const own = moments.groups.get(summary.cluster)
  const below = summary.cluster === leftoverCluster ? [] : tree.childrenOf(summary.cluster)
  const parts = below
    .flatMap((child) => shown.get(child) ?? [])
    .sort((a, b) => b.size - a.size || a.cluster - b.cluster)
  const near = details.nearest.slice(0, 8).flatMap(({ cluster, share }) => {
    const other = shown.get(cluster)
    return other === undefined ? [] : [row(share, linkTo(report, other), sharePercent(share))]
  })
  const where = mapOverlay(
    report,
    tree.nodes.length > summary.cluster && summary.cluster >= 0 ? tree.clustersOf(summary.cluster) : [-1]
  )
  const colour = coloursOf(report).get(summary.cluster) ?? 'none'
  const locator =
    where === undefined
      ? nothing
      : html`<figure class="locator ${colour}"><img src="../assets/map.svg" alt="">${where}</figure>`
  const profile =
    own === undefined
      ? nothing
      : html`<section><h2>Profile of χ
<span class="soft">standard deviations; left: expression, right: suppression</span></h2>
${profileSvg(run.components, own, moments.columns, reliabilities)}</section>\n`
  return html`${locator}
${listed(
  'Top tokens',
  top.map(({ text, count, lift }) =>
    row(count / most, html`${chips([text])} <span class="soft">${times(lift)}</span>`, grouped(count))
  ),
  'count, and how much more frequent than elsewhere'
)}${listed(
    'Patterns',
    telling(details.patterns).map(({ pattern, count, lift }) =>
      row(
        count / summary.size,
        html`${patternWords[pattern]} <span class="soft">${times(lift)}</span>`,
        sharePercent(count / summary.size)
      )
    )
  )}${listed(
    'Subsets',
    summary.subsets
      .slice(0, 8)
      .map(({ subset, count, lift }) =>
        row(
          count / summary.size,
          html`${subset === '' ? 'none' : subset} <span class="soft">${times(lift)}</span>`,
          sharePercent(count / summary.size)
        )
      )
  )}${listed(
    'Made of',
    parts.map((part) => row(part.size / summary.size, linkTo(report, part), grouped(part.size)))
  )}${listed('Nearest', near, 'share of edges that lead there')}${listed(
    'Rules',
    details.rules
      .slice(1, 6)
      .map(({ conditions, precision, recall, f1 }) =>
        row(f1, html`${ruleWords(conditions)}`, `${sharePercent(precision)} / ${sharePercent(recall)}`)
      ),
    'precision / recall'
  )}${profile}`
}

/** Titles of the pages before and after a group, in the order of the index. */
const turnHtml = (report: Report, at: number): Html => {
  const link = (which: 'prev' | 'next', sign: string): Html => {
    const other = report.summaries.at(which === 'prev' ? (at === 0 ? report.summaries.length : at - 1) : at + 1)
    if (other === undefined) return nothing
    const title = titleOf(report, other).text
    return html`<a rel="${which}" href="${pageNameOf(other.cluster)}" title="${title}">${sign}</a>`
  }
  return html`<nav class="turn" aria-label="Clusters">${link('prev', '←')}${link('next', '→')}</nav>`
}

/** The page of the group at a place of the report's list. */
export const clusterPage = (report: Report, at: number, details: ClusterDetails): string => {
  const summary = report.summaries[at]
  const { cluster } = summary
  const title = titleOf(report, summary).text
  const annotation = report.annotations.get(`cluster:${cluster}`)
  const merged = [...report.annotations.values()].find(({ clusters }) => clusters?.includes(cluster))
  const others = (merged?.clusters ?? []).flatMap((other) => (other === cluster ? [] : (report.shown.get(other) ?? [])))
  const mergedHtml =
    others.length === 0
      ? nothing
      : html`<p>Merged with ${joined(
          others.map((other) => linkTo(report, other)),
          ', '
        )}</p>${labelHtml(merged)}`
  const crumbs = [
    html`<a href="../index.html" rel="up">All clusters</a>`,
    ...aboveOf(report, summary).map((above) => linkTo(report, above))
  ]
  const contexts = (report.central.get(cluster) ?? []).map((token) => contextItem(report, token))
  const body = html`<main>
<nav class="crumbs" aria-label="Groups above">${joined(crumbs, ' › ')}</nav>
<h1 dir="auto">${title} <span class="soft">${levelOf(summary)}</span></h1>
${labelHtml(annotation)}${mergedHtml}
${tilesHtml(summary)}${ruleHtml(summary)}
<div class="columns"><section><h2>Tokens in context <span class="soft">nearest to the mean first</span></h2>
<ul class="gallery">
${joined(contexts, newline)}
</ul></section>
<aside>
${besideHtml(report, summary, details)}</aside></div>
</main>`
  const bar = html`<a class="brand" href="../index.html" dir="auto">${report.run.name}</a>${turnHtml(report, at)}`
  return page({ title: `${title}: ${report.run.name}`, root: '../', kind: 'cluster', bar, body })
}
