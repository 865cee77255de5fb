import type { ChainTrace, FailedChain } from './diagnostics'
import type { TokenSums } from './tasks'

/** What there is to know of one block of draws, beside its sums. */
export interface BlockRecord {
  /** φ of every gradient draw, in order. */
  readonly phis: readonly number[]
  /** ‖v‖ likewise. */
  readonly gradientNorms: readonly number[]
  /** Of every turn: ‖g‖, and the slope of the mean loss over a slice of observation rows. */
  readonly directionNorms: readonly number[]
  readonly observedSlopes: readonly number[]
}

/** One block of draws of one component. */
export interface SampledBlock {
  readonly component: string
  /** Number of the block: it counts as a chain. */
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

/** What estimates are made of: all blocks of a run, or some of them. */
export interface SampledBlocks {
  readonly tokens: number
  /** L(w*) in nats. */
  readonly initialLoss: number
  /** In order of the components; by number within. */
  readonly chains: readonly SampledBlock[]
  readonly sums: (at: number) => Promise<BlockSums>
  /** Lets go of files that hold sums of a part, where there are any. */
  readonly close?: () => Promise<void>
}

/** What was sampled of a run, before estimates are made of it. */
export type Sampled = SampledChains | SampledBlocks

/** What one chain came to, less its sums over tokens. */
export interface SampledChain extends ChainTrace {
  /** L(w*) as it was measured where this chain was sampled: its φ are relative to it. */
  readonly initialLoss: number
  readonly failure: FailedChain | null
}

/** What estimates are made of: all chains of a run, or some of them. */
export interface SampledChains {
  readonly tokens: number
  /** L(w*) in nats. */
  readonly initialLoss: number
  /** In order of the components, then `full`; by chain within. */
  readonly chains: readonly SampledChain[]
  /** The sums of chain `chains[at]` over the first ⌊K/2⌋ draws (those of `Replica.firstHalf`) and over the others. */
  readonly sums: (at: number) => Promise<readonly [TokenSums, TokenSums]>
}
