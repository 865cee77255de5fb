import { dirname, resolve } from 'node:path'
import { clusteringWords, recallWords, stabilityWords } from '../../preload/clustering-words'
import { samplingWords } from '../../preload/sampling-words'
import { corpusWords } from '../../preload/corpus-contents'
import { SpectroscopeError } from '../../preload/errors'
import { countStatuses } from '../../preload/labels'
import { plural } from '../../preload/plural'
import type { ClusteringRecord, ClusterSummary } from '../../preload/records'
import { makeFolder, writeIdentified } from '../base/files'
import type { FileIdentity } from '../base/files'
import { parseTarget } from '../../preload/label-rules'
import { reliabilityThreshold } from '../sampling/diagnostics'
import type { Workspace } from '../store/store'
import { html, joined, newline, nothing } from './html'
import type { Html } from './html'
import { readReport } from './report-source'
import { mapSvg } from './map'
import { refuseToReplace, reportGenerator } from './output'
import type { Overwrite } from './output'
import { figureWords, grouped, tokenHtml } from './report-parts'
import { selectionsHtml } from './report-selections'
import { reportStyle } from './report-style'
import type { Selection } from './selection'
import {
  type Report,
  entry,
  time,
  aboveOf,
  nameOf,
  stabilityHtml,
  ruleHtml,
  labelHtml,
  clusterSection
} from './report-cluster'

export interface ReportOptions {
  readonly file: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly overwrite?: Overwrite
  /** The current view of the graph, as a data URL of a PNG or SVG. */
  readonly picture?: string
  readonly program: string
}

/** A sentence on how much of the columns is signal. */
const signalWords = ({ run, reliabilities }: Report): string => {
  const known = reliabilities.filter(Number.isFinite).sort((a, b) => a - b)
  if (known.length === 0) return 'reliability of the columns is not known'
  const noisy = run.components.filter((_, column) => reliabilities[column] < reliabilityThreshold)
  const [least, median, most] = [0, Math.floor(known.length / 2), known.length - 1].map((at) => known[at].toFixed(2))
  const range = `reliability of the columns ${least} to ${most}, median ${median}`
  return noisy.length === 0 ? range : `${range}; mostly noise (below ${reliabilityThreshold}): ${noisy.join(', ')}`
}

/** How stable each level is when the draws are split. */
const stabilityEntries = ({ stability }: ClusteringRecord): Html[] => {
  if (stability === null) return []
  const levels = joined(stability.levels.map(stabilityWords), html`<br>`)
  const splits = `${plural(stability.splits, 'split')} of the draws`
  return [entry('Stability', html`${levels} <span class="soft">(${splits})</span>`)]
}

/** "5 of 60 clusters are labelled, 2 are unsure" */
const labelWords = ({ annotations, clustering: { clusters } }: Report): string => {
  const { labelled = 0, unsure = 0 } = countStatuses(annotations.values(), clusters)
  const doubtful = unsure === 0 ? '' : `, ${grouped(unsure)} unsure`
  return `${grouped(labelled)} of ${plural(clusters, 'cluster')} labelled${doubtful}`
}

/** What was measured, how, and by what, as a list of terms. */
export const provenance = (report: Report): Html => {
  const { run, clustering, program } = report
  const { configuration, provenance: known } = run
  const { modelHash, tokenizerHash, studyHash, engine, platform, imported, foreign, corpus } = known
  const hash = (text: string | undefined): Html => html`${text === undefined ? 'unknown' : html`<code>${text}</code>`}`
  const { id, createdAt } = imported?.run ?? run
  const weights = configuration.weights === undefined ? '' : `, ${configuration.weights}`
  const computer =
    engine === undefined
      ? []
      : [engine.name, engine.version, engine.device, engine.precision, platform ?? ''].filter((part) => part !== '')
  return html`<dl>${[
    entry('Run', html`${run.name} <span class="soft">${id}, ${time(createdAt)}</span>`),
    entry('Model', `${configuration.model}${weights}`),
    entry('Model hash', hash(modelHash)),
    entry('Tokenizer hash', hash(tokenizerHash)),
    entry('Row hash', hash(studyHash)),
    ...(corpus === undefined ? [] : [entry('Corpus', corpusWords(corpus))]),
    entry('Measured', `${grouped(run.tokens)} tokens × ${run.components.length} components`),
    entry('Sampling', samplingWords(run)),
    ...(foreign === undefined ? [] : [entry('Imported', `${foreign.kind}. ${foreign.notes.join(' ')}`)]),
    ...(computer.length === 0 ? [] : [entry('Computed by', computer.join(', '))]),
    entry(
      'Clustering',
      html`${clustering.name} <span class="soft">(${clusteringWords(clustering.configuration)})</span>`
    ),
    ...(clustering.neighbourRecall === null ? [] : [entry('Neighbours', recallWords(clustering))]),
    ...stabilityEntries(clustering),
    entry('Labels', labelWords(report)),
    entry('Signal', signalWords(report)),
    entry('Written by', html`${program}, ${time(new Date().toISOString())}`)
  ]}</dl>`
}

