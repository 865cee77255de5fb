import { dirname, resolve } from 'node:path'
import { samplerWords } from '../../preload/configuration'
import type { Annotation, AnnotationTarget, Label } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import type { ClusteringRecord, ClusterNumber, ClusterSummary, RunRecord } from '../../preload/records'
import { makeFolder, writeFileAtomically } from '../base/files'
import { parseTarget } from '../labels/annotations'
import { reliabilityThreshold } from '../sampling/diagnostics'
import type { Workspace } from '../store/store'
import { StudyTexts } from './contexts'
import { centralTokens, momentsOf } from './moments'
import type { MatrixMoments } from './moments'
import { refuseToReplace } from './output'
import { contextHtml, escapeHtml, escapeLines, figureHtml, grouped, profileSvg, tokenHtml } from './report-parts'
import { reportStyle } from './report-style'
import { chosenClusters, clusteringOf } from './selection'
import type { Selection } from './selection'

export interface ReportOptions {
  readonly file: string
  readonly clustering?: number
  readonly clusters: Selection
  readonly overwrite?: boolean
  /** The graph as it is seen, a data URL of a PNG or SVG. */
  readonly picture?: string
  readonly program: string
}

/** Contexts of each cluster; fewer where there are many clusters, so that a browser can open the page. */
const contextsOf = (clusters: number): number => (clusters <= 300 ? 24 : 8)
const aroundTokens = 24
const shownTopTokens = 16

interface Report {
  readonly run: RunRecord
  readonly clustering: ClusteringRecord
  readonly selection: readonly ClusterNumber[] | null
  /** Largest first, what is left over last. */
  readonly summaries: readonly ClusterSummary[]
  readonly annotations: ReadonlyMap<AnnotationTarget, Annotation>
  readonly moments: MatrixMoments
  /** Of the columns, in order; NaN where it is not known. */
  readonly reliabilities: readonly number[]
  readonly central: ReadonlyMap<ClusterNumber, readonly number[]>
  readonly texts: StudyTexts
  readonly picture: string | undefined
  readonly program: string
}

const own = ({ cluster, kind }: ClusterSummary): string => (kind === 'cluster' ? `Cluster ${cluster}` : kind === 'main body' ? 'Main body' : 'Unclustered')

const nameOf = (report: Report, summary: ClusterSummary): string => {
  const name = report.annotations.get(`cluster:${summary.cluster}`)?.name ?? ''
  return name === '' ? own(summary) : name
}

const entry = (term: string, html: string): string => `<dt>${term}</dt><dd>${html}</dd>`

const time = (iso: string): string => `<time datetime="${escapeHtml(iso)}">${escapeHtml(iso.slice(0, 16).replace('T', ' '))} UTC</time>`

/** How much of the columns is signal, in a sentence. */
const signalWords = ({ run, reliabilities }: Report): string => {
  const known = reliabilities.filter(Number.isFinite).sort((a, b) => a - b)
  if (known.length === 0) return 'reliability of the columns is not known'
  const noisy = run.components.filter((_, column) => reliabilities[column] < reliabilityThreshold)
  const range = `reliability of the columns ${known[0].toFixed(2)} to ${known[known.length - 1].toFixed(2)}, median ${known[Math.floor(known.length / 2)].toFixed(2)}`
  return noisy.length === 0 ? range : `${range}; mostly noise (below ${reliabilityThreshold}): ${noisy.join(', ')}`
}

/** In order of the columns; NaN where it is not known. */
const reliabilitiesOf = async (workspace: Workspace, { id, components }: RunRecord): Promise<number[]> => {
  const diagnostics = new Map((await workspace.getDiagnostics(id)).map((each) => [each.component, each.reliability]))
  return components.map((component) => diagnostics.get(component) ?? Number.NaN)
}

