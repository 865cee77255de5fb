import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type SamplerConfiguration, blockCount, presets } from '../../preload/configuration'
import { spreadTargets } from '../../main/corpora/study'
import { resolveEngine } from '../../main/engine/engines'
import { pieceOf } from '../../main/engine/core/operations'
import type { Architecture } from '../../main/models/architecture'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { samplingWork } from '../../main/pipeline/work'
import { reliabilityInterval } from '../../main/sampling/reliability'
import { rowStartsOf } from '../../main/sampling/rows'
import { reliabilityOf } from '../../main/sampling/susceptibility'
import {
  type Column,
  type Setting,
  type SettingOptions,
  checkedComponents,
  columnOf,
  correlation,
  openFixture,
  rowLength,
  sampleOne,
  say,
  settingWords,
  table,
  variancesOf,
  whole
} from './agreement'
import { pythia14m, writeRandomModel } from './random-model'
import { rowsOf } from './speed'

const fisher = (r: number): number => Math.atanh(Math.max(-1 + 1e-12, Math.min(1 - 1e-12, r)))

/**
 * A reliability with an interval of 80 %, and what it lies below with 90 % confidence, also where it seems below 0.
 */
interface Known {
  readonly value: number
  readonly low: number
  readonly high: number
  readonly most: number
}

/** From the correlation of halves. */
const fromHalves = ({ halves, drawVariance: variance }: Column, starts: Int32Array): Known => {
  const { reliability, low, high } = reliabilityInterval(halves, starts, variance)
  const zOf = (r: number): number => fisher(r < 0 ? r : r / (2 - r))
  const most = reliability >= 0 ? high : reliabilityOf(Math.tanh(zOf(high) - zOf(reliability)))
  return { value: reliability, low, high, most }
}

/** Quantiles of the normal distribution, and of Student's with three degrees of freedom: 90 % lie below. */
const [normalQuantile, studentQuantile] = [1.2816, 1.6377]

/** From the correlation with a column whose reliability is known, if both have the same signal: r² = rel · rel. */
const fromCorrelation = (column: Column, known: Column, reliability: number, starts: Int32Array): Known => {
  const z = fisher(correlation(column.values, known.values))
  const { rows, draws } = variancesOf((x, y) => fisher(correlation(x, y)), column, known, starts)
  const width = Math.sqrt(normalQuantile ** 2 * rows + studentQuantile ** 2 * draws)
  const of = (at: number): number => Math.min(0.999, (Math.sign(at) * Math.tanh(at) ** 2) / reliability)
  return { value: of(z), low: of(z - width), high: of(z + width), most: of(Math.max(z, 0) + width) }
}

// -------------------------------------------------------------------- methods

type MethodName = 'first order' | 'all orders' | 'pSGLD' | 'plain draws'

interface Method {
  readonly name: MethodName
  /** What it goes in. */
  readonly unit: 'rounds' | 'draws'
  /** As few of them as give a reliability. */
  readonly least: number
  /** `share`: a run of 1/share of the rows has as many steps less between draws. */
  readonly sampler: (units: number, target: number | false, share?: number) => SamplerConfiguration
}

const { stepsBetweenDraws, chains, batchSize } = presets.paper

/** The paper's chains after a burn-in of one interval: a first draw at w* would count against a short chain. */
const chainsOf =
  (nBeta: number) =>
  (draws: number, _target: number | false, share = 1): SamplerConfiguration => {
    const steps = Math.max(1, Math.round(stepsBetweenDraws / share))
    const apart = { stepsBetweenDraws: steps, burnIn: steps - 1 }
    return { ...presets.paper, preset: 'paper', estimator: 'restricted', nBeta, draws, ...apart }
  }

const methods: readonly Method[] = [
  {
    name: 'first order',
    unit: 'rounds',
    least: 1,
    sampler: (rounds, target) => ({
      ...presets['first-order'],
      preset: 'first-order',
      rounds,
      targetReliability: target
    })
  },
  {
    name: 'all orders',
    unit: 'rounds',
    least: 1,
    sampler: (rounds, target) => ({
      ...presets['all-orders'],
      preset: 'all-orders',
      draws: blockCount * rounds,
      targetReliability: target
    })
  },
  { name: 'pSGLD', unit: 'draws', least: 2, sampler: chainsOf(3) },
  { name: 'plain draws', unit: 'draws', least: 2, sampler: chainsOf(0) }
]

