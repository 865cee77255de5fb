import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { projectRoot } from '../../main/base/entries'
import { presets } from '../../preload/configuration'
import { resolveEngine } from '../../main/engine/engines'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { sample } from '../../main/sampling/sample'
import type { SamplingInput } from '../../main/sampling/input'
import { uniforms } from '../tiny-model'
import { logPlot } from './log-plot'
import { pythia, writeRandomModel } from './random-model'

/** What one point is measured at. */
export interface GrowthPoint {
  /** Studied tokens; rounded up to whole rows. */
  readonly tokens: number
  readonly components: number
  readonly chains: number
  readonly rowLength: number
  readonly vocabulary: number
  readonly threads: number
  readonly draws: number
}

interface Measured {
  /**
   * Token ids of rows a second, of all chains together, through draws and through steps; NaN where there were too few
   * to tell.
   */
  readonly draw: number
  readonly step: number
  /** Peak resident memory of the process, MiB. */
  readonly peak: number
}

interface Axis {
  readonly name: keyof GrowthPoint
  readonly words: string
  readonly values: readonly number[]
  /** What differs from `base` along this axis. */
  readonly at?: Partial<GrowthPoint>
}

const cores = availableParallelism()
const base: GrowthPoint = {
  tokens: 20_000,
  components: 8,
  chains: 2,
  rowLength: 128,
  vocabulary: 256,
  threads: cores,
  draws: 2
}
const shape = { layers: 2, hidden: 112, heads: 14, intermediate: 224 }
const batch = 8
const steps = 8

const upTo = (most: number): number[] => [
  ...new Set([...[1, 2, 4, 8, 16, 32, 64].filter((count) => count < most), most])
]

const axes: readonly Axis[] = [
  {
    name: 'tokens',
    words: 'studied tokens',
    values: [10_000, 30_000, 100_000, 300_000, 1_000_000],
    at: { components: 4, chains: 1 }
  },
  { name: 'draws', words: 'draws', values: [2, 4, 10, 20, 40], at: { tokens: 10_000, components: 4, chains: 1 } },
  { name: 'components', words: 'components', values: upTo(32) },
  { name: 'chains', words: 'chains of each component', values: upTo(16) },
  {
    name: 'rowLength',
    words: 'token ids in a row',
    values: [32, 64, 128, 256, 512, 1024, 2048],
    at: { tokens: 8000, components: 4, chains: 1 }
  },
  {
    name: 'vocabulary',
    words: 'vocabulary',
    values: [256, 1024, 4096, 16_384, 50_304],
    at: { tokens: 5000, components: 4 }
  },
  { name: 'threads', words: 'threads', values: upTo(cores) }
]

export const growthAxes = axes.map(({ name }) => name)

/** `count` components, spread evenly over all that there are. */
const spread = (names: readonly string[], count: number): string[] =>
  Array.from({ length: count }, (_, i) => names[Math.floor(((i + 0.5) * names.length) / count)])

/** When the last chain had each draw, in seconds. */
const drawTimes = async (input: SamplingInput): Promise<number[]> => {
  const times: number[] = []
  const onTrace = ({ draw }: { readonly draw: number }): void => {
    times[draw] = performance.now() / 1000
  }
  await sample({ ...input, onTrace })
  return times
}

const isolated = async ({
  tokens,
  components,
  chains,
  rowLength,
  vocabulary,
  threads,
  draws
}: GrowthPoint): Promise<Measured> => {
  const folder = await mkdtemp(join(tmpdir(), 'spectroscope-growth-'))
  try {
    await writeRandomModel(folder, pythia({ ...shape, rotated: 2, vocabulary }))
    const model = await loadModel(folder)
    const next = uniforms(3)
    const rows = (count: number): Int32Array[] =>
      Array.from({ length: count }, () => Int32Array.from({ length: rowLength }, () => Math.floor(next() * vocabulary)))
    const probe = rows(Math.ceil(tokens / (rowLength - 1)))
    const targets = (given: readonly Int32Array[]): Int32Array[] =>
      given.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, i) => i + 1))
    const [sampling, observation] = [rows(4 * batch), rows(4)]
    const common = {
      model,
      components: spread(componentNames(model.architecture), components),
      seed: 1,
      observationIncludesProbe: false,
      engine: await resolveEngine('auto'),
      threads
    }
    const sampler = {
      ...presets.paper,
      preset: 'paper',
      estimator: 'restricted',
      chains,
      batchSize: batch,
      burnIn: 0
    } as const
    const replicas = components * chains
    const drawn = await drawTimes({
      ...common,
      study: { sampling, observation, probe, targets: targets(probe) },
      sampler: { ...sampler, nBeta: 0, draws, stepsBetweenDraws: 1 }
    })
    const few = probe.slice(0, 1)
    const stepped = await drawTimes({
      ...common,
      study: { sampling, observation: observation.slice(0, 1), probe: few, targets: targets(few) },
      sampler: { ...sampler, nBeta: 3, draws: 2, stepsBetweenDraws: steps }
    })
    return {
      draw: ((draws - 1) * (probe.length + observation.length) * rowLength * replicas) / (drawn[draws - 1] - drawn[0]),
      step: (steps * batch * rowLength * replicas) / (stepped[1] - stepped[0]),
      peak: process.resourceUsage().maxRSS / 1024
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One point, measured in this process, which must be its own for the peak to be the point's; prints JSON. */
export const measureGrowthPoint = async (point: string): Promise<void> =>
  console.log(JSON.stringify(await isolated(JSON.parse(point) as GrowthPoint)))

const apart = async (point: GrowthPoint): Promise<Measured> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(projectRoot, 'out', 'bench', 'bench.js'),
    'growth-point',
    '--point',
    JSON.stringify(point)
  ])
  return JSON.parse(stdout) as Measured
}

