import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { presets } from '../../preload/configuration'
import type { Precision } from '../../preload/precisions'
import { createEvaluator, hasDevice, resolveEngine } from '../../main/engine/engines'
import { pieceOperations, prefixOperations } from '../../main/engine/core/operations'
import type { Architecture, Model } from '../../main/models/architecture'
import { componentNames, componentSlices, flatten } from '../../main/models/components'
import { loadModel, outlineModel } from '../../main/models/load'
import { sample } from '../../main/sampling/sample'
import { uniforms } from '../tiny-model'
import { float32Errors } from './accuracy'
import { deviceProductRate } from './device'
import { productRate } from './products'
import { gpt2Small, pythia14m, pythia410m, pythia70m, writeRandomModel } from './random-model'

export type RateKind = 'step' | 'draw'

interface Case {
  readonly name: string
  /** The model, or what to fill with random weights. */
  readonly model: string | Architecture
  /** Fixture whose goldens tell the float32 error of this family. */
  readonly golden: string
  readonly rowLength: number
  readonly batch: number
  readonly probeRows: number
  readonly components: 'all' | readonly string[]
  readonly chains: number
  readonly steps: number
  readonly draws: number
  readonly peer: { readonly components: readonly string[]; readonly steps: number; readonly draws: number }
  readonly rounds: number
}

export interface SpeedOptions {
  readonly fixtures: string | undefined
  readonly goldens: string | undefined
  /** Model folder of the shape `fixture`. */
  readonly fixture: string
  /** Folder of the shape `model`, if one is given. */
  readonly model: string | undefined
  readonly peer: string | undefined
  readonly python: string
  readonly threads: number
  readonly rounds: number | undefined
  readonly shapes: readonly string[]
  readonly kinds: readonly RateKind[]
  readonly engine: string
  readonly precision: Precision
  /** Where the peer computes, and whether its products may be TF32 there. */
  readonly peerDevice: 'cpu' | 'cuda'
  readonly peerTf32: boolean
  /** How many times as many steps and draws as the cases name: a device does those in no time. */
  readonly effort: number
}

export const rowsOf = (count: number, length: number, vocabulary: number, seed: number): Int32Array[] => {
  const next = uniforms(seed)
  return Array.from({ length: count }, () => Int32Array.from({ length }, () => Math.floor(next() * vocabulary)))
}

interface Ours {
  readonly model: Model
  readonly components: readonly string[]
  readonly engine: string
  readonly precision: Precision
  readonly threads: number
}

/**
 * Our rate through `sample()`, noise, update and scheduling included: the time from the end of the first draw, when
 * everything has
 * been compiled, to the end of the last. For steps, draws between them are over two rows of two tokens. `busy` is
 * processor time over
 * threads × time: well below 1 where threads waited, or had to share the machine with something else.
 */
const ours = async (
  kind: RateKind,
  bench: Case,
  { model, components, engine, precision, threads }: Ours
): Promise<{ readonly rate: number; readonly busy: number }> => {
  const { vocabulary } = model.architecture
  const replicas = components.length * bench.chains
  const probe = kind === 'step' ? rowsOf(2, 2, vocabulary, 3) : rowsOf(bench.probeRows, bench.rowLength, vocabulary, 3)
  const settings =
    kind === 'step'
      ? { nBeta: 3, stepsBetweenDraws: bench.steps, draws: 2 }
      : { nBeta: 0, stepsBetweenDraws: 1, draws: 1 + bench.draws }
  const ends: { readonly at: number; readonly processor: number }[] = []
  let committed = 0
  await sample({
    model,
    engine,
    precision,
    threads,
    components,
    seed: 1,
    observationIncludesProbe: false,
    study: {
      sampling: rowsOf(4 * bench.batch, bench.rowLength, vocabulary, 2),
      observation: probe.slice(0, 1),
      probe: probe.slice(1),
      targets: probe.slice(1).map(({ length }) => Int32Array.from({ length: length - 1 }, (_, i) => i + 1))
    },
    sampler: {
      ...presets.paper,
      preset: 'paper',
      estimator: 'restricted',
      batchSize: bench.batch,
      chains: bench.chains,
      burnIn: 0,
      ...settings
    },
    onTrace: () => {
      if (++committed % replicas !== 0) return
      const { user, system } = process.cpuUsage()
      ends.push({ at: performance.now(), processor: (user + system) / 1000 })
    }
  })
  const tokens =
    replicas * bench.rowLength * (kind === 'step' ? bench.steps * bench.batch : bench.draws * bench.probeRows)
  const [first, last] = [ends[0], ends.at(-1)!]
  return {
    rate: (1000 * tokens) / (last.at - first.at),
    busy: (last.processor - first.processor) / (last.at - first.at) / threads
  }
}

