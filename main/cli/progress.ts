import type { Activity, RunEvent, RunProgress } from '../../preload/contract'
import { Visible } from '../base/printed'
import { clip, duration, grouped, percent, visibleText } from './text'

/** The part of a writable stream that a progress display needs. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface ProgressDisplay {
  event(event: RunEvent): void
  /** Erases the display and shows the cursor. Safe to call again. */
  close(): void
}

const escape = '\u001b['
const hideCursor = `${escape}?25l`
const showCursor = `${escape}?25h`
const eraseBelow = `${escape}J`

const stageWords: Readonly<Record<Activity, string>> = {
  prepare: 'Preparing rows',
  sample: 'Sampling',
  neighbours: 'Finding neighbours',
  cluster: 'Clustering',
  download: 'Downloading',
  import: 'Importing'
}

/** A bar such as "[#######-------]", `width` columns wide. */
export const bar = (share: number, width: number): string => {
  const inner = Math.max(1, width - 2)
  const full = Math.round(Math.min(1, Math.max(0, share)) * inner)
  return `[${'#'.repeat(full)}${'-'.repeat(inner - full)}]`
}

const share = ({ done, total }: RunProgress): number => (total > 0 ? Math.min(1, done / total) : 0)

const reliabilityWords = (reliabilities: NonNullable<RunProgress['reliabilities']>): string => {
  const known = reliabilities.flatMap(({ reliability }) => (reliability === null ? [] : [reliability]))
  const range =
    known.length === 0 ? '' : `, reliability ${Math.min(...known).toFixed(2)} to ${Math.max(...known).toFixed(2)}`
  return `${reliabilities.filter(({ done }) => done).length} of ${reliabilities.length} components done${range}`
}

/** Details of a progress report beside its bar, most important first. */
export const progressWords = (progress: RunProgress): string[] => {
  const {
    component,
    chain,
    chains,
    round,
    rounds,
    reliabilities,
    step,
    steps,
    draw,
    draws,
    tokensPerSecond,
    secondsLeft,
    done,
    total,
    unit,
    detail
  } = progress
  return [
    ...(secondsLeft === undefined ? [] : [`${duration(secondsLeft)} left`]),
    ...(component === undefined ? [] : [`component ${component}`]),
    ...(round === undefined || rounds === undefined ? [] : [`round ${grouped(round)} of at most ${grouped(rounds)}`]),
    ...(reliabilities === undefined || reliabilities.length === 0 ? [] : [reliabilityWords(reliabilities)]),
    ...(chain === undefined ? [] : [chains === undefined ? `chain ${chain}` : `chain ${chain} of ${chains}`]),
    ...(draw === undefined || draws === undefined ? [] : [`draw ${grouped(draw)} of ${grouped(draws)}`]),
    ...(step === undefined || steps === undefined ? [] : [`step ${grouped(step)} of ${grouped(steps)}`]),
    ...(unit !== '' ? [total > 0 ? `${grouped(done)} of ${grouped(total)} ${unit}` : `${grouped(done)} ${unit}`] : []),
    ...(tokensPerSecond === undefined ? [] : [`${grouped(tokensPerSecond)} tokens/s`]),
    ...(detail === undefined ? [] : [visibleText(detail)])
  ]
}

const joinWithin = (words: readonly string[], width: number): string => {
  let line = ''
  for (const word of words) {
    const longer = line === '' ? word : `${line} · ${word}`
    if (longer.length > width) break
    line = longer
  }
  return line === '' ? clip(words[0] ?? '', width) : line
}

/** Lines of the live display: a bar with its stage, and details below it. One line on a narrow terminal. */
export const progressLines = (progress: RunProgress, columns: number): string[] => {
  const width = Math.max(20, columns) - 1
  const head = stageWords[progress.stage]
  const measured = progress.total > 0
  if (width < 60)
    return [
      joinWithin([`${head} ${measured ? percent(share(progress)) : ''}`.trim(), ...progressWords(progress)], width)
    ]
  const barWidth = Math.min(40, width - head.length - 12)
  const first = measured
    ? `${head.padEnd(18)} ${bar(share(progress), barWidth)} ${percent(share(progress)).padStart(5)}`
    : head
  return [first, `  ${joinWithin(progressWords(progress), width - 2)}`]
}

