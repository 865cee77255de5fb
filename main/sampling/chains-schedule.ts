import { type ChainsPlan, chunksOf, stepsBefore } from './chains-plan'
import type { ChainsState } from './chains-state'
import { type RowBlock, targetsOf } from './rows'
import type { StepPart } from './tasks'

/**
 * One round of lockstep: a task for every replica that has it still to do, over rows whose forward pass at w* they
 * share.
 */
export type ChainsStage = { readonly blocks: readonly RowBlock[] } & (
  | { readonly kind: 'step'; readonly step: number; readonly part: StepPart }
  | { readonly kind: 'gaussian'; readonly draw: number }
  /** Blocks of evaluated rows from `first` to before `end`. */
  | { readonly kind: 'losses'; readonly draw: number; readonly first: number; readonly end: number }
  | { readonly kind: 'commit'; readonly draw: number }
)

/** Replicas that have a stage still to do. */
export const pendingIn = (stage: ChainsStage, state: ChainsState): number[] => {
  const isPending = (replica: number): boolean => {
    switch (stage.kind) {
      case 'step':
        return state.steps[replica] <= stage.step
      case 'gaussian':
      case 'commit':
        return state.draws[replica] <= stage.draw
      case 'losses':
        return (
          state.draws[replica] < stage.draw ||
          (state.draws[replica] === stage.draw && state.blocks[replica] < stage.end)
        )
    }
  }
  return state.run.replicas.flatMap((_, replica) => (!state.hasFailed(replica) && isPending(replica) ? [replica] : []))
}

/** A step's stages: as many as the activations of its rows at w* need. A replica's step is done with the last. */
function* stepStages(plan: ChainsPlan, state: ChainsState, step: number): Generator<ChainsStage> {
  // Most steps of a run that is resumed are done, and their rows are not asked for.
  if (state.run.replicas.every((_, replica) => state.hasFailed(replica) || state.steps[replica] > step)) return
  const chunks = chunksOf(plan, step)
  const targets = chunks.reduce((sum, block) => sum + targetsOf(block), 0)
  for (let first = 0; first < chunks.length; first += plan.sizes.chunks) {
    const blocks = chunks.slice(first, first + plan.sizes.chunks)
    const part = { begun: first > 0, ends: first + blocks.length === chunks.length, targets }
    yield { kind: 'step', blocks, step, part }
  }
}

/** Blocks of each stage of a draw, first and end; no stage has both observation and probe rows. */
const blockSpans = ({ observation, evaluated, sizes }: ChainsPlan): (readonly [number, number])[] => {
  const spans = (from: number, to: number): (readonly [number, number])[] =>
    Array.from(
      { length: Math.ceil((to - from) / sizes.blocks) },
      (_, i) => [from + i * sizes.blocks, Math.min(to, from + (i + 1) * sizes.blocks)] as const
    )
  return [...spans(0, observation.length), ...spans(observation.length, evaluated.length)]
}

function* allStages(plan: ChainsPlan, state: ChainsState): Generator<ChainsStage, void> {
  const { sampler } = plan.input
  const spans = blockSpans(plan)
  let step = 0
  for (let draw = 0; draw < sampler.draws; draw++) {
    for (; step < stepsBefore(sampler, draw); step++) yield* stepStages(plan, state, step)
    if (sampler.nBeta === 0) yield { kind: 'gaussian', blocks: [], draw }
    for (const [first, end] of spans)
      yield { kind: 'losses', blocks: plan.evaluated.slice(first, end), draw, first, end }
    yield { kind: 'commit', blocks: [], draw }
  }
}

/** Stages that a replica has still to do, in order. */
export function* scheduleChains(plan: ChainsPlan, state: ChainsState): Generator<ChainsStage, void> {
  for (const stage of allStages(plan, state)) if (pendingIn(stage, state).length > 0) yield stage
}
