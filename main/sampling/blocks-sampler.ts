import { join } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { makeFolder } from '../base/files'
import { settleEngine } from '../engine/engines'
import { componentSlices, sliceSize } from '../models/components'
import { checkBlocks } from './block-failures'
import { BlocksCheckpoint, begunBlockTokens } from './blocks-checkpoint'
import { type BlocksPlan, planBlocks } from './blocks-plan'
import { BlocksProgress } from './blocks-progress'
import { scheduleRound } from './blocks-schedule'
import { BlocksState } from './blocks-state'
import { BlocksTasks } from './blocks-tasks'
import { Wave } from './blocks-wave'
import { CheckpointClock, removeLeftovers } from './checkpoint'
import { checkInitialLoss, measureRowLosses } from './initial-loss'
import { type BlocksInput, type ChainName, type SamplingTransport, fingerprintOf } from './input'
import { Lockstep } from './lockstep'
import { OperationCounts } from './operation-counts'
import { Pool } from './pool'
import { blockTokens, tokensFor } from './rows'
import type { SampledBlocks } from './sampled'
import { type SampledFile, joinSampled, openSampled, writeSampled } from './sampled-file'
import { threadLanes } from './thread-lanes'
import { componentBytes, waveBytes, wavesOf } from './waves'

/** Samples the chosen blocks of a run wave by wave, round by round, until every component is done. */
class BlocksSampler {
  readonly #plan: BlocksPlan
  readonly #transport: SamplingTransport
  readonly #state: BlocksState
  readonly #progress: BlocksProgress
  readonly #checkpoint: BlocksCheckpoint | undefined
  readonly #clock: CheckpointClock | undefined
  /** Finished waves; `file` if the wave is stored on disk. */
  readonly #finished: { readonly sampled: SampledBlocks; readonly file?: SampledFile<SampledBlocks, object> }[] = []
  #counts: OperationCounts | undefined

