import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { presets } from '../../preload/configuration'
import { type Executor, isResident } from '../../main/engine/core/executor'
import { size } from '../../main/engine/core/graph'
import { lowerToOnnx } from '../../main/engine/onnx/lower'
import { TransformerEvaluator } from '../../main/engine/core/transformer-evaluator'
import type { Architecture, Model } from '../../main/models/architecture'
import { componentNames } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { localLane } from '../local-lane'
import { sample } from '../../main/sampling/sample'
import { idleDevice } from './idle-device'
import { gpt2Small, pythia14m, pythia410m, pythia70m, writeRandomModel } from './random-model'
import { rowsOf } from './speed'

/**
 * Nodes of a model but for those that only give a tensor another shape or name: what a device is told to launch,
 * before its provider fuses any.
 */
const launchesOf = (model: Uint8Array): number => {
  const fields = (bytes: Uint8Array, wanted: number): Uint8Array[] => {
    const reader = protobuf.Reader.create(bytes)
    const found: Uint8Array[] = []
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag >>> 3 === wanted && (tag & 7) === 2) found.push(reader.bytes())
      else reader.skipType(tag & 7)
    }
    return found
  }
  const [graph] = fields(model, 7)
  const free = new Set(['Reshape', 'Identity', 'Squeeze', 'Unsqueeze'])
  return fields(graph, 1).filter((node) => !free.has(Buffer.from(fields(node, 4)[0]).toString())).length
}

interface Counts {
  runs: number
  launches: number
  bytesThere: number
  bytesBack: number
  programs: number
}

const none = (): Counts => ({ runs: 0, launches: 0, bytesThere: 0, bytesBack: 0, programs: 0 })

/** The idle device, counting what it is given to do. */
const counting = (memoryBytes: number, counts: Counts): Executor => {
  const idle = idleDevice(memoryBytes)
  return {
    ...idle,
    resident: (data, shape) => {
      counts.bytesThere += 4 * size(shape)
      return idle.resident(data, shape)
    },
    compile: async (graph) => {
      counts.programs++
      const program = await idle.compile(graph)
      const launches = launchesOf(lowerToOnnx(graph, 512 * 2 ** 20).model)
      const back = 4 * [...graph.outputs.values()].reduce((sum, { shape }) => sum + size(shape), 0)
      return {
        ...program,
        run: (inputs) => {
          counts.runs++
          counts.launches += launches
          counts.bytesBack += back
          for (const [name, { shape }] of graph.inputs)
            if (!isResident(inputs[name])) counts.bytesThere += 4 * size(shape)
          return program.run(inputs)
        }
      }
    }
  }
}

/** The evaluator that computes replicas one by one. */
class Alone extends TransformerEvaluator {
  override readonly stacked = undefined
}

export const shapes: Readonly<Record<string, Architecture>> = {
  'pythia-14m': pythia14m,
  'pythia-70m': pythia70m,
  'pythia-410m': pythia410m,
  'gpt2-small': gpt2Small
}
export const [length, batch, chains] = [256, 16, 4]

/**
 * What some steps, or some draws, of all components' chains are given to the device to do, with what comes before
 * them.
 */
const countsOf = async (
  { architecture, weights }: Model,
  memoryBytes: number,
  together: boolean,
  times: number,
  kind: 'step' | 'draw'
): Promise<Counts> => {
  const counts = none()
  const { vocabulary } = architecture
  const probe = kind === 'step' ? rowsOf(2, 2, vocabulary, 3) : rowsOf(33, length, vocabulary, 3)
  await sample(
    {
      model: { architecture, weights },
      engine: 'onnx-cuda',
      threads: 2,
      components: componentNames(architecture),
      seed: 1,
      observationIncludesProbe: false,
      study: {
        sampling: rowsOf(4 * batch, length, vocabulary, 2),
        observation: probe.slice(0, 1),
        probe: probe.slice(1),
        targets: probe.slice(1).map(() => Int32Array.of(1))
      },
      sampler: {
        ...presets.paper,
        preset: 'paper',
        estimator: 'restricted',
        batchSize: batch,
        chains,
        burnIn: 0,
        ...(kind === 'step'
          ? { nBeta: 3, draws: 2, stepsBetweenDraws: times }
          : { nBeta: 0, draws: 1 + times, stepsBetweenDraws: 1 })
      }
    },
    {
      openLane: localLane((run) =>
        Promise.resolve(
          new (together ? TransformerEvaluator : Alone)(counting(memoryBytes, counts), run.architecture, run.weights)
        )
      )
    }
  )
  return counts
}

const per = (more: Counts, fewer: Counts, times: number): Counts => ({
  runs: (more.runs - fewer.runs) / times,
  launches: (more.launches - fewer.launches) / times,
  bytesThere: (more.bytesThere - fewer.bytesThere) / times,
  bytesBack: (more.bytesBack - fewer.bytesBack) / times,
  programs: more.programs - fewer.programs
})

/**
 * Counts what a device is given to do for a step and for a draw of every chain of all components, one by one and
 * together: the difference between runs of three and of one. `memories`: GiB of the device that one of two evaluators
 * may take.
 */
export const benchLaunches = async (names: readonly string[], memories: readonly number[]): Promise<void> => {
  for (const name of names) {
    const folder = await mkdtemp(join(tmpdir(), 'spectroscope-launches-'))
    await writeRandomModel(folder, shapes[name])
    const model = await loadModel(folder)
    const replicas = componentNames(model.architecture).length * chains
    for (const kind of ['step', 'draw'] as const) {
      console.log(
        `\n${name}, a ${kind} of ${replicas} chains, ${kind === 'step' ? batch : 32} rows of ${length}: ` +
          'program runs, launches, MB there and back, programs made again'
      )
      const row = async (words: string, memory: number, together: boolean): Promise<void> => {
        const [fewer, more] = [
          await countsOf(model, memory * 2 ** 30, together, 1, kind),
          await countsOf(model, memory * 2 ** 30, together, 3, kind)
        ]
        const { runs, launches, bytesThere, bytesBack, programs } = per(more, fewer, 2)
        console.log(
          `  ${words.padEnd(28)} ${runs.toFixed(0).padStart(6)} ${launches.toFixed(0).padStart(9)} ` +
            `${(bytesThere / 1e6).toFixed(0).padStart(7)} ${(bytesBack / 1e6).toFixed(0).padStart(7)} ` +
            String(programs).padStart(5)
        )
      }
      await row('one by one', memories[0], false)
      for (const memory of memories) await row(`together, in ${memory} GiB`, memory, true)
    }
    await rm(folder, { recursive: true })
  }
}