interface ContentsColumn {
  readonly title: string
  readonly isNumber?: boolean
  readonly cell: (summary: ClusterSummary) => Html | string
}

/** Columns of the table of contents, without those that are empty for all clusters. */
const contentsColumns = (report: Report): ContentsColumn[] => {
  const { summaries, said } = report
  const when = (wanted: boolean, ...columns: ContentsColumn[]): ContentsColumn[] => (wanted ? columns : [])
  const name = (summary: ClusterSummary): Html => {
    const depth = aboveOf(report, summary).length
    const indent = depth === 0 ? nothing : html` class="depth${depth}"`
    return html`<a${indent} href="#cluster${summary.cluster}">${nameOf(report, summary)}</a>`
  }
  const tokens = ({ topTokens }: ClusterSummary): Html =>
    joined(
      topTokens.slice(0, 5).map(({ text }) => html`<span class="token">${tokenHtml(text)}</span>`),
      ' '
    )
  return [
    { title: 'no.', isNumber: true, cell: ({ cluster }) => (cluster < 0 ? '' : String(cluster)) },
    ...when(
      summaries.some((summary) => aboveOf(report, summary).length > 0),
      { title: 'level', cell: ({ kind }) => kind }
    ),
    { title: 'cluster', cell: name },
    { title: 'status', cell: ({ cluster }) => said.get(cluster)?.status ?? '' },
    { title: 'tokens', isNumber: true, cell: ({ size }) => grouped(size) },
    { title: 'conductance', isNumber: true, cell: ({ conductance }) => figureWords(conductance) },
    ...when(
      summaries.some(({ stability }) => stability !== null),
      { title: 'stability', isNumber: true, cell: ({ stability }) => stabilityHtml(stability) }
    ),
    ...when(
      summaries.some(({ rule }) => rule !== null),
      { title: 'best rule', cell: ruleHtml }
    ),
    { title: 'top tokens', cell: tokens }
  ]
}

const contents = (report: Report): Html => {
  const columns = contentsColumns(report)
  const cells = (of: (column: ContentsColumn) => Html | string): Html[] =>
    columns.map((column) => html`<td${column.isNumber === true ? html` class="number"` : nothing}>${of(column)}</td>`)
  const head = columns.map(
    ({ title, isNumber }) => html`<th${isNumber === true ? html` class="number"` : nothing}>${title}</th>`
  )
  const rows = joined(
    report.summaries.map((summary) => html`<tr>${cells(({ cell }) => cell(summary))}</tr>`),
    newline
  )
  const table = html`<table><thead><tr>${head}</tr></thead><tbody>\n${rows}\n</tbody></table>`
  return html`<nav aria-label="Clusters">${table}</nav>`
}

