import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type BlockConfiguration,
  type PsgldConfiguration,
  type SamplerConfiguration,
  blockCount,
  parseConfiguration,
  presets,
  samplerWords
} from '../../preload/configuration'
import type { Precision } from '../../preload/precisions'
import { type Study, prepareStudy } from '../../main/corpora/study'
import { resolveEngine } from '../../main/engine/engines'
import type { Architecture, Model } from '../../main/models/architecture'
import { componentNames, componentSlices, sliceSize } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { loadTokenizer } from '../../main/models/tokenizer'
import { combinedColumns } from '../../main/sampling/block-estimates'
import { effectiveShare } from '../../main/sampling/mean-gradient'
import type { Sampled, SampledBlocks, SampledChains } from '../../main/sampling/sampled'
import { splitRHat } from '../../main/sampling/diagnostics'
import { meanPhi } from '../../main/sampling/estimates'
import { correlationOverRows, drawVariance } from '../../main/sampling/reliability'
import { rowStartsOf } from '../../main/sampling/rows'
import { sampleSome } from '../../main/sampling/sample'
import { splitsOf } from '../../main/sampling/splits'
import { type Group, estimate, reliabilityOf } from '../../main/sampling/susceptibility'

export const rowLength = 64
const samplingRows = 2048

/** What is sampled, and with what. */
export interface Setting {
  readonly model: Pick<Model, 'architecture' | 'weights'>
  readonly study: Pick<Study, 'sampling' | 'observation' | 'probe' | 'targets'>
  readonly engine: string
  readonly precision: Precision
  readonly threads: number
}

export interface SettingOptions {
  readonly fixtures: string
  readonly engine: string
  readonly precision: Precision
  readonly threads: number
  /** Rows of 64 token ids. */
  readonly probe: number
  readonly observation: number
}

/** The trained fixture and rows of its corpus; undefined, and a sentence said, where they are not there. */
export const openFixture = async (options: SettingOptions): Promise<Setting | undefined> => {
  const { fixtures, engine, precision, threads, probe, observation } = options
  const [folder, corpus] = [join(fixtures, 'neox-2m'), join(fixtures, 'corpus')]
  const missing = [folder, corpus].find((path) => !existsSync(path))
  if (missing !== undefined) {
    console.log(`Skipped: ${missing} is not there (--fixtures names the folder with neox-2m/ and corpus/).`)
    return undefined
  }
  const rows = { files: [corpus], rowLength, sampling: samplingRows, observation, probe }
  const configuration = parseConfiguration({ model: folder, corpus: rows, sampler: { preset: 'paper' } }, 'bench')
  const model = await loadModel(folder)
  const study = await prepareStudy(configuration, folder, model, await loadTokenizer(folder))
  return { model, study, engine: await resolveEngine(engine, precision), precision, threads }
}

export interface Progress {
  readonly sampled: Sampled
  /** When every round, or draw of all chains, was done: milliseconds. */
  readonly ends: readonly number[]
  /** Of methods that go in rounds: the reliability after each. */
  readonly path: readonly number[]
}

/** Samples one component. */
export const sampleOne = async (
  setting: Setting,
  component: string,
  sampler: SamplerConfiguration
): Promise<Progress> => {
  const [ends, path]: [number[], number[]] = [[], []]
  const sampled = await sampleSome({
    ...setting,
    components: [component],
    sampler,
    seed: 1,
    observationIncludesProbe: false,
    onTrace: ({ draw }) => {
      ends[draw] = performance.now()
    },
    onProgress: ({ draw, reliabilities }) => {
      // The first report that counts a round is the one at its end.
      if (sampler.method === 'psgld' || draw <= ends.length) return
      ends.push(performance.now())
      path.push(reliabilities?.[0]?.reliability ?? NaN)
    }
  })
  const failure = sampled.chains.find((chain) => chain.failure !== null)?.failure
  if (failure !== null && failure !== undefined) console.log(`  ${failure.message}`)
  return { sampled, ends, path }
}

// -------------------------------------------------------------------- columns and how well they are known

