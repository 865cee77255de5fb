import type { ChainTrace, FailedChain } from './diagnostics'
import type { TokenSums } from './tasks'

/** Scalar results of one block of draws. */
export interface BlockRecord {
  /** φ of every gradient draw in order, in nats. */
  readonly phis: readonly number[]
  /** ‖v‖ of every gradient draw. */
  readonly gradientNorms: readonly number[]
  /** For every turn: ‖g‖, and the slope of the mean loss over a slice of observation rows. */
  readonly directionNorms: readonly number[]
  readonly observedSlopes: readonly number[]
}

/** One block of draws of one component. */
export interface SampledBlock {
  readonly component: string
  /** Number of the block, which counts as a chain. */
  readonly chain: number
  readonly record: BlockRecord
  readonly failure: FailedChain | null
}

/** Sums of one block over its draws: those of `DrawBlock`. */
export interface BlockSums {
  readonly slopes: Float64Array
  readonly products: Float64Array
  readonly gradient: Float32Array
  readonly gradientProduct: Float32Array
}

/** Draw blocks of a run, all or some: the input of the estimates. */
export interface SampledBlocks {
  readonly tokens: number
  /** L(w*) in nats. */
  readonly initialLoss: number
  /** Ordered by component, then by block. */
  readonly chains: readonly SampledBlock[]
  readonly sums: (at: number) => Promise<BlockSums>
  /** Closes files that hold sums, if there are any. */
  readonly close?: () => Promise<void>
}

/** Result of sampling a run, before estimation. */
export type Sampled = SampledChains | SampledBlocks

/** Result of one chain, without its sums over tokens. */
export interface SampledChain extends ChainTrace {
  /** L(w*) in nats as measured where this chain was sampled. Its φ are relative to it. */
  readonly initialLoss: number
  readonly failure: FailedChain | null
}

/** Chains of a run, all or some: the input of the estimates. */
export interface SampledChains {
  readonly tokens: number
  /** L(w*) in nats. */
  readonly initialLoss: number
  /** Ordered by component, then `full`; by chain within. */
  readonly chains: readonly SampledChain[]
  /** Sums of `chains[at]` over the first ⌊K/2⌋ draws (as in `Replica.firstHalf`), and over the others. */
  readonly sums: (at: number) => Promise<readonly [TokenSums, TokenSums]>
}
