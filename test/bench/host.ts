import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { presets } from '../../preload/configuration'
import { projectRoot } from '../../main/base/entries'
import type { Model } from '../../main/models/architecture'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { threadLanes } from '../../main/sampling/thread-lanes'
import { sample } from '../../main/sampling/sample'
import { batch, chains, length, shapes } from './launches'
import { writeRandomModel } from './random-model'
import { rowsOf } from './speed'

interface Times {
  /** ms by the clock, and of processor time, of all threads and of each. */
  readonly clock: number
  readonly processor: number
  readonly threads: ReadonlyMap<string, number>
}

/** Processor time of every thread of this process, by its id, in ms; of none where there is no /proc. */
const threadTimes = (): ReadonlyMap<string, number> => {
  const tasks = '/proc/self/task'
  const ticks = (id: string): number => {
    const [user, system] = readFileSync(join(tasks, id, 'stat'), 'utf8')
      .split(') ')[1]
      .split(' ')
      .slice(11, 13)
      .map(Number)
    return 10 * (user + system)
  }
  return existsSync(tasks) ? new Map(readdirSync(tasks).map((id) => [id, ticks(id)])) : new Map()
}

const now = (): Times => {
  const { user, system } = process.cpuUsage()
  return { clock: performance.now(), processor: (user + system) / 1000, threads: threadTimes() }
}

interface Took {
  readonly clock: number
  readonly processor: number
  /**
   * Processor time of the thread that had most, in ms: by the clock it can't be less, however many cores there are.
   */
  readonly busiest: number
}

const lanes = threadLanes(join(projectRoot, 'out', 'bench', 'idle-worker.js'))

/** From the end of the first draw, which one step comes before, to that of the second, so many steps later. */
const took = async ({ architecture, weights }: Model, threads: number, steps: number): Promise<Took> => {
  const rows = rowsOf(2, 2, architecture.vocabulary, 3)
  const replicas = componentNames(architecture).length * chains
  const ends: Times[] = []
  let committed = 0
  await sample(
    {
      model: { architecture, weights },
      engine: 'onnx-cuda',
      threads,
      components: componentNames(architecture),
      seed: 1,
      observationIncludesProbe: false,
      study: {
        sampling: rowsOf(4 * batch, length, architecture.vocabulary, 2),
        observation: rows.slice(0, 1),
        probe: rows.slice(1),
        targets: [Int32Array.of(1)]
      },
      sampler: {
        ...presets.paper,
        preset: 'paper',
        estimator: 'restricted',
        batchSize: batch,
        chains,
        burnIn: 0,
        nBeta: 3,
        draws: 2,
        stepsBetweenDraws: steps
      },
      onTrace: () => ++committed % replicas === 0 && ends.push(now())
    },
    { openLane: lanes }
  )
  const busiest = [...ends[1].threads].reduce(
    (most, [id, time]) => Math.max(most, time - (ends[0].threads.get(id) ?? 0)),
    0
  )
  return { clock: ends[1].clock - ends[0].clock, processor: ends[1].processor - ends[0].processor, busiest }
}

/**
 * What the processor has to do for a step of every chain of all components beside a device that computes nothing:
 * weights and activations put together for its programs, gradients taken from them, noise, updates. The difference
 * between runs of nine steps and of one.
 */
export const benchHost = async (names: readonly string[], threads: number, rounds: number): Promise<void> => {
  for (const name of names) {
    const folder = await mkdtemp(join(tmpdir(), 'spectroscope-host-'))
    await writeRandomModel(folder, shapes[name])
    const model = await loadModel(folder)
    console.log(
      `\n${name}, the processor's part of a step of ${componentNames(model.architecture).length * chains} ` +
        `chains, ${batch} rows of ${length}: ms by the clock, of processor time, and of the busiest thread's`
    )
    for (let round = 0; round < rounds; round++) {
      for (const each of [...new Set([2, threads])]) {
        const [one, nine] = [await took(model, each, 1), await took(model, each, 9)]
        const per = (time: keyof Took): string => ((nine[time] - one[time]) / 8).toFixed(0).padStart(6)
        console.log(`  ${String(each).padStart(2)} threads ${per('clock')} ${per('processor')} ${per('busiest')}`)
      }
    }
    await rm(folder, { recursive: true })
  }
}