const methodCalled = (name: MethodName): Method => methods.find((method) => method.name === name)!

interface Work {
  readonly operations: number
  /** Target positions through gradients and losses. */
  readonly tokens: number
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
const lengthsOf = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)

/** What one more round, or draw of all chains, takes. */
const unitOf = (
  { model: { architecture }, study: { sampling, observation, probe } }: Setting,
  { sampler }: Method,
  components: readonly string[],
  share = 1
): Work => {
  const rows = { sampling: lengthsOf(sampling), observation: lengthsOf(observation), probe: lengthsOf(probe) }
  const of = (units: number): Work => {
    const work = samplingWork(architecture, components, sampler(units, false, share), rows, 1)
    return { operations: work.operations, tokens: work.gradientTokens + work.lossTokens }
  }
  const [two, three] = [of(2), of(3)]
  return { operations: three.operations - two.operations, tokens: three.tokens - two.tokens }
}

/** A small part of the study, with the proportions of the whole; and rounds or draws of it. */
const [pilotShare, pilotUnits] = [8, 3]

const partOf = (setting: Setting): Setting => {
  const { sampling, observation, probe, targets } = setting.study
  const rows = Math.max(2, Math.round(probe.length / pilotShare))
  const observed = Math.max(presets['first-order'].observationBatch, Math.round(observation.length / pilotShare))
  const probed = { probe: probe.slice(0, rows), targets: targets.slice(0, rows) }
  return { ...setting, study: { sampling, observation: observation.slice(0, observed), ...probed } }
}

/** Seconds of each round or draw after the first, at whose end everything has been compiled. */
const secondsOf = (ends: readonly number[]): number => (ends[ends.length - 1] - ends[0]) / 1000 / (ends.length - 1)

/** Operations a second of a method on a small part of the study. */
const pilot = async (setting: Setting, method: Method, component: string): Promise<number> => {
  const part = partOf(setting)
  const { ends } = await sampleOne(part, component, method.sampler(pilotUnits, false, pilotShare))
  return unitOf(part, method, [component], pilotShare).operations / secondsOf(ends)
}

interface Measured {
  readonly column: Column
  readonly units: number
  readonly path: readonly number[]
  /** Operations a second. */
  readonly rate: number
}

/** As many rounds or draws as fit in the time, or as reach the highest target with 90 % confidence. */
const measure = async (
  setting: Setting,
  method: Method,
  component: string,
  seconds: number,
  target: number
): Promise<Measured> => {
  const guess = await pilot(setting, method, component)
  const { operations } = unitOf(setting, method, [component])
  const units = Math.max(method.least, Math.floor((seconds * guess) / operations))
  const sampler = method.sampler(units, target)
  const { sampled, ends, path } = await sampleOne(setting, component, sampler)
  const column = await columnOf(sampled, component, sampler, rowStartsOf(setting.study.targets))
  return { column, units: ends.length, path, rate: ends.length < 2 ? guess : operations / secondsOf(ends) }
}

// -------------------------------------------------------------------- what a target takes

/** Rounds or draws that a column needs for a target. */
interface Need {
  readonly basis: 'measured' | 'extrapolated' | 'a bound'
  readonly value: number
  readonly low: number
  readonly high: number
}

const odds = (reliability: number): number => reliability / (1 - reliability)

/**
 * What was reached round by round is in `path`. Else r/(1-r) grows with rounds or draws; where r is not told from 0,
 * that gives a bound from below.
 */
const needOf = (
  { least }: Method,
  units: number,
  path: readonly number[],
  { value, low, high, most }: Known,
  target: number
): Need => {
  const reached = 1 + path.findLastIndex((reliability) => !(reliability >= target))
  if (reached < path.length) return { basis: 'measured', value: reached + 1, low: reached + 1, high: reached + 1 }
  const at = (reliability: number): number => Math.max(least, Math.ceil((units * odds(target)) / odds(reliability)))
  if (!(low > 0)) return { basis: 'a bound', value: at(most), low: at(most), high: Infinity }
  const needed = at(value)
  const isWithin = path.length === 0 && needed <= units
  return { basis: isWithin ? 'measured' : 'extrapolated', value: needed, low: at(high), high: at(low) }
}

/** Seconds of a round or draw: of each component of the model, and of what they share. */
interface Cost {
  readonly own: ReadonlyMap<string, number>
  readonly shared: number
}

