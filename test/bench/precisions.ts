import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { clusteringSchema, suitClustering, parseConfiguration } from '../../preload/configuration'
import { leftoverCluster } from '../../preload/records'
import { adjustedRand, correlation, matchesOf, overlapOf } from '../../main/api/compare'
import { projectRoot } from '../../main/base/entries'
import { partitionTokens } from '../../main/clustering/cluster'
import { prepareStudy } from '../../main/corpora/study'
import type { Precision } from '../../preload/precisions'
import { resolveEngine } from '../../main/engine/engines'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { loadTokenizer } from '../../main/models/tokenizer'
import { sample } from '../../main/sampling/sample'

/** What one point is sampled with. */
export interface PrecisionPoint {
  readonly fixtures: string
  readonly engine: string
  readonly precision: Precision
  readonly seed: number
  readonly threads: number
  readonly components: readonly string[]
  readonly probe: number
  readonly chains: number
  readonly draws: number
}

interface Sampled {
  readonly seconds: number
  readonly tokens: number
  readonly components: readonly string[]
  readonly engine: string
  /** χ̂ and its standard errors, [tokens, components], as float32 in base 64. */
  readonly susceptibilities: string
  readonly standardErrors: string
}

/** Steps ten times the paper's, so that few of them lie between draws that differ. */
const [rowLength, observation, batch, stepSize, stepsBetweenDraws] = [64, 8, 2, 1e-4, 3]

const text = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')
const numbers = (base64: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer)

/** One point, sampled in this process, as some devices have one precision in each; prints JSON. */
export const measurePrecisionPoint = async (point: string): Promise<void> => {
  const {
    fixtures,
    engine: name,
    precision,
    seed,
    threads,
    components,
    probe,
    chains,
    draws
  } = JSON.parse(point) as PrecisionPoint
  const folder = join(fixtures, 'neox-2m')
  const configuration = parseConfiguration(
    {
      model: folder,
      components,
      seed,
      corpus: {
        files: [join(fixtures, 'corpus')],
        rowLength,
        sampling: 512,
        observation,
        probe,
        observationIncludesProbe: true
      },
      sampler: {
        preset: 'paper',
        nBeta: 3,
        chains,
        draws,
        stepSize,
        stepsBetweenDraws,
        burnIn: 2 * stepsBetweenDraws,
        batchSize: batch,
        estimator: 'restricted'
      }
    },
    'bench'
  )
  const model = await loadModel(folder)
  // Rows are those of one seed, so that another seed changes the sampler's numbers alone.
  const study = await prepareStudy({ ...configuration, seed: 1 }, folder, model, await loadTokenizer(folder))
  const engine = await resolveEngine(name, precision)
  const start = performance.now()
  const {
    tokens,
    components: columns,
    susceptibilities,
    standardErrors
  } = await sample({
    model,
    study,
    components,
    sampler: configuration.sampler,
    seed,
    observationIncludesProbe: true,
    engine,
    precision,
    threads
  })
  const sampled: Sampled = {
    seconds: (performance.now() - start) / 1000,
    tokens,
    components: columns,
    engine,
    susceptibilities: text(susceptibilities),
    standardErrors: text(standardErrors)
  }
  console.log(JSON.stringify(sampled))
}

const apart = async (point: PrecisionPoint): Promise<Sampled> => {
  const entry = join(projectRoot, 'out', 'bench', 'bench.js')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [entry, 'precision-point', '--point', JSON.stringify(point)],
    { maxBuffer: 2 ** 28 }
  )
  return JSON.parse(stdout) as Sampled
}

const columnOf = (matrix: Float32Array, width: number, at: number): Float32Array =>
  Float32Array.from({ length: matrix.length / width }, (_, token) => matrix[token * width + at])
const rootMeanSquare = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
/** Root of the mean square about the mean, as columns are centred before anything is made of them. */
const spread = (values: Float32Array): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return rootMeanSquare(values.map((value) => value - mean))
}
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

/** Numbers of the clusters of tokens, `leftoverCluster` for none; from 1. */
const clustersOf = async ({ susceptibilities, tokens, components }: Sampled, threads: number): Promise<Int32Array> => {
  const configuration = suitClustering(
    clusteringSchema.parse({ method: 'acl', neighbours: 15, minSize: 20, whiten: false }),
    tokens
  )
  const {
    layers: [layer]
  } = await partitionTokens({ matrix: numbers(susceptibilities), tokens, components, configuration, seed: 1, threads })
  return layer.membership.map((cluster) => (cluster < 0 ? leftoverCluster : cluster + 1))
}

