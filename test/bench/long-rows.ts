import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { projectRoot } from '../../main/base/entries'
import { resolveEngine } from '../../main/engine/engines'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { estimateRun } from '../../main/pipeline/estimate'
import { sample } from '../../main/sampling/sample'
import { parseConfiguration } from '../../preload/configuration'
import { uniforms } from '../tiny-model'
import { gpt2Small, pythia14m, writeRandomModel } from './random-model'

/** What one point is measured at. */
export interface RowsPoint {
  readonly shape: 'gpt2-small' | 'pythia-14m'
  readonly rowLength: number
  readonly batch: number
  readonly steps: number
  /** Rows of losses of a draw, the first of them observed. */
  readonly rows: number
  readonly components: readonly string[] | 'all'
  readonly chains: number
  readonly estimator: 'restricted' | 'two-chain'
  readonly threads: number
  /** 0 for draws alone. */
  readonly nBeta: number
}

interface Measured {
  /** From the end of the first draw to that of the last. */
  readonly seconds: number
  readonly replicas: number
  /** Peak resident memory of the process, and what the estimate of such a run says of all processes. */
  readonly peak: number
  readonly estimate: number
}

const shapes = { 'gpt2-small': gpt2Small, 'pythia-14m': pythia14m } as const

const measured = async (point: RowsPoint): Promise<Measured> => {
  const folder = await mkdtemp(join(tmpdir(), 'spectroscope-rows-'))
  try {
    await promisify(execFile)(process.execPath, [
      join(projectRoot, 'out', 'bench', 'bench.js'),
      'random-model',
      '--point',
      JSON.stringify({ folder, shape: point.shape })
    ])
    const next = uniforms(3)
    const { vocabulary } = shapes[point.shape]
    const rows = (count: number): number[][] =>
      Array.from({ length: count }, () =>
        Array.from({ length: point.rowLength }, () => Math.floor(next() * vocabulary))
      )
    const [sampling, evaluated] = [rows(point.batch), rows(point.rows)]
    const sets = { sampling, observation: evaluated.slice(0, 1), probe: evaluated.slice(1) }
    await writeFile(join(folder, 'rows.json'), JSON.stringify(sets))
    const sampler = {
      preset: 'paper',
      nBeta: point.nBeta,
      estimator: point.estimator,
      chains: point.chains,
      batchSize: point.batch,
      burnIn: 0,
      draws: 2,
      stepsBetweenDraws: point.steps
    }
    const configuration = parseConfiguration(
      {
        model: '.',
        rows: 'rows.json',
        components: point.components,
        sampler,
        clustering: false,
        threads: point.threads
      },
      'bench'
    )
    const engine = await resolveEngine('auto')
    const { memoryBytes } = await estimateRun(configuration, folder, {
      engine,
      gigaflopsPerSecond: 1,
      measuredAt: null
    })
    const model = await loadModel(folder)
    const ids = (list: readonly (readonly number[])[]): Int32Array[] => list.map((row) => Int32Array.from(row))
    const study = {
      sampling: ids(sets.sampling),
      observation: ids(sets.observation),
      probe: ids(sets.probe),
      targets: sets.probe.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, i) => i + 1))
    }
    const names = point.components === 'all' ? componentNames(model.architecture) : point.components
    const ends: number[] = []
    await sample({
      model,
      study,
      components: names,
      sampler: configuration.sampler,
      seed: 1,
      observationIncludesProbe: false,
      engine,
      threads: point.threads,
      onTrace: ({ draw }) => {
        ends[draw] = performance.now() / 1000
      }
    })
    return {
      seconds: ends[1] - ends[0],
      replicas: (names.length + (point.estimator === 'two-chain' ? 1 : 0)) * point.chains,
      peak: process.resourceUsage().maxRSS / 1024,
      estimate: memoryBytes / 2 ** 20
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One point, measured in this process, which must be its own for the peak to be the point's; prints JSON. */
export const measureRowsPoint = async (point: string): Promise<void> =>
  console.log(JSON.stringify(await measured(JSON.parse(point) as RowsPoint)))

/**
 * Writes a model of random weights from a process of its own, so that the peak of who asked is not that of the
 * writing.
 */
export const writeRowsModel = async (point: string): Promise<void> => {
  const { folder, shape } = JSON.parse(point) as { readonly folder: string; readonly shape: RowsPoint['shape'] }
  await writeRandomModel(folder, shapes[shape])
}

const whole = (value: number): string => Math.round(value).toLocaleString('en')

const apart = async (point: RowsPoint): Promise<Measured> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(projectRoot, 'out', 'bench', 'bench.js'),
    'rows-point',
    '--point',
    JSON.stringify(point)
  ])
  return JSON.parse(stdout) as Measured
}

/**
 * Rates and memory of one chain at GPT-2 small's size by the length of a row, beside what the estimate says; each in
 * a process of its own.
 */
export const benchLongRows = async (
  lengths: readonly number[],
  threads: number,
  chosen: Partial<RowsPoint> = {}
): Promise<void> => {
  const point: Omit<RowsPoint, 'rowLength' | 'nBeta'> = {
    shape: 'gpt2-small',
    batch: 2,
    steps: 1,
    rows: 3,
    components: ['embed', 'head:0.0', 'head:6.5', 'mlp:3'],
    chains: 1,
    estimator: 'restricted',
    threads,
    ...chosen
  }
  const { shape, batch, steps, rows, components, chains, estimator } = point
  console.log(
    `\nlong rows: ${shape}, random weights, ${chains} chain(s) of ` +
      `${components === 'all' ? 'all components' : components.join(', ')}, ${estimator}; batch ${batch}, ` +
      `${steps} steps between two draws of ${rows} rows; ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ` +
      `${threads} threads`
  )
  console.log('                 draws alone                              with steps')
  console.log('  ids in a row   tokens/s  peak, MiB  estimated, MiB      tokens/s  peak, MiB  estimated, MiB')
  for (const rowLength of lengths) {
    const drawn = await apart({ ...point, rowLength, nBeta: 0 })
    const stepped = await apart({ ...point, rowLength, nBeta: 3 })
    const tokens = (count: number): number => count * rowLength * drawn.replicas
    const cells = (rate: number, { peak, estimate }: Measured): string =>
      `${whole(rate).padStart(8)} ${whole(peak).padStart(10)}  ${whole(estimate).padStart(14)}`
    console.log(
      `  ${whole(rowLength).padStart(12)}   ${cells(tokens(rows) / drawn.seconds, drawn)}      ` +
        cells(tokens(steps * batch) / (stepped.seconds - drawn.seconds), stepped)
    )
  }
}