const provenance = (report: Report): string => {
  const { run, clustering, program } = report
  const { configuration, provenance: { modelHash, tokenizerHash, studyHash, engine, platform, seed, imported } } = run
  const { neighbours, symmetrize, whiten, alpha, rule, minSize } = clustering.configuration
  const { sampler } = configuration
  const hash = (text: string | undefined): string => (text === undefined ? 'unknown' : `<code>${escapeHtml(text)}</code>`)
  return `<dl>${[
    entry('Run', `${escapeHtml(run.name)} <span class="soft">${escapeHtml(imported?.run.id ?? run.id)}, ${time(imported?.run.createdAt ?? run.createdAt)}</span>`),
    entry('Model', `${escapeHtml(configuration.model)}${configuration.weights === undefined ? '' : `, ${escapeHtml(configuration.weights)}`}`),
    entry('Model’s hash', hash(modelHash)), entry('Tokenizer’s hash', hash(tokenizerHash)), entry('Hash of the rows', hash(studyHash)),
    entry('Measured', `${grouped(run.tokens)} tokens × ${run.components.length} components`),
    entry('Sampling', `${samplerWords(sampler)}, seed ${seed ?? configuration.seed}`),
    ...(engine === undefined ? [] : [entry('Computed by', escapeHtml([engine.name, engine.version, engine.device, engine.precision, platform ?? ''].filter((part) => part !== '').join(', ')))]),
    entry('Clustering', `${escapeHtml(clustering.name)} <span class="soft">(${[`${neighbours} neighbours`, symmetrize, ...(whiten ? ['whitened'] : []), `alpha ${alpha}`, `${rule} rule`, `at least ${minSize} tokens`].join(', ')})</span>`),
    entry('Signal', escapeHtml(signalWords(report))),
    entry('Written by', `${escapeHtml(program)}, ${time(new Date().toISOString())}`)
  ].join('')}</dl>`
}

const statusWords = ({ status, confidence, tags, blindTest }: Label): string =>
  [
    status, ...(confidence === null ? [] : [`${confidence} confidence`]), ...(blindTest === null ? [] : [`blind test: ${blindTest.right} of ${blindTest.of}`]), ...tags
  ].map((words) => `<span class="label">${escapeHtml(words)}</span>`).join('')

const labelHtml = (annotation: Annotation | undefined): string =>
  annotation === undefined
    ? ''
    : `<p>${statusWords(annotation)}<span class="soft">${escapeHtml(annotation.author)}, ${time(annotation.changedAt)}</span></p>${annotation.note === '' ? '' : `<p class="note">${escapeLines(annotation.note)}</p>`}`

const topTokensHtml = ({ topTokens }: ClusterSummary, most: number): string =>
  topTokens.slice(0, most).map(({ text, count, lift }) => `<span><span class="token">${tokenHtml(text)}</span> ${grouped(count)} <span class="soft">×${figureHtml(lift)}</span></span>`).join(' ')

const contents = (report: Report): string => {
  const rows = report.summaries.map((summary) => {
    const annotation = report.annotations.get(`cluster:${summary.cluster}`)
    const tokens = summary.topTokens.slice(0, 5).map(({ text }) => `<span class="token">${tokenHtml(text)}</span>`).join(' ')
    return `<tr><td class="number">${summary.cluster < 0 ? '' : summary.cluster}</td><td><a href="#cluster${summary.cluster}">${escapeHtml(nameOf(report, summary))}</a></td><td>${annotation?.status ?? ''}</td>`
      + `<td class="number">${grouped(summary.size)}</td><td class="number">${figureHtml(summary.conductance)}</td><td>${tokens}</td></tr>`
  })
  return `<nav aria-label="Clusters"><table><thead><tr><th class="number">no.</th><th>cluster</th><th>status</th><th class="number">tokens</th><th class="number">conductance</th><th>top tokens</th></tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table></nav>`
}

/** Merges that touch a shown cluster, and parts of one. */
const groupsHtml = (report: Report): string => {
  const shown = new Set(report.summaries.map(({ cluster }) => cluster))
  const link = (cluster: number): string => (shown.has(cluster) ? `<a href="#cluster${cluster}">${cluster < 0 ? 'what is left over' : cluster}</a>` : String(cluster))
  const groups = [...report.annotations.values()].flatMap((annotation) => {
    const { target, name, clusters, cluster, tokens } = annotation
    const { kind } = parseTarget(target)
    if (kind === 'merge' && clusters?.some((one) => shown.has(one)) === true) return [`<h3>${escapeHtml(name === '' ? target : name)}: clusters ${clusters.map(link).join(', ')} read as one</h3>${labelHtml(annotation)}`]
    if (kind === 'part' && cluster !== undefined && shown.has(cluster)) return [`<h3>${escapeHtml(name === '' ? target : name)}: ${grouped(tokens?.length ?? 0)} tokens of cluster ${link(cluster)}</h3>${labelHtml(annotation)}`]
    return []
  })
  return groups.length === 0 ? '' : `<section><h2>Merges and parts</h2>${groups.join('\n')}</section>\n`
}