const table = (rows: readonly (readonly string[])[]): void => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  for (const row of rows)
    console.log(
      '  ' +
        row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ')
    )
}

/**
 * What a precision does to χ on the fixture model, with the random numbers of float32: for each column the
 * correlation with float32's and the error as a share of its spread, and how many of its clusters come back. The same
 * of float32 with another seed tells what sampling alone does.
 */
export const benchPrecisions = async (
  precisions: readonly Precision[],
  fixtures: string,
  chosen: Pick<PrecisionPoint, 'engine' | 'threads'> & Partial<PrecisionPoint>
): Promise<void> => {
  const { architecture } = await loadModel(join(fixtures, 'neox-2m'))
  const base: Omit<PrecisionPoint, 'precision' | 'seed'> = {
    fixtures,
    components: componentNames(architecture),
    probe: 80,
    chains: 2,
    draws: 8,
    ...chosen,
    engine: await resolveEngine(chosen.engine)
  }
  console.log(
    `\nneox-2m: ${base.components.length} components × ${base.chains} chains × ${base.draws} draws, ` +
      `${stepsBetweenDraws} steps of ${stepSize} apart, nβ 3, ${base.probe} probe rows of ${rowLength}, ` +
      `${observation} more observation rows`
  )
  const exact = await apart({ ...base, precision: 'float32', seed: 1 })
  const others: { readonly name: string; readonly sampled: Sampled }[] = []
  for (const precision of precisions.filter((each) => each !== 'float32'))
    others.push({ name: precision, sampled: await apart({ ...base, precision, seed: 1 }) })
  others.push({ name: 'another seed', sampled: await apart({ ...base, precision: 'float32', seed: 2 }) })
  const width = exact.components.length
  const [values, errors] = [numbers(exact.susceptibilities), numbers(exact.standardErrors)]
  const columns = exact.components.map((component, at) => {
    const own = columnOf(values, width, at)
    const noise = rootMeanSquare(columnOf(errors, width, at)) / spread(own)
    const beside = others.map(({ sampled }) => {
      const theirs = columnOf(numbers(sampled.susceptibilities), width, at)
      return {
        correlation: correlation(own, theirs),
        error: spread(own.map((value, token) => theirs[token] - value)) / spread(own)
      }
    })
    return { component, noise, beside }
  })
  console.log(
    `\n  χ of ${exact.tokens} tokens beside float32's (${exact.engine}, ${exact.seconds.toFixed(0)} s): ` +
      `correlation, and error as a share of the column's spread; the noise of float32's own χ between chains, ` +
      'likewise'
  )
  const figures = (one: { readonly correlation: number; readonly error: number }): string[] => [
    one.correlation.toFixed(5),
    one.error.toExponential(1)
  ]
  table([
    ['component', 'noise', ...others.flatMap(({ name }) => [name, 'error'])],
    ...columns.map(({ component, noise, beside }) => [component, noise.toFixed(2), ...beside.flatMap(figures)]),
    [
      'median',
      median(columns.map(({ noise }) => noise)).toFixed(2),
      ...others.flatMap((_, at) =>
        figures({
          correlation: median(columns.map(({ beside }) => beside[at].correlation)),
          error: median(columns.map(({ beside }) => beside[at].error))
        })
      )
    ]
  ])
  const own = await clustersOf(exact, base.threads)
  const count = new Set(own).size - Number(own.includes(leftoverCluster))
  const clustered = own.filter((cluster) => cluster !== leftoverCluster).length
  const settings = 'k = 15, otherwise settings of docs/method.md, section 5'
  console.log(`\n  float32 has ${count} clusters with ${clustered} tokens; ${settings}`)
  const rows: string[][] = []
  for (const { name, sampled } of others) {
    const theirs = await clustersOf(sampled, base.threads)
    const overlap = overlapOf(own, theirs)
    const found = matchesOf(overlap).filter(({ jaccard }) => jaccard >= 0.5).length
    rows.push([
      name,
      String(new Set(theirs).size - Number(theirs.includes(leftoverCluster))),
      adjustedRand(overlap).toFixed(3),
      `${found} of ${count}`,
      `${sampled.seconds.toFixed(0)} s`
    ])
  }
  table([
    ['beside', 'clusters', 'adjusted Rand', "float32's with a Jaccard index of 0.5 or more", 'sampled in'],
    ...rows
  ])
}
