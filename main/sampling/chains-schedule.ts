import { type ChainsPlan, chunksOf, stepsBefore } from './chains-plan'
import type { ChainsState } from './chains-state'
import { type RowBlock, targetsOf } from './rows'
import type { StepPart } from './tasks'

/**
 * One round of lockstep: one task for every replica that has not done it yet. The tasks share the forward passes of
 * `blocks` at w*.
 */
export type ChainsStage = { readonly blocks: readonly RowBlock[] } & (
  | { readonly kind: 'step'; readonly step: number; readonly part: StepPart }
  | { readonly kind: 'gaussian'; readonly draw: number }
  /** Evaluated-row blocks with indices `first` … `end` - 1. */
  | { readonly kind: 'losses'; readonly draw: number; readonly first: number; readonly end: number }
  | { readonly kind: 'commit'; readonly draw: number }
)

/** Replicas that have not done a stage yet. */
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

/**
 * Stages of one step: as many as the memory limit for activations at w* requires. A replica's step is done after the
 * last.
 */
function* stepStages(plan: ChainsPlan, state: ChainsState, step: number): Generator<ChainsStage> {
  // In a resumed run most steps are done. This avoids building their minibatches.
  if (state.run.replicas.every((_, replica) => state.hasFailed(replica) || state.steps[replica] > step)) return
  const chunks = chunksOf(plan, step)
  const targets = chunks.reduce((sum, block) => sum + targetsOf(block), 0)
  for (let first = 0; first < chunks.length; first += plan.sizes.chunks) {
    const blocks = chunks.slice(first, first + plan.sizes.chunks)
    const part = { begun: first > 0, ends: first + blocks.length === chunks.length, targets }
    yield { kind: 'step', blocks, step, part }
  }
}

/** First and end index of the blocks in each stage of a draw. No stage mixes observation and probe rows. */
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

/** Stages that any replica still has to do, in order. */
export function* scheduleChains(plan: ChainsPlan, state: ChainsState): Generator<ChainsStage, void> {
  for (const stage of allStages(plan, state)) if (pendingIn(stage, state).length > 0) yield stage
}
