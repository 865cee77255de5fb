import { prefixBytes } from '../engine/core'
import type { BlocksPlan } from './blocks-plan'
import type { Wave } from './blocks-wave'
import { targetsIn } from './rounds'
import { type RowBlock, targetsOf } from './rows'
import { SharedSlices } from './shared-slices'

/** Steps of a round that run together. Their tasks share the forward passes of `blocks` at w*. */
export type BlocksStage = { readonly blocks: readonly RowBlock[]; readonly round: number } & (
  | {
      readonly kind: 'gradients'
      readonly step: number
      readonly replicas: readonly number[]
      readonly slices: SharedSlices
    }
  | { readonly kind: 'observed'; readonly replicas: readonly number[]; readonly slices: SharedSlices }
  | { readonly kind: 'direction'; readonly replicas: readonly number[] }
  | {
      readonly kind: 'base' | 'probe'
      /** Index of the first of `blocks` among all of its kind. */
      readonly first: number
      /** For each of `blocks`, the draw blocks that have not done it yet. */
      readonly replicas: readonly (readonly number[])[]
    }
)

/** Step number of a gradient in its block's random stream: the pair's number, or the draw's. */
export const gradientPlace = ({ input, pairs }: BlocksPlan, turn: number, step: number): number =>
  input.sampler.method === 'first-order' ? turn * pairs + step : turn

/** Slices of observation rows used by a pair of gradients, or by a single gradient. */
export const gradientSlices = (plan: BlocksPlan, turn: number, step: number): readonly number[] => {
  const place = gradientPlace(plan, turn, step)
  return plan.input.sampler.method === 'first-order' ? [2 * place, 2 * place + 1] : [place]
}

/** Slice whose mean loss stands for L: the one after those of the round's gradients. */
export const observedSlice = ({ input, pairs }: BlocksPlan, turn: number): number =>
  input.sampler.method === 'first-order' ? 2 * pairs * (turn + 1) : turn + 1

/** Draw blocks that go through a stage together: all, unless the activations of their rows at w* exceed the limit. */
function* replicasPerStage(
  { input, observed, stageBytes }: BlocksPlan,
  { run }: Wave,
  replicas: readonly number[],
  rowsPerTurn: number
): Generator<readonly number[]> {
  const meanLength = targetsIn(observed) / observed.length
  const bytes = prefixBytes(input.model.architecture, Math.ceil(rowsPerTurn * meanLength))
  const count = Math.max(1, Math.floor(stageBytes / bytes))
  const numbers = [...new Set(replicas.map((at) => run.replicas[at].chain))].sort((a, b) => a - b)
  for (let first = 0; first < numbers.length; first += count) {
    const some = numbers.slice(first, first + count)
    yield replicas.filter((at) => some.includes(run.replicas[at].chain))
  }
}

/**
 * Index ranges of the row blocks that go through a stage together: enough to keep all lanes busy, within the memory
 * limit.
 */
function* spans(
  { input, lanes, stageBytes }: BlocksPlan,
  blocks: readonly RowBlock[],
  replicas: number
): Generator<readonly [number, number]> {
  const bytes = prefixBytes(
    input.model.architecture,
    blocks.reduce((most, block) => Math.max(most, targetsOf(block)), 1)
  )
  const wished = Math.ceil((4 * lanes.evaluating) / Math.max(1, replicas))
  const count = Math.max(1, Math.min(wished, Math.floor(stageBytes / bytes)))
  for (let first = 0; first < blocks.length; first += count) yield [first, Math.min(blocks.length, first + count)]
}

function* gradientStages(
  plan: BlocksPlan,
  wave: Wave,
  round: number,
  replicas: readonly number[]
): Generator<BlocksStage> {
  const {
    input: { sampler },
    steps
  } = plan
  const rowsPerTurn = (sampler.method === 'first-order' ? 2 : 1) * sampler.observationBatch
  for (let step = steps.gradients; step < steps.base; step++) {
    for (const atOnce of replicasPerStage(plan, wave, replicas, rowsPerTurn)) {
      const pending = atOnce.filter((replica) => wave.isPending(replica, step))
      if (pending.length === 0) continue
      const slices = new SharedSlices(
        plan,
        pending.flatMap((replica) => gradientSlices(plan, wave.turn(replica, round), step))
      )
      yield { kind: 'gradients', blocks: slices.blocks, round, step, replicas: pending, slices }
    }
  }
}

function* rowStages(
  plan: BlocksPlan,
  wave: Wave,
  round: number,
  replicas: readonly number[],
  kind: 'base' | 'probe'
): Generator<BlocksStage> {
  const all = kind === 'base' ? plan.observation : plan.probe
  for (const [first, end] of spans(plan, all, replicas.length)) {
    const blocks = all.slice(first, end)
    const pending = blocks.map((_, i) =>
      replicas.filter((replica) => wave.isPending(replica, plan.steps[kind] + first + i))
    )
    if (pending.every(({ length }) => length === 0)) continue
    yield { kind, blocks, round, first, replicas: pending }
  }
}

function* observedStages(
  plan: BlocksPlan,
  wave: Wave,
  round: number,
  replicas: readonly number[]
): Generator<BlocksStage> {
  for (const atOnce of replicasPerStage(plan, wave, replicas, plan.input.sampler.observationBatch)) {
    const pending = atOnce.filter((replica) => wave.isPending(replica, plan.steps.observed))
    if (pending.length === 0) continue
    const slices = new SharedSlices(
      plan,
      pending.map((replica) => observedSlice(plan, wave.turn(replica, round)))
    )
    yield { kind: 'observed', blocks: slices.blocks, round, replicas: pending, slices }
  }
}

/** The remaining stages of a round. Skips finished steps and failed components. */
export function* scheduleRound(
  plan: BlocksPlan,
  wave: Wave,
  round: number,
  replicas: readonly number[]
): Generator<BlocksStage, void> {
  yield* gradientStages(plan, wave, round, replicas)
  if (plan.steps.base < plan.steps.direction) yield* rowStages(plan, wave, round, replicas, 'base')
  yield { kind: 'direction', blocks: [], round, replicas }
  yield* observedStages(plan, wave, round, replicas)
  yield* rowStages(plan, wave, round, replicas, 'probe')
}
