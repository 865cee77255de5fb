import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { presets } from '../../preload/configuration'
import { createEvaluator, resolveEngine } from '../../main/engine/engines'
import type { Model } from '../../main/models/architecture'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { sample } from '../../main/sampling/sample'
import { uniforms } from '../tiny-model'
import { productRate } from './products'
import { pythia14m, writeRandomModel } from './random-model'

interface Case {
  readonly name: string
  readonly folder: string
  readonly rowLength: number
  readonly batch: number
  readonly probeRows: number
  /** "all", or a selection that both sides run. */
  readonly components: 'all' | readonly string[]
  readonly chains: number
  readonly steps: number
  readonly draws: number
  readonly rounds: number
}

export interface SpeedOptions {
  readonly fixture: string | undefined
  readonly peer: string | undefined
  readonly python: string
  readonly threads: number
  readonly rounds: number | undefined
  readonly shapes: readonly string[]
}

interface Rates {
  readonly step: number
  readonly draw: number
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

const rowsOf = (count: number, length: number, vocabulary: number, seed: number): Int32Array[] => {
  const next = uniforms(seed)
  return Array.from({ length: count }, () => Int32Array.from({ length }, () => Math.floor(next() * vocabulary)))
}

/**
 * Our rates through `sample()`, noise, update and scheduling included. A rate is the difference of two runs, one of which has more
 * steps (or draws), so that start-up drops out, as the peer's warm-up step does.
 */
const ours = async (bench: Case, model: Model, components: readonly string[], sampling: Int32Array[], probe: Int32Array[], engine: string, threads: number): Promise<Rates> => {
  const run = (probeRows: Int32Array[], sampler: { nBeta: number; burnIn: number; draws: number }): Promise<number> =>
    seconds(() =>
      sample({
        model, engine, threads, components, seed: 1, observationIncludesProbe: false,
        study: { sampling, observation: probeRows.slice(0, 1), probe: probeRows.slice(1), targets: probeRows.slice(1).map(({ length }) => Int32Array.from({ length: length - 1 }, (_, i) => i + 1)) },
        sampler: { ...presets.paper, preset: 'paper', estimator: 'restricted', batchSize: bench.batch, chains: bench.chains, stepsBetweenDraws: 1, ...sampler }
      })
    )
  const few = probe.slice(0, 2)
  const replicas = components.length * bench.chains
  const stepTime = (await run(few, { nBeta: 3, burnIn: bench.steps, draws: 2 })) - (await run(few, { nBeta: 3, burnIn: 0, draws: 2 }))
  const drawTime = (await run(probe, { nBeta: 0, burnIn: 0, draws: 2 + bench.draws })) - (await run(probe, { nBeta: 0, burnIn: 0, draws: 2 }))
  return {
    step: (bench.steps * bench.batch * bench.rowLength * replicas) / stepTime,
    draw: (bench.draws * probe.length * bench.rowLength * replicas) / drawTime
  }
}

const peers = async (bench: Case, { peer, python, threads }: SpeedOptions, components: readonly string[], rowsFile: string): Promise<Rates> => {
  const { stdout } = await promisify(execFile)(python, [
    join(peer!, 'torch_loop.py'), bench.folder, rowsFile, '--components', components.join(), '--chains', '1', '--steps', String(bench.steps),
    '--draws', String(bench.draws), '--batch', String(bench.batch), '--threads', String(threads)
  ])
  const { step_tokens_per_s: step, draw_tokens_per_s: draw } = JSON.parse(stdout) as { step_tokens_per_s: number; draw_tokens_per_s: number }
  return { step, draw }
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const rounded = (value: number): string => Math.round(value).toLocaleString('en')

const report = (kind: keyof Rates, mine: readonly Rates[], theirs: readonly Rates[], operationsPerToken: number, machine: number): void => {
  const own = mine.map((rates) => rates[kind])
  const share = (median(own) * operationsPerToken) / machine
  const ratios = theirs.map((rates, i) => own[i] / rates[kind])
  const against = ratios.length === 0 ? '' : `; peer ${rounded(median(theirs.map((rates) => rates[kind])))} tokens/s; ours/peer ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
  console.log(`  ${kind}: ours ${rounded(median(own))} tokens/s (${rounded(Math.min(...own))} to ${rounded(Math.max(...own))}), ${(100 * share).toFixed(1)} % of the product rate at ${rounded(operationsPerToken)} operations a token${against}`)
}

const hasTorch = async (python: string): Promise<boolean> =>
  promisify(execFile)(python, ['-c', 'import torch, numpy']).then(
    () => true,
    () => false
  )

const measure = async (bench: Case, options: SpeedOptions, withPeer: boolean, scratch: string): Promise<void> => {
  const model = await loadModel(bench.folder)
  const { vocabulary } = model.architecture
  const components = bench.components === 'all' ? componentNames(model.architecture) : bench.components
  const sampling = rowsOf(4 * bench.batch, bench.rowLength, vocabulary, 2)
  const probe = rowsOf(bench.probeRows, bench.rowLength, vocabulary, 3)
  const rowsFile = join(scratch, `${bench.name}.json`)
  await writeFile(rowsFile, JSON.stringify({ data: sampling.map((row) => [...row]), probe: probe.map((row) => [...row]) }))
  const engine = await resolveEngine('auto')
  const evaluator = await createEvaluator(engine, model.architecture, model.weights)
  const perToken = (kind: 'gradient' | 'losses'): number =>
    components.reduce((sum, component) => sum + evaluator.operations(component, bench.rowLength)[kind], 0) / components.length / bench.rowLength
  const operations = { step: perToken('gradient'), draw: perToken('losses') }
  await evaluator.dispose()
  console.log(`\n${bench.name}: rows of ${bench.rowLength}, batch ${bench.batch}, ${components.length} components, ${bench.chains} chain(s) in lockstep (the peer runs one after another), ${options.threads} threads, engine ${engine}`)
  const machine: number[] = [await productRate(options.threads)]
  const [mine, theirs]: [Rates[], Rates[]] = [[], []]
  for (let round = 0; round < (options.rounds ?? bench.rounds); round++) {
    mine.push(await ours(bench, model, components, sampling, probe, engine, options.threads))
    if (withPeer) theirs.push(await peers(bench, options, components, rowsFile))
  }
  machine.push(await productRate(options.threads))
  console.log(`  products of 1024³: ${machine.map((rate) => (rate / 1e9).toFixed(0)).join(' GFLOP/s before, ')} GFLOP/s after`)
  report('step', mine, theirs, operations.step, Math.max(...machine))
  report('draw', mine, theirs, operations.draw, Math.max(...machine))
}

/** Step and draw rates beside the peer's, and as a share of the machine's own product rate, measured in one run and in turns. */
export const benchSpeed = async (options: SpeedOptions): Promise<void> => {
  const withPeer = options.peer !== undefined && (await hasTorch(options.python))
  if (!withPeer) console.log(`The peer is skipped: ${options.peer === undefined ? 'its folder was not found (--peer)' : `${options.python} has no torch and numpy (--python)`}.`)
  const scratch = await mkdtemp(join(tmpdir(), 'spectroscope-bench-'))
  try {
    await writeRandomModel(scratch, pythia14m)
    // Embeddings, heads and MLPs low and high in the model. Embed and unembed weigh more here than in a whole run.
    const components = ['embed', 'head:0.0', 'head:2.1', 'head:5.1', 'mlp:1', 'mlp:4', 'unembed']
    const cases: Case[] = [
      ...(options.fixture === undefined ? [] : [{ name: 'fixture', folder: options.fixture, rowLength: 128, batch: 16, probeRows: 32, components, chains: 2, steps: 4, draws: 3, rounds: 2 }]),
      { name: 'pythia-14m', folder: scratch, rowLength: 256, batch: 16, probeRows: 16, components, chains: 1, steps: 2, draws: 2, rounds: 1 }
    ]
    for (const bench of cases.filter(({ name }) => options.shapes.includes(name))) await measure(bench, options, withPeer, scratch)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
