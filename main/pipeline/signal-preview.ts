import type { SignalPreview } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { Study } from '../corpora/study'
import { resolveEngine } from '../engine/engines'
import type { Model } from '../models/architecture'
import { type BlockConfiguration, type FirstOrderConfiguration, roundsOf } from '../../preload/configuration'
import { resultOfBlocks } from '../sampling/block-columns'
import type { SamplingInput } from '../sampling/input'
import type { SampledBlocks } from '../sampling/sampled'
import { sampleBlocks } from '../sampling/blocks-sampler'
import { pairsOf, roundsNeeded } from '../sampling/rounds'
import { nonlinearity, sampleRemainders } from '../sampling/remainder'
import { rowStartsOf } from '../sampling/rows'
import { samplingWork } from './work'
import type { PreviewSignalRequest } from './messages'

/** Studied tokens in a preview. Reliability hardly depends on their number. */
const previewTokens = 2000
const previewRounds = 1
/** Draws of the gradient method on the least linear component. */
const previewDraws = 12

/** Order in which components are previewed: one of each kind first, then heads spread over the layers. */
export const previewOrder = (components: readonly string[]): string[] => {
  const heads = components.filter((name) => /^(head|group):/.test(name))
  const mlps = components.filter((name) => name.startsWith('mlp:'))
  const spread = (names: readonly string[], count: number): string[] =>
    Array.from(
      { length: Math.min(count, names.length) },
      (_, i) => names[Math.floor(((i + 0.5) * names.length) / Math.min(count, names.length))]
    )
  return [
    ...new Set([
      ...heads.slice(0, 1),
      ...spread(mlps, 1),
      ...heads.slice(-1),
      ...components.filter((name) => /embed/.test(name)),
      ...spread(heads, 4),
      ...mlps,
      ...components
    ])
  ]
}

interface PreviewInput {
  readonly model: Model
  readonly study: Study
  readonly components: readonly string[]
  readonly signal: AbortSignal
  readonly onFraction: (fraction: number) => void
}

const lengthsOf = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)

const percent = (share: number): string => `${Math.round(100 * share)} %`

const durationWords = (seconds: number): string =>
  seconds < 90
    ? `${Math.round(seconds)} seconds`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} minutes`
      : `${(seconds / 3600).toFixed(1)} hours`

const remainderWords = (remainder: SignalPreview['remainder']): string => {
  if (remainder === null) return ''
  const { component, share, error } = remainder
  const found = `${percent(Math.max(0, share))} of the column's variance, give or take ${percent(error)}`
  const what = `In ${component}, the least linear component, orders above the first make up ${found}`
  if (share < 2 * error) return ` ${what}: nothing significant is missing.`
  return ` ${what}: set "sampler.remainderDraws" to add it, or use the preset "all-orders".`
}

const wordsOf = (components: SignalPreview['components'], target: number | false, secondsForRun: number): string => {
  const values = components.map(({ reliability }) => reliability).sort((a, b) => a - b)
  const first =
    `After one round, ${components.length === 1 ? 'the reliability' : 'reliabilities'} of ` +
    `${components.map(({ component }) => component).join(', ')} ${components.length === 1 ? 'is' : 'are'} ` +
    `${values[0].toFixed(2)}${components.length === 1 ? '' : ` to ${values[values.length - 1].toFixed(2)}`}.`
  const rounds = components.flatMap(({ roundsNeeded: needed }) => (needed === null ? [] : [needed]))
  const [fewest, most] = [Math.min(...rounds), Math.max(...rounds)]
  const second =
    target === false || rounds.length === 0
      ? ''
      : ` ${percent(target)} will take ` +
        `${fewest === most ? most : `${fewest} to ${most}`} ${most === 1 ? 'round' : 'rounds'}.`
  return `${first}${second} Sampling the whole run will take about ${durationWords(secondsForRun)} here.`
}

/**
 * Samples a few components on part of the studied rows for about `seconds`, and estimates what the whole run will
 * need. Throws a `usage` error for `psgld`, which has no rounds.
 */