/**
 * The peer's two rates over its components, one chain each. It runs one chain after another, so their number changes
 * nothing.
 */
const peers = async (
  kind: RateKind,
  bench: Case,
  { peer, python, threads, peerDevice, peerTf32 }: SpeedOptions,
  folder: string,
  rowsFile: string
): Promise<number> => {
  // The loop always times both kinds: of the one that is not asked for it does one, at least.
  const { stdout } = await promisify(execFile)(
    python,
    [
      join(peer!, 'torch_loop.py'),
      folder,
      rowsFile,
      '--components',
      bench.peer.components.join(),
      '--chains',
      '1',
      '--steps',
      String(kind === 'step' ? bench.peer.steps : 1),
      '--draws',
      String(kind === 'draw' ? bench.peer.draws : 1),
      '--batch',
      String(bench.batch),
      '--threads',
      String(threads),
      '--device',
      peerDevice
    ],
    {
      env: {
        ...process.env,
        NVIDIA_TF32_OVERRIDE: peerTf32 ? undefined : '0',
        TORCH_ALLOW_TF32_CUBLAS_OVERRIDE: peerTf32 ? '1' : '0'
      }
    }
  )
  const rates = JSON.parse(stdout) as { step_tokens_per_s: number; draw_tokens_per_s: number }
  return kind === 'step' ? rates.step_tokens_per_s : rates.draw_tokens_per_s
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const rounded = (value: number): string => Math.round(value).toLocaleString('en')
const range = (values: readonly number[], show: (value: number) => string): string =>
  `${show(Math.min(...values))} to ${show(Math.max(...values))}`

const hasTorch = async (python: string): Promise<boolean> =>
  promisify(execFile)(python, ['-c', 'import torch, numpy']).then(
    () => true,
    () => false
  )

/**
 * Losses and gradient of one short row of this very model, float32 against float64, for a head of the last layer:
 * relative, by norm.
 */
const errorsHere = async (engine: string, precision: Precision, { architecture, weights }: Model): Promise<string> => {
  const component = `head:${architecture.layers - 1}.0`
  const u = flatten(weights, componentSlices(architecture, weights, component))
  const [row] = rowsOf(1, 16, architecture.vocabulary, 5)
  const [fast, exact] = await Promise.all(
    [engine, 'reference'].map(async (name) => {
      const evaluator = await createEvaluator(name, architecture, weights, name === engine ? precision : 'float32')
      const prefix = await evaluator.prefix({ ids: row, count: 1, length: row.length })
      const gradient = new Float32Array(u.length)
      await evaluator.gradient(component, u, prefix, gradient)
      const losses = await evaluator.losses(component, u, prefix)
      await evaluator.dispose()
      return { losses, gradient }
    })
  )
  const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  const difference = (a: Float32Array, b: Float32Array): string =>
    (norm(a.map((x, i) => x - b[i])) / norm(b)).toExponential(1)
  return (
    `losses ${difference(fast.losses, exact.losses)}, gradient ${difference(fast.gradient, exact.gradient)} ` +
    `(${component}, ${row.length - 1} targets)`
  )
}

/**
 * What the paper preset would take at these rates; chains of the whole model, which are slower a token than those of
 * components, count as one of these.
 */
const paperWords = ({ rowLength }: Case, rates: ReadonlyMap<RateKind, number>): string => {
  const { draws, stepsBetweenDraws, burnIn, batchSize, chains } = presets.paper
  const [components, probe, observed] = [32, 200_000, 512 * rowLength]
  const sampled = (components + 1) * chains
  const steps = (burnIn + (draws - 1) * stepsBetweenDraws + 1) * batchSize * rowLength * sampled
  const hours = (steps / rates.get('step')! + (draws * (probe + observed) * sampled) / rates.get('draw')!) / 3600
  return (
    `the paper preset over ${rounded(probe)} probe tokens × ${components} components × ${chains} chains, ` +
    `at these rates: ${hours.toFixed(1)} hours`
  )
}

const measure = async (bench: Case, options: SpeedOptions, withPeer: boolean, scratch: string): Promise<void> => {
  const folder = typeof bench.model === 'string' ? bench.model : scratch
  if (typeof bench.model !== 'string') await writeRandomModel(scratch, bench.model)
  const model = await loadModel(folder)
  const { architecture } = model
  const all = componentNames(architecture)
  const components = bench.components === 'all' ? all : bench.components
  const rowsFile = join(scratch, `${bench.name}.json`)
  const rows = (count: number, seed: number): number[][] =>
    rowsOf(count, bench.rowLength, architecture.vocabulary, seed).map((row) => [...row])
  await writeFile(rowsFile, JSON.stringify({ data: rows(4 * bench.batch, 2), probe: rows(bench.probeRows, 3) }))
  const { precision } = options
  const engine = await resolveEngine(options.engine, precision)
  const rate = (): Promise<number> =>
    hasDevice(engine) ? deviceProductRate(engine, precision) : productRate(options.threads)
  const needed = (names: readonly string[], kind: RateKind): number =>
    mean(
      names.map(
        (component) =>
          pieceOperations(architecture, component, bench.rowLength)[kind === 'step' ? 'gradient' : 'losses']
      )
    ) / bench.rowLength
  const shared = prefixOperations(architecture, bench.rowLength) / bench.rowLength / (components.length * bench.chains)
  const share = (names: readonly string[], kind: RateKind): string =>
    `${((100 * needed(names, kind)) / needed(all, kind)).toFixed(1)} %`
  console.log(
    `\n${bench.name}: rows of ${bench.rowLength}, batch ${bench.batch}, ${options.threads} threads, ` +
      `engine ${engine}, ${precision}`
  )
  const sampled =
    bench.components === 'all'
      ? `all ${components.length} components`
      : `${components.join(', ')} of ${all.length} components`
  console.log(`  ours: ${sampled} × ${bench.chains} chain(s) in lockstep`)
  if (withPeer)
    console.log(
      `  peer (${options.peerDevice}${options.peerTf32 ? ', TF32 allowed' : ''}): ` +
        `${bench.peer.components.join(', ')} × 1 chain, one chain after another`
    )
  const machine: number[] = [await rate()]
  const rates = new Map<RateKind, number>()
  for (const kind of options.kinds) {
    const [mine, theirs, busy]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < (options.rounds ?? bench.rounds); round++) {
      const own = await ours(kind, bench, { model, components, engine, precision, threads: options.threads })
      mine.push(own.rate)
      busy.push(own.busy)
      if (withPeer) theirs.push(await peers(kind, bench, options, folder, rowsFile))
      const beside = withPeer ? `, peer ${rounded(theirs[round])}` : ''
      console.log(`    ${kind}, round ${round + 1}: ours ${rounded(own.rate)} tokens/s${beside}`)
    }
    rates.set(kind, median(mine))
    machine.push(await rate())
    const ratios = theirs.map((rate, i) => mine[i] / rate)
    const operations = needed(components, kind) + shared
    const ofProducts = ((100 * median(mine) * operations) / Math.max(...machine)).toFixed(1)
    console.log(
      `  ${kind}: ours ${rounded(median(mine))} tokens/s (${range(mine, rounded)}), ` +
        `${ofProducts} % of the product rate at ${rounded(operations)} operations a token, ` +
        `${(100 * median(busy)).toFixed(0)} % of the threads' time on processors`
    )
    const standIns = withPeer ? `, the peer's stand-ins ${share(bench.peer.components, kind)}` : ''
    console.log(
      `    arithmetic a token, beside the mean of all ${all.length} components: ` +
        `ours ${share(components, kind)}${standIns}`
    )
    if (withPeer)
      console.log(
        `    peer ${rounded(median(theirs))} tokens/s; ours/peer ${median(ratios).toFixed(2)} ` +
          `(${range(ratios, (ratio) => ratio.toFixed(2))})`
      )
  }
  if (bench.name === 'pythia-14m' && options.kinds.length === 2) console.log(`  ${paperWords(bench, rates)}`)
  const productRates = machine.map((rate) => (rate / 1e9).toFixed(0)).join(', ')
  console.log(
    `  products of ${hasDevice(engine) ? '2048' : '1024'}³: ${productRates} GFLOP/s before, between and after`
  )
  const errors = await float32Errors(
    bench.golden,
    options.fixtures,
    options.goldens,
    options.threads,
    () => {},
    engine,
    precision
  )
  const errorWords =
    errors === undefined
      ? 'skipped, as they were not found'
      : `gradient norm ${errors.gradient.toExponential(1)}, losses ${errors.losses.toExponential(1)} relative, ` +
        `χ ${errors.susceptibility.toExponential(1)} of a column's RMS`
  console.log(`  ${precision} against the oracle's goldens (${bench.golden}, largest): ${errorWords}`)
  console.log(`  ${precision} against float64 on this model: ${await errorsHere(engine, precision, model)}`)
}

