import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { presets } from '../../preload/configuration'
import { projectRoot } from '../../main/base/entries'
import type { Model } from '../../main/models/architecture'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { threadLanes } from '../../main/sampling/pool'
import { sample } from '../../main/sampling/sample'
import { batch, chains, length, shapes } from './launches'
import { writeRandomModel } from './random-model'
import { rowsOf } from './speed'

interface Took {
  /** ms by the clock, and of all threads' processor time. */
  readonly clock: number
  readonly processor: number
}

const now = (): Took => {
  const { user, system } = process.cpuUsage()
  return { clock: performance.now(), processor: (user + system) / 1000 }
}

const lanes = threadLanes(join(projectRoot, 'out', 'bench', 'idle-worker.js'))

/** From the end of the first draw, which one step comes before, to that of the second, so many steps later. */
const took = async ({ architecture, weights }: Model, threads: number, steps: number): Promise<Took> => {
  const rows = rowsOf(2, 2, architecture.vocabulary, 3)
  const replicas = componentNames(architecture).length * chains
  const ends: Took[] = []
  let committed = 0
  await sample(
    {
      model: { architecture, weights }, engine: 'onnx-cuda', threads, components: componentNames(architecture), seed: 1, observationIncludesProbe: false,
      study: { sampling: rowsOf(4 * batch, length, architecture.vocabulary, 2), observation: rows.slice(0, 1), probe: rows.slice(1), targets: [Int32Array.of(1)] },
      sampler: { ...presets.paper, preset: 'paper', estimator: 'restricted', batchSize: batch, chains, burnIn: 0, nBeta: 3, draws: 2, stepsBetweenDraws: steps },
      onTrace: () => ++committed % replicas === 0 && ends.push(now())
    },
    { openLane: lanes }
  )
  return { clock: ends[1].clock - ends[0].clock, processor: ends[1].processor - ends[0].processor }
}

/**
 * What the processor has to do for a step of every chain of all components beside a device that computes nothing: weights and activations
 * put together for its programs, gradients taken from them, noise, updates. The difference between runs of nine steps and of one.
 */
export const benchHost = async (names: readonly string[], threads: number, rounds: number): Promise<void> => {
  for (const name of names) {
    const folder = await mkdtemp(join(tmpdir(), 'spectroscope-host-'))
    await writeRandomModel(folder, shapes[name])
    const model = await loadModel(folder)
    console.log(`\n${name}, the processor's part of a step of ${componentNames(model.architecture).length * chains} chains, ${batch} rows of ${length}: ms by the clock, of processor time`)
    for (let round = 0; round < rounds; round++) {
      for (const each of [...new Set([2, threads])]) {
        const [one, nine] = [await took(model, each, 1), await took(model, each, 9)]
        console.log(`  ${each} threads ${((nine.clock - one.clock) / 8).toFixed(0).padStart(10)} ${((nine.processor - one.processor) / 8).toFixed(0).padStart(6)}`)
      }
    }
    await rm(folder, { recursive: true })
  }
}