/** A column with what tells its error. */
export interface Column {
  readonly values: Float64Array
  /**
   * By two halves of the blocks, or of the chains: draws of one chain that follow one another are not independent,
   * which matters where there are few. Of a single chain, its first and its second half.
   */
  readonly halves: readonly [Float64Array, Float64Array]
  /** Between the splits of four groups of draws, in Fisher's z; 0 where there is a single chain. */
  readonly drawVariance: number
  /** Without one of the four groups of draws each; none where there is a single chain. */
  readonly leftOut: readonly Float64Array[]
}

const aliveOf = (chains: Sampled['chains'], component: string): number[] =>
  chains.flatMap((chain, at) => (chain.component === component && chain.failure === null ? [at] : []))

const four = [0, 1, 2, 3] as const

/** A column of which any of four groups of draws make one too. */
const columnFrom = (of: (parts: readonly number[]) => Float64Array, starts: Int32Array): Column => {
  const halved = splitsOf(four.length).map(([a, b]) => [of(a), of(b)] as const)
  return {
    values: of(four),
    halves: [...halved[0]],
    leftOut: four.map((out) => of(four.filter((part) => part !== out))),
    drawVariance: drawVariance(halved.map(([a, b]) => correlationOverRows(a, b, starts).r))
  }
}

const columnOfBlocks = async (
  { chains, sums }: SampledBlocks,
  component: string,
  sampler: BlockConfiguration,
  starts: Int32Array
): Promise<Column> => {
  const own = aliveOf(chains, component)
  if (own.length < blockCount) throw new Error(`${component} has no column`)
  const records = own.map((at) => chains[at].record)
  const all = await Promise.all(own.map(sums))
  return columnFrom((parts) => combinedColumns(records, all, sampler, parts), starts)
}

/** Half of a chain's draws, and which of four groups it is in. */
interface DrawGroup extends Group {
  readonly part: number
}

const groupsOfChains = async ({ chains, sums }: SampledChains, component: string): Promise<DrawGroup[]> => {
  const own = aliveOf(chains, component)
  const groups = own.map(async (at, i) => {
    const { losses, initialLoss } = chains[at]
    const halves = await sums(at)
    const middle = Math.floor(losses.length / 2)
    return ([0, 1] as const).map((half) => {
      const drawn = half === 0 ? losses.subarray(0, middle) : losses.subarray(middle)
      const sum = (value: (loss: number) => number): number => drawn.reduce((total, loss) => total + value(loss), 0)
      const { loss, product } = halves[half]
      return {
        loss,
        product,
        half,
        draws: drawn.length,
        part: own.length >= 4 ? i % 4 : (i % 2) + 2 * half,
        productShift: half === 0 ? meanPhi(drawn, initialLoss) : 0,
        phi: sum((value) => value - initialLoss),
        observed: sum((value) => value),
        phiObserved: sum((value) => (value - initialLoss) * value)
      }
    })
  })
  return (await Promise.all(groups)).flat()
}

const columnOfChains = async (sampled: SampledChains, component: string, starts: Int32Array): Promise<Column> => {
  const groups = await groupsOfChains(sampled, component)
  if (groups.length === 0) throw new Error(`${component} has no column`)
  const { susceptibilities, halves } = estimate(groups, null)
  if (groups.length < 4) return { values: susceptibilities, halves, drawVariance: 0, leftOut: [] }
  const some = (parts: readonly number[]): Group[] => groups.filter(({ part }) => parts.includes(part))
  return columnFrom((parts) => estimate(some(parts), null).susceptibilities, starts)
}

/** χ̂ of one component. */
export const columnOf = (
  sampled: Sampled,
  component: string,
  sampler: SamplerConfiguration,
  starts: Int32Array
): Promise<Column> =>
  sampler.method === 'psgld'
    ? columnOfChains(sampled as SampledChains, component, starts)
    : columnOfBlocks(sampled as SampledBlocks, component, sampler, starts)

const jackknife = (values: readonly number[]): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return values.length < 2 ? 0 : ((values.length - 1) / values.length) * squares
}

const rowGroups = 20

type Statistic = (x: Float64Array, y: Float64Array) => number

interface Variances {
  readonly rows: number
  readonly draws: number
}