/** A head of the first, a middle and the last layer, and the middle layer's MLP. */
const spreadOf = async (folder: string): Promise<string[]> => {
  const { layers, heads } = (await outlineModel(folder)).architecture
  const middle = layers >> 1
  return ['head:0.0', `head:${middle}.${heads >> 1}`, `head:${layers - 1}.${heads - 1}`, `mlp:${middle}`]
}

/** Cases of a model on disk, which is a real one and so no fixture's. */
const casesOfModel = async (folder: string | undefined): Promise<Case[]> => {
  if (folder === undefined) return []
  const components = await spreadOf(folder)
  return [
    {
      name: 'model',
      model: folder,
      golden: 'neox-2m',
      rowLength: 64,
      batch: 4,
      probeRows: 4,
      components,
      chains: 2,
      steps: 1,
      draws: 1,
      peer: { components, steps: 2, draws: 2 },
      rounds: 3
    }
  ]
}

/**
 * Step and draw rates beside the peer's, and as a share of the machine's own product rate, measured in one run and in
 * turns.
 */
export const benchSpeed = async (options: SpeedOptions): Promise<void> => {
  const withPeer = options.peer !== undefined && (await hasTorch(options.python))
  if (!withPeer) {
    const lack =
      options.peer === undefined
        ? 'its folder was not found (--peer)'
        : `${options.python} has no torch and numpy (--python)`
    console.log(`The peer is skipped: ${lack}.`)
  }
  const scratch = await mkdtemp(join(tmpdir(), 'spectroscope-bench-'))
  try {
    // Four heads for each MLP, as in the whole, and of the same mean layer; embed and unembed cost together what two
    // others do.
    const standIns = ['head:0.0', 'head:2.1', 'head:3.2', 'head:5.3', 'mlp:2']
    // An even spread over the layers: nearly all components of GPT-2 small are heads.
    const heads = ['head:1.0', 'head:4.3', 'head:7.6', 'head:10.9']
    const cases: Case[] = [
      {
        name: 'fixture',
        model: options.fixture,
        golden: 'neox-2m',
        rowLength: 128,
        batch: 16,
        probeRows: 32,
        components: 'all',
        chains: 4,
        steps: 2,
        draws: 2,
        peer: { components: standIns, steps: 4, draws: 3 },
        rounds: 2
      },
      {
        name: 'pythia-14m',
        model: pythia14m,
        golden: 'neox-2m',
        rowLength: 256,
        batch: 16,
        probeRows: 16,
        components: 'all',
        chains: 4,
        steps: 1,
        draws: 1,
        peer: { components: standIns, steps: 1, draws: 1 },
        rounds: 1
      },
      {
        name: 'pythia-70m',
        model: pythia70m,
        golden: 'neox-2m',
        rowLength: 256,
        batch: 16,
        probeRows: 16,
        components: ['head:0.0', 'head:2.3', 'head:3.5', 'head:5.7', 'mlp:2'],
        chains: 4,
        steps: 1,
        draws: 1,
        peer: { components: ['head:0.0', 'head:2.3', 'head:3.5', 'head:5.7', 'mlp:2'], steps: 1, draws: 1 },
        rounds: 1
      },
      {
        name: 'pythia-410m',
        model: pythia410m,
        golden: 'neox-2m',
        rowLength: 256,
        batch: 16,
        probeRows: 16,
        components: ['head:2.0', 'head:8.5', 'head:15.10', 'head:21.15', 'mlp:11'],
        chains: 4,
        steps: 1,
        draws: 1,
        peer: { components: ['head:2.0', 'head:8.5', 'head:15.10', 'head:21.15', 'mlp:11'], steps: 1, draws: 1 },
        rounds: 1
      },
      {
        name: 'gpt2-small',
        model: gpt2Small,
        golden: 'gpt2-2m',
        rowLength: 256,
        batch: 8,
        probeRows: 8,
        components: heads,
        chains: 4,
        steps: 1,
        draws: 1,
        peer: { components: heads, steps: 1, draws: 1 },
        rounds: 1
      },
      ...(await casesOfModel(options.model))
    ]
    const { effort } = options
    const more = (bench: Case): Case => ({
      ...bench,
      steps: effort * bench.steps,
      draws: effort * bench.draws,
      peer: { ...bench.peer, steps: effort * bench.peer.steps, draws: effort * bench.peer.draws }
    })
    for (const bench of cases.filter(({ name }) => options.shapes.includes(name)))
      await measure(more(bench), options, withPeer, scratch)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
