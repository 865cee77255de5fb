import type { RunSummary, RunDetails } from '../../preload/contract-progress'
import { contentsWords } from '../../preload/corpus-contents'
import { plural } from '../../preload/plural'
import type { RunRecord } from '../../preload/records'
import { samplerWords } from '../../preload/sampler-configuration'
import { samplingWords } from '../../preload/sampling-words'
import { type Visible, line, lines as join } from '../base/printed'
import {
  restWords,
  clusteringHead,
  foundWords,
  recallLines,
  settingsText,
  stabilityLines,
  clustersTable
} from './cluster-views'
import { type Page, paragraph } from './page'
import { renderTable } from './table'
import { duration, grouped } from './text'

const summaryHead = ({ run, name, status, seconds }: RunSummary, page: Page): Visible => {
  const total = Object.values(seconds).reduce((sum, each) => sum + each, 0)
  return line`${page.bold(`Run ${run}`)} "${name}" is ${status}, after ${duration(total)} of work.`
}

/** Final output of `run`, `resume` and `demo`. */
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

const configurationWords = (run: RunRecord): string[] => {
  const { configuration, baseFolder, provenance } = run
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
    ...(provenance.foreign === undefined
      ? [`Sampler: ${sampler.preset} preset: ${samplerWords(sampler)}.`]
      : [`Imported ${provenance.foreign.kind}: ${samplingWords(run)}.`, ...provenance.foreign.notes])
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
          ...recallLines(clustering, page),
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