/** Of the chosen components, the one that stands for another: of the same kind and the nearest layer. */
const representativeOf = (component: string, chosen: readonly string[]): string => {
  const layerOf = (name: string): number => {
    const piece = pieceOf(name)
    return 'layer' in piece ? piece.layer : 0
  }
  const alike = chosen.filter((name) => pieceOf(name).kind === pieceOf(component).kind)
  const distance = (name: string): number => Math.abs(layerOf(name) - layerOf(component))
  return (alike.length === 0 ? chosen : alike).toSorted((a, b) => distance(a) - distance(b))[0]
}

const costOf = (setting: Setting, method: Method, rates: ReadonlyMap<string, number>): Cost => {
  const names = componentNames(setting.model.architecture)
  const unit = (components: readonly string[]): number => unitOf(setting, method, components).operations
  const shared = 2 * unit([names[0]]) - unit([names[0], names[0]])
  const chosen = [...rates.keys()]
  const operations = names.map((name) => unit([name]) - shared)
  const seconds = names.map((name, at) => operations[at] / rates.get(representativeOf(name, chosen))!)
  const own = new Map(names.map((name, at) => [name, seconds[at]]))
  return { own, shared: (shared * sumOf(seconds)) / sumOf(operations) }
}

interface Peer {
  readonly step: number
  readonly draw: number
  readonly name: string
}

/** The peer computes one chain after another and the whole model for each. */
const costOfPeer = ({ model: { architecture }, study }: Setting, peers: ReadonlyMap<string, Peer>): Cost => {
  const ids = [...study.probe, ...study.observation].reduce((sum, { length }) => sum + length, 0)
  const chosen = [...peers.keys()]
  const own = componentNames(architecture).map((name) => {
    const { step, draw } = peers.get(representativeOf(name, chosen))!
    return [name, chains * ((stepsBetweenDraws * batchSize * rowLength) / step + ids / draw)] as const
  })
  return { own: new Map(own), shared: 0 }
}

interface Seconds {
  readonly value: number
  readonly low: number
  readonly high: number
  readonly isBound: boolean
}

type Pick = (need: Need) => number

const secondsBy = (needs: readonly Need[], total: (pick: Pick) => number): Seconds => ({
  value: total(({ value }) => value),
  low: total(({ low }) => low),
  high: total(({ high }) => high),
  isBound: needs.some(({ basis }) => basis === 'a bound')
})

interface Times {
  /** All go on until the last has reached the target. */
  readonly together: Seconds
  /** Each stops at its own. */
  readonly apart: Seconds
  /** The column in the middle, by itself. */
  readonly median: Seconds
}

const timesOf = ({ own, shared }: Cost, needOfComponent: (component: string) => Need): Times => {
  const names = [...own.keys()]
  const needs = names.map(needOfComponent)
  const all = sumOf([...own.values()])
  const most = (pick: Pick): number => needs.reduce((largest, need) => Math.max(largest, pick(need)), 0)
  const alone = names.map((name) => own.get(name)! + shared / names.length)
  const columns = needs.map((need, at) => secondsBy([need], (pick) => pick(need) * alone[at]))
  const sorted = columns.toSorted((a, b) => a.value - b.value)
  const middle = Math.floor(sorted.length / 2)
  return {
    together: secondsBy(needs, (pick) => most(pick) * (all + shared)),
    apart: secondsBy(needs, (pick) => {
      const each = needs.map((need, at) => pick(need) * own.get(names[at])!)
      return sumOf(each) + shared * most(pick)
    }),
    median: { ...sorted[middle], isBound: sorted.slice(0, middle + 1).some(({ isBound }) => isBound) }
  }
}

// -------------------------------------------------------------------- words

const duration = (seconds: number): string => {
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's']
  ] as const
  const [size, name] = units.find(([least]) => seconds >= 1.5 * least) ?? units[3]
  const value = seconds / size
  return `${value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2)} ${name}`
}

const words = ({ value, low, high, isBound }: Seconds): string => {
  if (isBound) return `≥ ${duration(value)}`
  return high > 1.05 * low ? `${duration(value)} (${duration(low)} to ${duration(high)})` : duration(value)
}

const ratio = (own: Seconds, base: Seconds): string => {
  if (base.isBound) return '–'
  const times = own.value / base.value
  return `${own.isBound ? '≥ ' : ''}${times >= 100 ? Math.round(times).toLocaleString('en') : times.toPrecision(2)}`
}