const contextItem = ({ texts }: Report, token: number): string => {
  const { before, after } = texts.around(token, aroundTokens)
  const document = texts.documentOf(token)
  const place = [texts.subsetOf(token), document === undefined ? '' : `${document.file}:${document.record}`].filter((part) => part !== '').join(', ')
  return `<li><span class="place">${escapeHtml(place)}</span><span class="context">${contextHtml(before)}<mark>${tokenHtml(texts.textOf(texts.idOf(token)))}</mark>${contextHtml(after)}</span></li>`
}

const clusterSection = (report: Report, summary: ClusterSummary): string => {
  const { cluster, size, conductance, distinctTokens, subsets } = summary
  const annotation = report.annotations.get(`cluster:${cluster}`)
  const moments = report.moments.groups.get(cluster)
  const central = report.central.get(cluster) ?? []
  const named = (annotation?.name ?? '') !== ''
  return `<section id="cluster${cluster}"><h2>${escapeHtml(nameOf(report, summary))}${named ? ` <span class="soft">${own(summary)}</span>` : ''}</h2>
${labelHtml(annotation)}<p>${grouped(size)} tokens, ${grouped(distinctTokens)} distinct${conductance === null ? '' : `, conductance ${figureHtml(conductance)}`}</p>
<h3>Top tokens (count, lift over the study)</h3><p class="tokens">${topTokensHtml(summary, shownTopTokens)}</p>
<h3>Subsets</h3><p class="tokens">${subsets.slice(0, 8).map(({ subset, count, lift }) => `<span>${escapeHtml(subset === '' ? 'none' : subset)} ${grouped(count)} <span class="soft">×${figureHtml(lift)}</span></span>`).join(' ')}</p>
${moments === undefined ? '' : `<h3>Mean χ per component (standard deviations; left: expression, right: suppression; line: spread within the cluster)</h3>${profileSvg(report.run.components, moments, report.moments.columns, report.reliabilities)}`}
<h3>Tokens nearest to the mean</h3><ul class="gallery">
${central.map((token) => contextItem(report, token)).join('\n')}
</ul></section>
`
}

const pictureUrl = /^data:image\/(png|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$/

const page = function* (report: Report): Generator<string> {
  const { run, summaries, selection, clustering, picture } = report
  const title = escapeHtml(`${run.name}: ${selection === null ? `${clustering.clusters} clusters` : `${summaries.length} of ${clustering.clusters} clusters`}`)
  yield `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title><style>${reportStyle}</style></head><body>
<header><h1>${title}</h1><p class="soft">Clusters of tokens by their susceptibilities: how the loss on a token varies with that of the corpus when parts of the model are varied.</p>
${provenance(report)}</header>
${picture === undefined ? '' : `<figure><img src="${picture}" alt="The graph of the clusters"><figcaption>The graph.</figcaption></figure>\n`}<main>
${contents(report)}
${groupsHtml(report)}`
  for (const summary of summaries) yield clusterSection(report, summary)
  yield '</main></body></html>\n'
}

/**
 * Writes a report as one HTML file that opens anywhere, without network or scripts: provenance, a table of contents, and each cluster
 * with its label, profile and the tokens nearest to its mean in context. The file is there whole or not at all.
 */
export const exportReport = async (workspace: Workspace, runId: string, { file, clustering: number, clusters, overwrite = false, picture, program }: ReportOptions): Promise<void> => {
  if (picture !== undefined && !pictureUrl.test(picture)) throw new SpectroscopeError('usage', 'The picture of the graph is no data URL of a PNG or SVG; draw it again, or leave it out.')
  const run = await workspace.getRun(runId)
  const clustering = clusteringOf(run, number)
  const annotations = await workspace.getAnnotations(run.id, clustering.number)
  const selection = chosenClusters(run, clustering, clusters, annotations)
  await refuseToReplace(file, overwrite)
  const membership = await workspace.getMembership(run.id, { clustering: clustering.number })
  const all = await workspace.getClusterSummaries(run.id, { clustering: clustering.number, topTokens: shownTopTokens })
  const summaries = all.filter(({ cluster }) => selection === null || selection.includes(cluster))
    .sort((a, b) => Number(a.cluster < 0) - Number(b.cluster < 0) || b.size - a.size || a.cluster - b.cluster)
  const moments = await momentsOf(workspace, run.id, membership)
  const central = await centralTokens(workspace, run.id, membership, moments, contextsOf(summaries.length))
  const report: Report = {
    run, clustering, selection, summaries, moments, central, picture, program, reliabilities: await reliabilitiesOf(workspace, run),
    annotations: new Map(annotations.map((annotation) => [annotation.target, annotation])), texts: await StudyTexts.of(workspace, run.id)
  }
  await makeFolder(dirname(resolve(file)))
  await writeFileAtomically(file, page(report))
}