/** Merges that include a shown cluster, and parts of one. */
const groupsHtml = (report: Report): Html => {
  const shown = new Set(report.summaries.map(({ cluster }) => cluster))
  const link = (cluster: number): Html | string => {
    if (!shown.has(cluster)) return String(cluster)
    return html`<a href="#cluster${cluster}">${cluster < 0 ? 'unclustered tokens' : cluster}</a>`
  }
  const groups = [...report.annotations.values()].flatMap((annotation) => {
    const { target, name, clusters, cluster, tokens } = annotation
    const { kind } = parseTarget(target)
    const titled = (plain: string, what: Html): Html =>
      html`<h3>${name === '' ? plain : `${name}: ${plain.toLowerCase()}`} ${what}</h3>${labelHtml(annotation)}`
    if (kind === 'merge' && clusters?.some((one) => shown.has(one)) === true) {
      return [titled('Merge', html`of clusters ${joined(clusters.map(link), ', ')}`)]
    }
    if (kind === 'part' && cluster !== undefined && shown.has(cluster)) {
      const count = tokens?.length ?? 0
      const words = plural(count, 'token')
      return [titled('Part', html`of cluster ${link(cluster)}, ${words}`)]
    }
    return []
  })
  if (groups.length === 0) return nothing
  return html`<section><h2>Merges and parts</h2>${joined(groups, newline)}</section>\n`
}

/** All shown clusters on a map that is fitted to them; each is a link to its section. */
const mapHtml = (report: Report): Html => {
  const map = mapSvg(report, (cluster) => `#cluster${cluster}`)
  return map === undefined ? nothing : html`<figure>${map}</figure>\n`
}

const reliabilityHtml = ({ run, reliabilities }: Report): Html => {
  if (!reliabilities.some(Number.isFinite)) return nothing
  const rows = run.components.map((component, column) => {
    const known = reliabilities[column]
    const noise = known < reliabilityThreshold ? html` <span class="label">mostly noise</span>` : nothing
    return html`<tr><td>${component}</td><td class="number">${figureWords(known)}</td><td>${noise}</td></tr>`
  })
  const head = html`<thead><tr><th>component</th><th class="number">reliability</th><th></th></tr></thead>`
  const words = html`<p class="soft">How much of each column of χ is signal, 0 to 1.</p>`
  return html`<section><h2>Reliability</h2>${words}<table>${head}<tbody>${rows}</tbody></table></section>\n`
}

const sectionLink =
  (report: Report) =>
  (summary: ClusterSummary): Html =>
    html`<a href="#cluster${summary.cluster}">${nameOf(report, summary)}</a>`

const pictureUrl = /^data:image\/(png|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$/

const page = function* (report: Report): Generator<Html> {
  const { run, summaries, selection, clustering, picture } = report
  const clusters = summaries.filter(({ kind }) => kind !== 'region' && kind !== 'neighbourhood').length
  const title = `${run.name}: ${selection === null ? '' : `${clusters} of `}${clustering.clusters} clusters`
  const caption = html`<figcaption>The graph as it was shown.</figcaption>`
  const figure =
    picture === undefined
      ? nothing
      : html`<figure><img src="${picture}" alt="The graph of the clusters">${caption}</figure>\n`
  yield html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">${reportGenerator}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title><style>${reportStyle}</style></head><body>
<header><h1>${title}</h1><p class="soft">Clusters of tokens by their susceptibilities:
how the loss on a token varies with that of the corpus when parts of the model are varied.</p>
${provenance(report)}</header>
${figure}<main>
${contents(report)}
${mapHtml(report)}${groupsHtml(report)}${selectionsHtml(report, sectionLink(report))}`
  for (const summary of summaries) yield clusterSection(report, summary)
  yield html`${reliabilityHtml(report)}</main></body></html>\n`
}

const written = function* (report: Report): Generator<string> {
  for (const { markup } of page(report)) yield markup
}

/**
 * Writes a report as one HTML file that opens anywhere, without network or scripts: provenance, a table of contents,
 * and each cluster with its label, profile and most central tokens in context. The file appears complete or not at
 * all.
 */
export const exportReport = async (
  workspace: Workspace,
  runId: string,
  { file, clustering: number, clusters, overwrite = false, picture, program }: ReportOptions
): Promise<FileIdentity> => {
  if (picture !== undefined && !pictureUrl.test(picture))
    throw new SpectroscopeError(
      'usage',
      'The picture of the graph is not a data URL of a PNG or SVG; draw it again, or leave it out.'
    )
  await refuseToReplace(file, overwrite)
  const report: Report = { ...(await readReport(workspace, runId, { clustering: number, clusters, program })), picture }
  await makeFolder(dirname(resolve(file)))
  return writeIdentified(file, written(report))
}