const figure = ({ value, low, high }: Known): string => `${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`

const counts = (needs: readonly Need[]): string =>
  (['measured', 'extrapolated', 'a bound'] as const)
    .flatMap((basis) => {
      const count = needs.filter((need) => need.basis === basis).length
      return count === 0 ? [] : [`${count} ${basis === 'a bound' && count > 1 ? 'bounds' : basis}`]
    })
    .join(', ')

// -------------------------------------------------------------------- the bench

export interface ReliabilityOptions extends SettingOptions {
  readonly shapes: readonly string[]
  readonly targets: readonly number[]
  /** For a method and component. */
  readonly seconds: number
  readonly components: readonly string[] | undefined
  readonly peer: string | undefined
  readonly python: string
  /** How many times as many steps and draws of the peer. */
  readonly effort: number
}

/** Embeddings, and a head and an MLP of the first, the middle and the last layer. */
const handful = (architecture: Architecture): string[] => {
  const { layers } = architecture
  const some = [...new Set([0, Math.floor(layers / 2), layers - 1])]
  const wished = ['embed', ...some.map((layer) => `head:${layer}.0`), ...some.map((layer) => `mlp:${layer}`), 'unembed']
  return wished.filter((name) => componentNames(architecture).includes(name))
}

/** Columns of what is said of each component and method. */
const measuredWidths = [9, 11, 8, 12, 8, 26, 26]

interface PeerOutput {
  readonly step_tokens_per_s: number
  readonly draw_tokens_per_s: number
  readonly peer: string
  readonly torch: string
}

/** Rates of the peer for each component, or none, and a sentence said, where they can't be measured. */
class Peers {
  readonly rates = new Map<string, Peer>()
  readonly #command: readonly string[]
  #isThere: boolean