/** Of a statistic of two columns: leaving out one of 20 groups of rows, and one of four groups of either's draws. */
export const variancesOf = (statistic: Statistic, x: Column, y: Column, starts: Int32Array): Variances => {
  const rows = starts.length - 1
  const count = Math.min(rowGroups, rows)
  const byRows = Array.from({ length: count }, (_, group) => {
    const [from, to] = [group, group + 1].map((edge) => starts[Math.floor((edge * rows) / count)])
    const rest = (values: Float64Array): Float64Array => values.filter((_value, token) => token < from || token >= to)
    return statistic(rest(x.values), rest(y.values))
  })
  const ofX = jackknife(x.leftOut.map((column) => statistic(column, y.values)))
  const ofY = jackknife(y.leftOut.map((column) => statistic(x.values, column)))
  return { rows: jackknife(byRows), draws: ofX + ofY }
}

interface Moments {
  readonly xx: number
  readonly yy: number
  readonly xy: number
}

/** Sums of squares and products about the means. */
const momentsOf = (x: Float64Array, y: Float64Array): Moments => {
  const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [a, b] = [mean(x), mean(y)]
  let [xx, yy, xy] = [0, 0, 0]
  for (let i = 0; i < x.length; i++) {
    xx += (x[i] - a) ** 2
    yy += (y[i] - b) ** 2
    xy += (x[i] - a) * (y[i] - b)
  }
  return { xx, yy, xy }
}

export const correlation: Statistic = (x, y) => {
  const { xx, yy, xy } = momentsOf(x, y)
  return xy / Math.sqrt(xx * yy)
}

/** Of y on x. */
export const slope: Statistic = (x, y) => {
  const { xx, xy } = momentsOf(x, y)
  return xy / xx
}

// -------------------------------------------------------------------- words

export const whole = (value: number): string => Math.round(value).toLocaleString('en')

/** One row of a table whose widths are known beforehand: the first columns to the left, as many as `left`. */
export const say = (cells: readonly string[], widths: readonly number[], left = 1): void => {
  const padded = cells.map((cell, at) => (at < left ? cell.padEnd(widths[at]) : cell.padStart(widths[at])))
  console.log(`    ${padded.join('  ')}`.trimEnd())
}

export const table = (rows: readonly (readonly string[])[]): void => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  for (const row of rows) say(row, widths)
}

/** Chosen components, which must be the model's. */
export const checkedComponents = (names: readonly string[], architecture: Architecture): readonly string[] => {
  const all = componentNames(architecture)
  const unknown = names.find((name) => !all.includes(name))
  if (unknown !== undefined) throw new Error(`The model has no component "${unknown}"; it has ${all.join(', ')}.`)
  return names
}

export const settingWords = ({ study: { targets, observation }, threads, engine, precision }: Setting): string => {
  const tokens = targets.reduce((sum, { length }) => sum + length, 0)
  return (
    `${whole(tokens)} studied tokens, ${observation.length} observation rows of ${rowLength} ids, ` +
    `${threads} threads, engine ${engine}, ${precision}`
  )
}

// -------------------------------------------------------------------- the bench

export interface AgreementOptions extends SettingOptions {
  readonly components: readonly string[]
  readonly chains: number
  readonly draws: number
  readonly stepSize: number
  readonly stepsBetweenDraws: number
  readonly burnIn: number
  /** Of each chain at nβ 0; of 3b in all; of 3c, rounds of four blocks. */
  readonly plainDraws: number
  readonly gradientDraws: number
  readonly rounds: number
}

interface Method {
  readonly name: string
  readonly sampler: SamplerConfiguration
}