  constructor(plan: BlocksPlan, transport: SamplingTransport) {
    const { checkpoint } = plan.input
    this.#plan = plan
    this.#transport = transport
    this.#state = new BlocksState(plan)
    this.#progress = new BlocksProgress(plan, this.#state)
    this.#clock = checkpoint === undefined ? undefined : new CheckpointClock(checkpoint.everySeconds)
    this.#checkpoint =
      checkpoint === undefined ? undefined : new BlocksCheckpoint(checkpoint.folder, plan, this.#state, this.#progress)
  }

  async run(): Promise<SampledBlocks> {
    const { input, components, chosen } = this.#plan
    const { checkpoint } = input
    settleEngine(input.engine)
    const waves = this.#waves(components)
    if (checkpoint !== undefined) await removeLeftovers(checkpoint.folder)
    const close = async (): Promise<void> => {
      for (const { file } of this.#finished) await file?.close()
    }
    try {
      for (const [at, wave] of waves.entries()) {
        const file =
          waves.length > 1 && checkpoint !== undefined ? join(checkpoint.folder, `sampled-${at}.blocks`) : undefined
        if (file !== undefined && (await this.#readFinished(file, wave))) continue
        await this.#keepFinished(file, wave, await this.#sampleWave(wave))
      }
    } catch (error) {
      await close()
      throw error
    }
    const parts = this.#finished.map(({ sampled }) => sampled)
    return { ...joinSampled(chosen, parts), close }
  }

  #waves(components: readonly string[]): string[][] {
    const { input, tokens } = this.#plan
    const { architecture, weights } = input.model
    const sizes = new Map(
      components.map((component) => [component, sliceSize(componentSlices(architecture, weights, component))])
    )
    return wavesOf(
      components,
      (component) => componentBytes(sizes.get(component)!, tokens, input.sampler),
      this.#transport.waveBytes ?? waveBytes()
    )
  }

  async #sampleWave(components: readonly string[]): Promise<SampledBlocks> {
    const { input, lanes, probe, whole } = this.#plan
    const { openLane = threadLanes(), pick } = this.#transport
    const wave = await Wave.open(this.#plan, this.#state, components)
    const blocks = wave.run.replicas.length
    const pool = await Pool.open(
      wave.run,
      openLane,
      {
        evaluating: Math.min(lanes.evaluating, Math.max(blocks, probe.length)),
        updating: Math.min(lanes.updating, blocks)
      },
      pick
    )
    const lockstep = new Lockstep(pool, {
      signal: input.signal,
      interrupt: () => this.#interrupt(wave),
      keep: () => this.#keep(wave)
    })
    const drop = (): void => pool.drop()
    input.signal?.addEventListener('abort', drop)
    try {
      const resumed = (await this.#checkpoint?.resume(wave)) === true
      this.#counts ??= await this.#countOperations(pool, lockstep)
      this.#progress.begin(wave, this.#counts)
      if (!Number.isFinite(this.#state.initialLoss)) await this.#measureInitialLoss(pool, lockstep)
      if (resumed) wave.judge()
      const tasks = new BlocksTasks(this.#plan, this.#state, wave, pool, this.#counts, this.#progress)
      while (wave.pending.length > 0) {
        await this.#sampleRound(wave, lockstep, tasks)
        wave.judge()
        this.#progress.report()
        if (whole && this.#state.failures.length > 0)
          checkBlocks(
            input,
            input.components.filter((component) => !this.#state.hasFailed(component))
          )
      }
    } finally {
      input.signal?.removeEventListener('abort', drop)
      await pool.close()
    }
    return wave.sampled()
  }

  async #sampleRound(wave: Wave, lockstep: Lockstep, tasks: BlocksTasks): Promise<void> {
    const { round, replicas } = wave.nextRound()
    const stages = scheduleRound(this.#plan, wave, round, replicas)
    await lockstep.run(
      () => {
        const stage = stages.next().value ?? undefined
        return stage && { blocks: stage.blocks, start: (keys) => tasks.start(stage, keys) }
      },
      async () => {
        if (this.#clock?.isDue === true) await this.#clock.during(async () => this.#checkpoint!.save(wave))
      }
    )
    wave.endRound(round, replicas)
  }

  #countOperations(pool: Pool, lockstep: Lockstep): Promise<OperationCounts> {
    const { components, observed, input } = this.#plan
    const lengths = [...observed, ...input.study.probe].map(({ length }) => length)
    return OperationCounts.count(pool, lockstep, components, lengths)
  }

  async #measureInitialLoss(pool: Pool, lockstep: Lockstep): Promise<void> {
    const { input, observed, observation } = this.#plan
    const losses = await measureRowLosses(input, observed.length, observation, pool, lockstep)
    const loss = losses.reduce((sum, own) => sum + own, 0) / observed.reduce((sum, { length }) => sum + length - 1, 0)
    checkInitialLoss(loss, input.precision)
    this.#state.rowLosses = losses
    this.#state.initialLoss = loss
  }

  /** Stores a finished wave in `file`, or in memory if `file` is undefined. */
  async #keepFinished(file: string | undefined, wave: readonly string[], sampled: SampledBlocks): Promise<void> {
    if (file === undefined) {
      this.#finished.push({ sampled })
      this.#progress.finish(wave)
      return
    }
    const { input, fingerprint } = this.#plan
    await makeFolder(input.checkpoint!.folder)
    await writeSampled(file, { fingerprint, wave, rowLosses: this.#state.rowLosses }, sampled)
    await this.#readFinished(file, wave)
  }

  /** Loads a wave that was finished before an interruption. Returns false if there is none that fits. */
  async #readFinished(path: string, wave: readonly string[]): Promise<boolean> {
    const file = await openSampled<
      SampledBlocks,
      { fingerprint: string; wave: readonly string[]; rowLosses: number[] }
    >(path).catch(() => undefined)
    if (file === undefined) return false
    const isOwn =
      file.about.fingerprint === this.#plan.fingerprint && JSON.stringify(file.about.wave) === JSON.stringify(wave)
    if (!isOwn) {
      await file.close()
      return false
    }
    this.#state.initialLoss = file.initialLoss
    this.#state.rowLosses = file.about.rowLosses
    for (const component of wave) {
      const { record } = file.chains.find((block) => block.component === component)!
      this.#state.rounds.set(component, record.observedSlopes.length)
    }
    for (const { component, failure } of file.chains)
      if (failure !== null) this.#state.addFailure({ component, ...failure })
    this.#finished.push({ sampled: file, file })
    this.#progress.finish(wave)
    return true
  }

  async #interrupt(wave: Wave): Promise<never> {
    const begun = Number.isFinite(this.#state.initialLoss)
    if (begun) await this.#checkpoint?.save(wave)
    const kept =
      this.#checkpoint === undefined
        ? 'there is no checkpoint, so the next run starts over'
        : begun
          ? 'resume the run to continue'
          : 'nothing was sampled yet'
    const rounds = wave.components.reduce(
      (least, component) => Math.min(least, this.#state.rounds.get(component)!),
      Infinity
    )
    throw new SpectroscopeError('interrupted', `Sampling was interrupted in round ${rounds + 1}; ${kept}.`)
  }

  /** Saves progress after an engine failure. If a task was changing a block, the previous checkpoint stays. */
  async #keep(wave: Wave): Promise<void> {
    if (!wave.isWhole || !Number.isFinite(this.#state.initialLoss)) return
    await this.#checkpoint?.save(wave).catch(() => {
      // The engine failure is reported instead.
    })
  }
}

/**
 * Samples draw blocks of a run, all or only `chosen` (docs/method.md, sections 3b and 3c). Throws the errors of
 * `sample`.
 */
export const sampleBlocks = async (
  input: BlocksInput,
  chosen?: readonly ChainName[],
  transport: SamplingTransport = {}
): Promise<SampledBlocks> => {
  const { checkpoint, engine } = input
  const begun =
    checkpoint === undefined ? null : await begunBlockTokens(checkpoint.folder, fingerprintOf(input, chosen))
  const wished = tokensFor(engine)
  const atOnce = begun === null ? wished : { ...wished, block: begun ?? blockTokens }
  return new BlocksSampler(planBlocks(input, chosen, transport, atOnce), transport).run()
}