export const previewSignal = async (
  { configuration, seconds, threads, engine: chosen }: PreviewSignalRequest,
  { model, study, components, signal, onFraction }: PreviewInput
): Promise<SignalPreview> => {
  const { sampler, seed, corpus, precision } = configuration
  if (sampler.method === 'psgld')
    throw new SpectroscopeError(
      'usage',
      'The method "psgld" has no preview, because short chains say nothing about reliability; set "sampler.method" ' +
        'to "first-order" to preview.'
    )
  const observationIncludesProbe = corpus?.observationIncludesProbe ?? false
  const tokens = study.targets.reduce((sum, { length }) => sum + length, 0)
  const every = Math.max(1, Math.floor(tokens / previewTokens))
  const some = <T>(rows: readonly T[]): T[] => rows.filter((_, i) => i % every === 0)
  const part = {
    ...study,
    probe: some(study.probe),
    targets: some(study.targets),
    observation: observationIncludesProbe ? [...study.observation, ...study.probe] : study.observation
  }
  const pairs = pairsOf({ sampler, study, observationIncludesProbe })
  const own =
    sampler.method === 'first-order'
      ? { ...sampler, pairs, rounds: previewRounds, targetReliability: false as const }
      : { ...sampler, draws: 8, targetReliability: false as const }
  const started = performance.now()
  const elapsed = (): number => (performance.now() - started) / 1000
  const engine = await resolveEngine(chosen ?? configuration.engine, precision)
  const inputOf = <S extends BlockConfiguration>(component: string, settings: S): SamplingInput<S> => ({
    model,
    study: part,
    components: [component],
    sampler: settings,
    seed,
    observationIncludesProbe: false,
    engine,
    precision,
    threads,
    signal
  })
  const found: SignalPreview['components'][number][] = []
  let operations = 0
  /** Sampled components, the least linear first. */
  let kept: { readonly component: string; readonly sampled: SampledBlocks }[] = []
  const lookedAt = async ({ component, sampled }: (typeof kept)[number]): Promise<SignalPreview['remainder']> => {
    const { preset, nBeta, gamma, observationBatch, keepSums } = own
    const first: FirstOrderConfiguration = {
      preset,
      method: 'first-order',
      nBeta,
      gamma,
      observationBatch,
      keepSums,
      pairs,
      rounds: previewRounds,
      targetReliability: false,
      remainderDraws: previewDraws
    }
    const input = inputOf(component, first)
    const record = (await sampleRemainders(input, sampled)).get(component)?.record
    return record === undefined ? null : { component, share: record.share, error: record.error }
  }
  for (const component of previewOrder(components)) {
    const input = inputOf(component, own)
    const sampled = await sampleBlocks(input)
    const {
      diagnostics: [{ reliability, blocks }]
    } = await resultOfBlocks(input, rowStartsOf(part.targets), sampled)
    operations += samplingWork(
      model.architecture,
      [component],
      own,
      { sampling: [], observation: lengthsOf(part.observation), probe: lengthsOf(part.probe) },
      seed
    ).operations
    if (blocks !== null) {
      kept = [...kept, { component, sampled }]
        .sort((a, b) => nonlinearity(b.sampled.chains, sampler.gamma) - nonlinearity(a.sampled.chains, sampler.gamma))
        .slice(0, 1)
      const target = sampler.targetReliability
      found.push({
        component,
        rounds: blocks.rounds,
        reliability,
        lower: blocks.reliabilityBounds[0],
        roundsNeeded: target === false ? null : Math.max(1, roundsNeeded(blocks.rounds, reliability, target))
      })
    }
    onFraction(Math.min(1, elapsed() / seconds))
    if (elapsed() * (1 + 1 / found.length) > seconds) break
  }
  const spent = elapsed()
  const remainder = sampler.method === 'first-order' && kept.length > 0 ? await lookedAt(kept[0]) : null
  if (found.length === 0)
    throw new SpectroscopeError('sampling', 'No sampled component gave a finite number; raise sampler.gamma.')
  const rounds =
    found.reduce((sum, { roundsNeeded: needed }) => sum + Math.min(needed ?? Infinity, roundsOf(sampler)), 0) /
    found.length
  const whole = {
    ...sampler,
    targetReliability: false as const,
    ...(sampler.method === 'first-order'
      ? { pairs, rounds: Math.max(1, Math.round(rounds)) }
      : { draws: 4 * Math.max(1, Math.round(rounds)) })
  }
  const work = samplingWork(
    model.architecture,
    components,
    whole,
    { sampling: [], observation: lengthsOf(study.observation), probe: lengthsOf(study.probe) },
    seed,
    observationIncludesProbe
  )
  const secondsForRun = (work.operations / operations) * spent
  const words = `${wordsOf(found, sampler.targetReliability, secondsForRun)}${remainderWords(remainder)}`
  return { seconds: spent, components: found, secondsForRun, remainder, corpus: study.contents ?? null, words }
}