const methodsOf = (options: AgreementOptions): readonly Method[] => {
  const { chains, draws, stepSize, stepsBetweenDraws, burnIn, plainDraws, gradientDraws, rounds } = options
  const paper: PsgldConfiguration = { ...presets.paper, preset: 'paper', estimator: 'restricted', chains }
  const all = { preset: 'all-orders', draws: gradientDraws, targetReliability: false } as const
  const first = { preset: 'first-order', rounds, targetReliability: false } as const
  return [
    { name: 'pSGLD', sampler: { ...paper, draws, stepSize, stepsBetweenDraws, burnIn } },
    { name: 'plain draws', sampler: { ...paper, nBeta: 0, draws: plainDraws } },
    { name: '3b', sampler: { ...presets['all-orders'], ...all } },
    { name: '3c', sampler: { ...presets['first-order'], ...first } }
  ]
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const mean = (values: readonly number[]): number => sum(values) / values.length

/** A number with its standard error. */
interface Estimate {
  readonly value: number
  readonly error: number
}

/** Mean with its error from how much the values differ. */
const meanOf = (values: readonly number[]): Estimate => {
  const value = mean(values)
  const squares = sum(values.map((each) => (each - value) ** 2))
  return { value, error: Math.sqrt(squares / (values.length - 1) / values.length) }
}

/** A column, and how well it is known. */
interface Result {
  readonly name: string
  readonly column: Column
  /** Error from rows and draws. */
  readonly reliability: Estimate
}

/** From the correlation of halves, whose error is in Fisher's z. */
const reliabilityEstimate = ({ halves, drawVariance: ofDraws }: Column, starts: Int32Array): Estimate => {
  const { r, variance } = correlationOverRows(halves[0], halves[1], starts)
  const slopeOfReliability = r < 0 ? 1 : 2 / (1 + r) ** 2
  return { value: reliabilityOf(r), error: slopeOfReliability * (1 - r * r) * Math.sqrt(variance + ofDraws) }
}

const fixed = ({ value, error }: Estimate, digits = 3): string => `${value.toFixed(digits)} ± ${error.toFixed(digits)}`
const small = ({ value, error }: Estimate): string => `${value.toExponential(2)} ± ${error.toExponential(0)}`

/**
 * What a method's draws say of the posterior: mean φ, R̂, distances at the first draw, on average and at the last.
 */
const posteriorWords = (sampled: Sampled, { sampler }: Method): string[] => {
  if (sampler.method !== 'psgld') {
    const phis = (sampled as SampledBlocks).chains.flatMap(({ record }) => record.phis)
    return [small(meanOf(phis)), '', '', effectiveShare(phis, sampler.nBeta).toFixed(3)]
  }
  const { chains, initialLoss } = sampled as SampledChains
  const alive = chains.filter(({ failure }) => failure === null)
  const phis = alive.map(({ losses }) => losses.map((loss) => loss - initialLoss))
  const phi = phis.length > 1 ? meanOf(phis.map((each) => mean([...each]))) : meanOf([...phis[0]])
  const distance = (of: (distances: Float64Array) => number): string =>
    mean(alive.map(({ distances }) => of(distances))).toFixed(3)
  const distances = [distance(([first]) => first), distance((all) => mean([...all])), distance((all) => all.at(-1)!)]
  return [small(phi), splitRHat(phis)?.toFixed(3) ?? '–', distances.join(', '), '']
}

interface Agreement {
  readonly pair: string
  readonly raw: Estimate
  /** Correlation of what is signal in both. */
  readonly corrected: Estimate
  readonly slope: Estimate
  readonly slopeWords: string
}

/** Error of a statistic from rows and draws. */
const errorOf = (statistic: Statistic, x: Column, y: Column, starts: Int32Array): number => {
  const { rows, draws } = variancesOf(statistic, x, y, starts)
  return Math.sqrt(rows + draws)
}

const notKnown: Estimate = { value: NaN, error: NaN }
const relative = ({ value, error }: Estimate): number => error / value

/** How two methods agree; the corrected numbers are NaN where one of the reliabilities is not above 0. */
const agreementOf = (a: Result, b: Result, starts: Int32Array): Agreement => {
  const r = correlation(a.column.values, b.column.values)
  const raw = { value: r, error: errorOf(correlation, a.column, b.column, starts) }
  const scale = Math.sqrt(a.reliability.value * b.reliability.value)
  const ofScale = (r / scale) * 0.5 * Math.hypot(relative(a.reliability), relative(b.reliability))
  const isKnown = a.reliability.value > 0 && b.reliability.value > 0
  const error = Math.hypot(raw.error / scale, ofScale)
  const corrected = isKnown ? { value: r / scale, error } : notKnown
  // The more reliable of the two is what the other is regressed on.
  const [x, y] = a.reliability.value >= b.reliability.value ? [a, b] : [b, a]
  const plain = slope(x.column.values, y.column.values)
  const by = x.reliability.value
  const ofSlope = Math.hypot(errorOf(slope, x.column, y.column, starts) / by, (plain / by) * relative(x.reliability))
  const own = by > 0 ? { value: plain / by, error: ofSlope } : notKnown
  return { pair: `${a.name}, ${b.name}`, raw, corrected, slope: own, slopeWords: `${y.name} on ${x.name}` }
}

const orDash = (estimate: Estimate): string => (Number.isFinite(estimate.value) ? fixed(estimate) : '–')

/** Mean of what several components came to, weighted by their errors. */
const pooled = (estimates: readonly Estimate[]): string => {
  const known = estimates.filter(({ value, error }) => Number.isFinite(value) && error > 0)
  const weight = sum(known.map(({ error }) => error ** -2))
  const value = sum(known.map((each) => each.value * each.error ** -2)) / weight
  return known.length === 0 ? '–' : `${fixed({ value, error: weight ** -0.5 })} (of ${known.length})`
}

/** Slopes likewise, where all are of one method on the same other. */
const slopesOf = (all: readonly Agreement[]): string[] => {
  const [{ slopeWords }] = all
  const isOne = all.every((each) => each.slopeWords === slopeWords)
  return isOne ? [pooled(all.map((each) => each.slope)), slopeWords] : ['–', '']
}

/**
 * Whether the methods measure the same: their columns of some components of the fixture (docs/method.md, sections 2
 * to 3c).
 */
export const benchAgreement = async (options: AgreementOptions): Promise<void> => {
  const setting = await openFixture(options)
  if (setting === undefined) return
  const {
    model: { architecture, weights },
    study
  } = setting
  const starts = rowStartsOf(study.targets)
  const methods = methodsOf(options)
  console.log(`\nfixture (neox-2m, trained): ${settingWords(setting)}`)
  for (const { name, sampler } of methods) console.log(`  ${name}: ${samplerWords(sampler)}`)
  console.log('  reliability: from halves of the chains or blocks, ± a standard error over rows and draws')
  console.log('  distance: ‖u - u*‖, which is √(n/γ) for the prior N(u*, I/γ)')
  console.log('  r corrected: over the root of both reliabilities; slope: over the reliability of what it is on')
  const all: Agreement[] = []
  for (const component of checkedComponents(options.components, architecture)) {
    const results: Result[] = []
    const rows: string[][] = []
    const size = sliceSize(componentSlices(architecture, weights, component))
    for (const method of methods) {
      const begin = performance.now()
      const { sampled } = await sampleOne(setting, component, method.sampler)
      const seconds = (performance.now() - begin) / 1000
      const column = await columnOf(sampled, component, method.sampler, starts)
      const reliability = reliabilityEstimate(column, starts)
      results.push({ name: method.name, column, reliability })
      const done = `${component}, ${method.name}: ${seconds.toFixed(0)} s, reliability ${fixed(reliability)}`
      process.stderr.write(`  ${done}\n`)
      const [phi, rHat, distances, share] = posteriorWords(sampled, method)
      const width = method.sampler.method === 'psgld' ? Math.sqrt(size / method.sampler.gamma).toFixed(3) : ''
      rows.push([method.name, fixed(reliability), phi, rHat, distances, width, share, seconds.toFixed(0)])
    }
    console.log(`\n  ${component}, ${whole(size)} weights`)
    table([['', 'reliability', 'mean φ', 'split-R̂', 'distance: first, mean, last', '√(n/γ)', 'share', 's'], ...rows])
    const pairs = results.flatMap((a, at) => results.slice(at + 1).map((b) => agreementOf(a, b, starts)))
    all.push(...pairs)
    console.log()
    table([
      ['', 'r', 'r corrected', 'slope', 'of'],
      ...pairs.map(({ pair, raw, corrected, slope: own, slopeWords }) => [
        pair,
        fixed(raw),
        orDash(corrected),
        orDash(own),
        slopeWords
      ])
    ])
  }
  console.log('\n  all components, weighted by their errors')
  const of = (pair: string): Agreement[] => all.filter((each) => each.pair === pair)
  const pairs = [...new Set(all.map(({ pair }) => pair))]
  table([
    ['', 'r corrected', 'slope', 'of'],
    ...pairs.map((pair) => [pair, pooled(of(pair).map(({ corrected }) => corrected)), ...slopesOf(of(pair))])
  ])
}
