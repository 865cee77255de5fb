import type { Activity, RunEvent, RunProgress } from '../../preload/contract'
import { duration, percent, whole } from '../ui/format'
import type { NumberFormat } from '../ui/format'

/** Words for stages: a heading, a participle, a description. */
export const stageWords: Readonly<
  Record<Activity, { readonly title: string; readonly doing: string; readonly what: string }>
> = {
  prepare: { title: 'Prepare', doing: 'reading the corpus', what: 'reads the corpus and packs its rows' },
  sample: { title: 'Sample', doing: 'sampling', what: 'samples every component and computes susceptibilities' },
  neighbours: { title: 'Neighbours', doing: 'finding neighbours', what: 'finds the nearest tokens of every token' },
  cluster: { title: 'Cluster', doing: 'clustering', what: 'cuts the neighbour graph into clusters and describes them' },
  download: { title: 'Download', doing: 'downloading', what: 'downloads the model' },
  import: { title: 'Import', doing: 'importing', what: 'reads the results of another program' }
}

/** Fraction done of the current stage; null if unknown. */
export const fractionOf = ({ done, total }: RunProgress): number | null =>
  total > 0 ? Math.min(1, done / total) : null

/** "sampling 34 %, 12 min 05 s left" */
export const progressWords = (progress: RunProgress): string => {
  const fraction = fractionOf(progress)
  const { stage, secondsLeft } = progress
  const share = fraction === null ? '' : ` ${percent(fraction)}`
  return `${stageWords[stage].doing}${share}${secondsLeft === undefined ? '' : `, ${duration(secondsLeft)} left`}`
}

/** Progress of a stage in its own unit: "3.1 of 12 MB of text", "chain 2 of 4, draw 17 of 100". */
export const placeWords = (progress: RunProgress, format: NumberFormat = 'grouped'): string => {
  const { chain, chains, draw, draws, step, steps, round, rounds, component, unit, done, total, detail } = progress
  const inRounds = round !== undefined && rounds !== undefined
  const parts = [
    // All components go through a round together, so the current one says little.
    ...(inRounds ? [roundWords(round, rounds)] : component === undefined ? [] : [component]),
    ...(chain === undefined || chains === undefined ? [] : [`chain ${chain} of ${chains}`]),
    ...(draw === undefined || draws === undefined ? [] : [`draw ${whole(draw, format)} of ${whole(draws, format)}`]),
    ...(step === undefined || steps === undefined ? [] : [`step ${whole(step, format)} of ${whole(steps, format)}`]),
    ...(unit === '' || component !== undefined || inRounds
      ? []
      : [
          total > 0
            ? `${rounded(done, format)} of ${rounded(total, format)} ${unit}`
            : `${rounded(done, format)} ${unit}`
        ]),
    ...(detail === undefined ? [] : [detail])
  ]
  return parts.join(', ')
}

/** "round 3 of at most 16" */
export const roundWords = (round: number, most: number): string => `round ${Math.min(round, most)} of at most ${most}`

const rounded = (value: number, format: NumberFormat): string =>
  Number.isInteger(value) ? whole(value, format) : value.toFixed(1)

/** An event as a line of the run's log; null for events that only move a progress bar. */
export const eventWords = (event: RunEvent): string | null => {
  if (event.type === 'run') return event.resumed ? 'Resumed from checkpoint.' : 'Started.'
  if (event.type === 'stage')
    return `${stageWords[event.stage].title} begins${event.detail === undefined ? '' : `: ${event.detail}`}.`
  if (event.type === 'finished') {
    const detail = event.detail.replace(/\.$/, '')
    return `${stageWords[event.stage].title} finished in ${duration(event.seconds)}: ${detail}.`
  }
  if (event.type === 'note') return event.message
  if (event.type === 'health')
    return event.findings.length === 0
      ? 'No problems any more.'
      : `Health: ${event.findings.map(({ message }) => message).join(' ')}`
  return null
}
