import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel } from '../../main/models/load'
import type { SamplingInput } from '../../main/sampling/input'
import { sample } from '../../main/sampling/sample'

// Samples the tiny model of the folder given, with as many threads as given and what is changed of its input; says
// every draw and its result's hash.

// A clock that goes on by a second whenever it is looked at: when a checkpoint is due depends on the work done, not on
// how slow the disk is.
let looks = 0
performance.now = () => 1000 * ++looks

const [folder, threads, changes] = process.argv.slice(2)
const rows = JSON.parse(readFileSync(join(folder, 'rows.json'), 'utf8')) as Record<
  'sampling' | 'observation' | 'probe',
  number[][]
>
const ids = (list: number[][]): Int32Array[] => list.map((row) => Int32Array.from(row))
const result = await sample({
  model: await loadModel(folder),
  study: {
    sampling: ids(rows.sampling),
    observation: ids(rows.observation),
    probe: ids(rows.probe),
    targets: rows.probe.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, i) => i + 1))
  },
  components: ['embed', 'head:0.1', 'mlp:1', 'unembed'],
  sampler: {
    preset: 'paper',
    method: 'psgld',
    nBeta: 3,
    gamma: 300,
    stepSize: 1e-4,
    rmsDecay: 0.99,
    rmsEpsilon: 0.1,
    batchSize: 4,
    burnIn: 5,
    draws: 12,
    stepsBetweenDraws: 10,
    chains: 2,
    estimator: 'two-chain'
  },
  seed: 9,
  observationIncludesProbe: true,
  engine: 'onnx-cpu',
  threads: Number(threads),
  checkpoint: { folder: join(folder, 'checkpoints'), everySeconds: 0, fingerprint: 'tiny' },
  ...(JSON.parse(changes) as Partial<SamplingInput>),
  onTrace: ({ component, chain, draw }) => console.log(`draw ${component} ${chain} ${draw}`)
})
const hash = createHash('sha256')
for (const array of [
  result.susceptibilities,
  result.standardErrors,
  ...result.traces.flatMap(({ losses, distances }) => [losses, distances])
])
  hash.update(array)
console.log(`finished ${result.tokens} ${hash.digest('hex')}`)