  private constructor(
    private readonly options: ReliabilityOptions,
    folder: string,
    rowsFile: string
  ) {
    const { peer, threads, effort } = options
    this.#isThere = peer !== undefined
    this.#command = [
      join(peer ?? '', 'torch_loop.py'),
      folder,
      rowsFile,
      '--chains',
      '1',
      '--steps',
      String(4 * effort),
      '--draws',
      String(2 * effort),
      '--batch',
      String(batchSize),
      '--threads',
      String(threads)
    ]
  }

  static async open(options: ReliabilityOptions, { study }: Setting, folder: string, scratch: string): Promise<Peers> {
    const file = join(scratch, 'rows.json')
    const plain = (rows: readonly Int32Array[]): number[][] => rows.map((row) => [...row])
    const evaluated = [...study.probe, ...study.observation].slice(0, 2 * batchSize)
    const data = plain(study.sampling.slice(0, 4 * batchSize))
    await writeFile(file, JSON.stringify({ data, probe: plain(evaluated) }))
    return new Peers(options, folder, file)
  }

  async measure(component: string): Promise<void> {
    if (!this.#isThere) return
    const { python } = this.options
    try {
      const command = [...this.#command, '--components', component]
      const { stdout } = await promisify(execFile)(python, command, { maxBuffer: 2 ** 26 })
      const output = JSON.parse(stdout.trim().split('\n').at(-1)!) as PeerOutput
      const [step, draw] = [output.step_tokens_per_s, output.draw_tokens_per_s]
      this.rates.set(component, { step, draw, name: output.peer })
      const words = `${whole(step)} ids/s through steps, ${whole(draw)} through draws`
      say([component, 'peer', `${words}: ${output.peer}, torch ${output.torch}`], measuredWidths, 3)
    } catch (error) {
      const { stderr } = error as { readonly stderr?: string }
      const reason = (stderr ?? String(error)).trim().split('\n').at(-1)
      console.log(`    the peer is skipped: ${python} could not run torch_loop.py (${reason}); --python names another`)
      this.#isThere = false
      this.rates.clear()
    }
  }
}

const sources = ['halves', 'correlation'] as const
type Source = (typeof sources)[number]

const sourceWords: Readonly<Record<Source, string>> = {
  halves: 'reliability from halves of the chains or blocks',
  correlation: "reliability from the correlation with first order's column, if they measure the same"
}

/** What each method needs by each source of reliability, component by component. */
type Needs = (source: Source, method: MethodName, target: number) => ReadonlyMap<string, Need>

const needOfNearest =
  (needs: ReadonlyMap<string, Need>) =>
  (component: string): Need =>
    needs.get(representativeOf(component, [...needs.keys()]))!

const reportTimes = (
  targets: readonly number[],
  needs: Needs,
  costs: ReadonlyMap<MethodName, Cost>,
  peer: Cost | undefined
): void => {
  for (const source of sources) {
    for (const target of targets) {
      const ours = methods.map((method) => ({ name: method.name, method, cost: costs.get(method.name)! }))
      const theirs = peer === undefined ? [] : [{ name: 'devinterp', method: methodCalled('pSGLD'), cost: peer }]
      const rows = [...ours, ...theirs].map(({ name, method, cost }) => {
        const own = needs(source, method.name, target)
        const times = timesOf(cost, needOfNearest(own))
        // Rounds stop where a column has enough; chains go on until all have.
        return { name, own, times, every: method.unit === 'rounds' ? times.apart : times.together }
      })
      const [base] = rows
      console.log(`\n  until every column has reliability ${target}; ${sourceWords[source]}`)
      table([
        ['', 'every column', '×', 'each stopping', '×', 'median column', '×', ''],
        ...rows.map(({ name, own, times, every }) => [
          name,
          words(every),
          ratio(every, base.every),
          words(times.apart),
          ratio(times.apart, base.times.apart),
          words(times.median),
          ratio(times.median, base.times.median),
          counts([...own.values()])
        ])
      ])
    }
  }
}

const reportNeeds = (targets: readonly number[], components: readonly string[], needs: Needs): void => {
  const cell = ({ basis, value }: Need): string =>
    `${basis === 'a bound' ? '≥ ' : basis === 'extrapolated' ? '~ ' : ''}${whole(value)}`
  for (const source of sources) {
    console.log(`\n  rounds, or draws of each of ${chains} chains, that are needed; ${sourceWords[source]}`)
    const columns = targets.flatMap((target) => methods.map(({ name }) => ({ target, name })))
    table([
      ['component', ...columns.map(({ target, name }) => `${name} ${target}`)],
      ...components.map((component) => [
        component,
        ...columns.map(({ target, name }) => cell(needs(source, name, target).get(component)!))
      ])
    ])
  }
  console.log('    ~ extrapolated: r/(1-r) in proportion to rounds or draws')
  console.log('    ≥ r is not told from 0: a bound, from what r lies below with 90 % confidence')
}

interface OfComponent {
  readonly measured: Measured
  readonly known: Readonly<Record<Source, Known>>
}

type PerMethod<T> = ReadonlyMap<MethodName, Map<string, T>>
const perMethod = <T>(): PerMethod<T> => new Map(methods.map(({ name }) => [name, new Map<string, T>()]))

const costsOf = (setting: Setting, rates: PerMethod<number>): ReadonlyMap<MethodName, Cost> =>
  new Map(methods.map((method) => [method.name, costOf(setting, method, rates.get(method.name)!)]))

const sayMeasured = (
  setting: Setting,
  method: Method,
  component: string,
  { measured: { rate, units }, known }: OfComponent
): void => {
  const { operations, tokens } = unitOf(setting, method, [component])
  const byCorrelation = method.name === 'first order' ? '' : figure(known.correlation)
  const numbers = [whole((tokens * rate) / operations), `${units} ${method.unit}`, (operations / rate).toPrecision(3)]
  say([component, method.name, ...numbers, figure(known.halves), byCorrelation], measuredWidths, 2)
}

/** The fixture: rates, and what each method needs. */
const measureFixture = async (
  options: ReliabilityOptions,
  setting: Setting,
  components: readonly string[],
  scratch: string
): Promise<Needs> => {
  const starts = rowStartsOf(setting.study.targets)
  const highest = Math.max(...options.targets)
  const peers = await Peers.open(options, setting, join(options.fixtures, 'neox-2m'), scratch)
  const found = perMethod<OfComponent>()
  const rates = perMethod<number>()
  const titles = ['component', 'method', 'tokens/s', 'sampled', 's each', 'reliability (80 %)', 'by correlation (80 %)']
  say(titles, measuredWidths, 2)
  for (const component of components) {
    // First order comes first: the others' columns are put beside its.
    for (const method of methods) {
      const measured = await measure(setting, method, component, options.seconds, highest)
      const halves = fromHalves(measured.column, starts)
      const first = found.get('first order')!.get(component)
      const correlated = (known: OfComponent): Known =>
        fromCorrelation(measured.column, known.measured.column, Math.max(0.01, known.known.halves.value), starts)
      const own = { measured, known: { halves, correlation: first === undefined ? halves : correlated(first) } }
      found.get(method.name)!.set(component, own)
      rates.get(method.name)!.set(component, measured.rate)
      sayMeasured(setting, method, component, own)
    }
    await peers.measure(component)
  }
  const needs: Needs = (source, name, target) => {
    const method = methodCalled(name)
    return new Map(
      [...found.get(name)!].map(
        ([
          component,
          {
            measured: { units, path },
            known
          }
        ]) => {
          const own = source === 'halves' || name === 'first order' ? path : []
          return [component, needOf(method, units, own, known[source], target)]
        }
      )
    )
  }
  reportNeeds(options.targets, components, needs)
  const peer = peers.rates.size === 0 ? undefined : costOfPeer(setting, peers.rates)
  reportTimes(options.targets, needs, costsOf(setting, rates), peer)
  return needs
}

/** Another shape, with random weights: its rates, and the rounds and draws that the fixture needs. */
const measureShape = async (
  options: ReliabilityOptions,
  architecture: Architecture,
  components: readonly string[],
  needs: Needs,
  scratch: string
): Promise<void> => {
  await writeRandomModel(scratch, architecture)
  const rows = (count: number, seed: number): Int32Array[] => rowsOf(count, rowLength, architecture.vocabulary, seed)
  const { precision, threads } = options
  const setting: Setting = {
    model: await loadModel(scratch),
    engine: await resolveEngine(options.engine, precision),
    precision,
    threads,
    study: {
      sampling: rows(4 * batchSize, 2),
      observation: rows(options.observation, 3),
      probe: rows(options.probe, 4),
      targets: Array.from({ length: options.probe }, () => spreadTargets(rowLength))
    }
  }
  const peers = await Peers.open(options, setting, scratch, scratch)
  const rates = perMethod<number>()
  say(['component', 'method', 'tokens/s'], measuredWidths, 2)
  for (const component of components) {
    for (const method of methods) {
      const rate = await pilot(setting, method, component)
      rates.get(method.name)!.set(component, rate)
      const { operations, tokens } = unitOf(setting, method, [component])
      say([component, method.name, whole((tokens * rate) / operations)], measuredWidths, 2)
    }
    await peers.measure(component)
  }
  const peer = peers.rates.size === 0 ? undefined : costOfPeer(setting, peers.rates)
  reportTimes(options.targets, needs, costsOf(setting, rates), peer)
}

/** How long each method takes until every column of a study is known well enough (Method, sections 2 to 3c). */
export const benchReliability = async (options: ReliabilityOptions): Promise<void> => {
  const setting = await openFixture(options)
  if (setting === undefined) return
  const { architecture } = setting.model
  const components = checkedComponents(options.components ?? handful(architecture), architecture)
  const until = `until r lies above ${Math.max(...options.targets)} with 90 % confidence`
  console.log(`\nfixture (neox-2m, trained): ${settingWords(setting)}`)
  console.log(`  measured: ${components.join(', ')}`)
  console.log('  each stands for all of its kind in the layers next to its own, or for kinds of which none is measured')
  console.log(`  ${options.seconds} s for a method and component, or ${until}`)
  console.log('  first order, all orders: their presets (nβ 3)')
  console.log(`  pSGLD: preset paper, ${chains} chains, ${stepsBetweenDraws} steps between draws; but restricted`)
  console.log('    and with a burn-in of one interval, as the first draw of a short chain would be at w*')
  console.log('  plain draws: the same with nβ 0')
  console.log('  devinterp: the draws and steps of our pSGLD (its estimator is the same) at the rates of torch_loop.py')
  if (options.peer === undefined) console.log('  devinterp is skipped: torch_loop.py was not found (--peer)')
  const scratch = await mkdtemp(join(tmpdir(), 'spectroscope-bench-'))
  try {
    const needs = await measureFixture(options, setting, components, scratch)
    if (!options.shapes.includes('pythia-14m')) return
    console.log('\npythia-14m (random weights): rows as many and as long as above')
    console.log("  random weights say nothing of reliability: rates are this shape's, rounds and draws the fixture's")
    await measureShape(options, pythia14m, components, needs, scratch)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