const eventSentence = (event: RunEvent): string | undefined => {
  switch (event.type) {
    case 'run':
      return `Run ${event.run} "${event.name}" ${event.resumed ? 'resumed' : 'started'}.`
    case 'finished':
      return `${stageWords[event.stage]}: done in ${duration(event.seconds)}, ${event.detail}.`
    case 'note':
      return event.message
    default:
      return undefined
  }
}

/**
 * Redraws progress in place on a terminal, at most ten times per second. The stage is bold unless `colour` is off.
 */
export const liveProgress = (screen: Screen, options: { colour: boolean; now?: () => number }): ProgressDisplay => {
  const now = options.now ?? Date.now
  let drawnLines = 0
  let drawnAt = -Infinity
  let current: RunProgress | undefined
  let hidden = false

  const erase = (): string => {
    const up = drawnLines > 0 ? `${drawnLines > 1 ? `${escape}${drawnLines - 1}A` : ''}\r${eraseBelow}` : ''
    drawnLines = 0
    return up
  }
  const draw = (): void => {
    if (current === undefined) return
    const lines = progressLines(current, screen.columns ?? 80)
    const text = Visible.joined([options.colour ? Visible.bold(lines[0]) : lines[0], ...lines.slice(1)], '\n').text
    screen.write(`${hidden ? '' : hideCursor}${erase()}${text}`)
    hidden = true
    drawnLines = lines.length
    drawnAt = now()
  }
  const say = (sentence: string): void => {
    screen.write(`${erase()}${visibleText(sentence)}\n`)
    draw()
  }
  return {
    event: (event) => {
      if (event.type === 'progress') {
        current = event.progress
        if (now() - drawnAt >= 100) draw()
        return
      }
      if (event.type === 'stage') {
        current = {
          stage: event.stage,
          done: 0,
          total: 0,
          unit: '',
          ...(event.detail === undefined ? {} : { detail: event.detail })
        }
        draw()
        return
      }
      if (event.type === 'finished') current = undefined
      const sentence = eventSentence(event)
      if (sentence !== undefined) say(sentence)
    },
    close: () => {
      if (drawnLines === 0 && !hidden) return
      screen.write(`${erase()}${hidden ? showCursor : ''}`)
      hidden = false
      current = undefined
    }
  }
}

/** Prints one line for each new stage, note and end of a stage, and for progress at most one per `everySeconds`. */
export const plainProgress = (
  screen: Screen,
  options: { everySeconds: number; now?: () => number }
): ProgressDisplay => {
  const now = options.now ?? Date.now
  const say = (sentence: string): unknown => screen.write(`${visibleText(sentence)}\n`)
  let saidAt = now()
  return {
    event: (event) => {
      if (event.type === 'progress') {
        if (now() - saidAt < 1000 * options.everySeconds) return
        saidAt = now()
        const { progress } = event
        const words = [...(progress.total > 0 ? [percent(share(progress))] : []), ...progressWords(progress)]
        say(`${stageWords[progress.stage]}: ${words.join(', ')}`)
        return
      }
      const detail = event.type === 'stage' && event.detail !== undefined ? ` (${event.detail})` : ''
      const sentence = event.type === 'stage' ? `${stageWords[event.stage]}${detail}…` : eventSentence(event)
      if (sentence !== undefined) say(sentence)
    },
    close: () => undefined
  }
}

/** Chooses a display: redrawn in place on a capable terminal, otherwise lines. */
export const createProgress = (screen: Screen, environment: NodeJS.ProcessEnv, everySeconds = 10): ProgressDisplay =>
  screen.isTTY === true && environment['TERM'] !== 'dumb'
    ? liveProgress(screen, { colour: environment['NO_COLOR'] === undefined || environment['NO_COLOR'] === '' })
    : plainProgress(screen, { everySeconds })