/** Slope of the straight line through the logarithms: the exponent of y ~ xᵖ. */
const exponent = (points: readonly (readonly [number, number])[]): number => {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const)
  const mean = (of: (pair: readonly [number, number]) => number): number =>
    logs.reduce((sum, pair) => sum + of(pair), 0) / logs.length
  const [x, y] = [mean(([a]) => a), mean(([, b]) => b)]
  return logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0)
}

const whole = (value: number): string => Math.round(value).toLocaleString('en')

const settings = (given: Partial<GrowthPoint>): string =>
  Object.entries(given)
    .map(([name, value]) => `${name === 'rowLength' ? 'row length' : name} ${whole(value)}`)
    .join(', ')

/**
 * Rates and memory along each axis, everything else as in `base`: a table, exponents, and a plot in
 * `out/bench/growth.svg`.
 */
export const benchGrowth = async (chosen: readonly string[]): Promise<void> => {
  const unknown = chosen.find((name) => !growthAxes.includes(name as keyof GrowthPoint))
  if (unknown !== undefined) throw new Error(`There is no axis "${unknown}"; choose from ${growthAxes.join(', ')}.`)
  console.log(
    `\ngrowth: GPT-NeoX of ${shape.layers} layers, width ${shape.hidden}, ${shape.heads} heads, random ` +
      `weights; ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cores} threads at most`
  )
  console.log(`  unless said otherwise ${settings(base)}; batch ${batch}; each point in a process of its own`)
  const curves: { readonly axis: Axis; readonly points: readonly (readonly [number, Measured])[] }[] = []
  for (const axis of axes.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
    console.log(
      `\n  ${axis.words.padEnd(26)}draws, tokens/s  steps, tokens/s  peak, ` +
        `MiB${axis.at === undefined ? '' : `   (${settings(axis.at)})`}`
    )
    const points: (readonly [number, Measured])[] = []
    for (const value of axis.values) {
      const measured = await apart({ ...base, ...axis.at, [axis.name]: value })
      points.push([value, measured])
      console.log(
        `  ${whole(value).padStart(24)}  ${whole(measured.draw).padStart(15)}  ` +
          `${whole(measured.step).padStart(15)}  ${whole(measured.peak).padStart(9)}`
      )
    }
    curves.push({ axis, points })
    const slope = (of: (measured: Measured) => number): string =>
      exponent(points.map(([value, measured]) => [value, of(measured)])).toFixed(2)
    const [[x0, first], [x1, last]] = [points[0], points[points.length - 1]]
    console.log(
      `  ${'exponents'.padStart(24)}  ${slope(({ draw }) => draw).padStart(15)}  ` +
        `${slope(({ step }) => step).padStart(15)}  ${slope(({ peak }) => peak).padStart(9)}   memory ` +
        `${(((last.peak - first.peak) * 2 ** 20) / (x1 - x0)).toFixed(1)} bytes more for each more, first to last`
    )
  }
  const panels = curves.flatMap(({ axis: { words, at }, points }) => {
    const x = at === undefined ? words : `${words} (${settings(at)})`
    return [
      {
        title: `Rate by ${words}`,
        x,
        y: 'tokens/s',
        series: [
          { name: 'draws', points: points.map(([value, { draw }]) => [value, draw] as const) },
          { name: 'steps', points: points.map(([value, { step }]) => [value, step] as const) }
        ]
      },
      {
        title: `Peak memory by ${words}`,
        x,
        y: 'MiB',
        series: [{ name: 'peak', points: points.map(([value, { peak }]) => [value, peak] as const) }]
      }
    ]
  })
  const file = join(projectRoot, 'out', 'bench', 'growth.svg')
  await mkdir(join(projectRoot, 'out', 'bench'), { recursive: true })
  await writeFile(
    file,
    logPlot(
      `How cost grows: ${shape.layers} layers of width ${shape.hidden}, ` +
        (cpus()[0]?.model.trim() ?? 'unknown processor'),
      `Unless said otherwise ${settings(base)}`,
      panels,
      2
    )
  )
  console.log(`\n  plot: ${file}`)
}
