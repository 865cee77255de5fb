import { totalmem } from 'node:os'
import type { BlockConfiguration } from '../../preload/configuration'
import { programName } from '../engine/core'

/** Bytes of one component's four blocks: sums over tokens, and vectors of weights with their centre. */
export const componentBytes = (weights: number, tokens: number, { method, nBeta }: BlockConfiguration): number =>
  4 * tokens * (method === 'gradient' && nBeta > 0 ? 16 : 8) +
  4 * weights * (4 * (method === 'first-order' && nBeta > 0 ? 4 : 3) + 1)

/** Limit for the blocks that are sampled at the same time, in bytes. */
export const waveBytes = (): number => Math.max(2 ** 28, Math.min(2 ** 32, totalmem() / 6))

/**
 * Divides components into waves whose blocks are in memory at the same time. Components with a common program stay in
 * one wave. Does not affect the numbers.
 */
export const wavesOf = (
  components: readonly string[],
  bytesOf: (component: string) => number,
  limit: number
): string[][] => {
  const programs = new Map<string, string[]>()
  for (const component of components)
    programs.set(programName(component), [...(programs.get(programName(component)) ?? []), component])
  const waves: string[][] = []
  let held = Infinity
  for (const group of programs.values()) {
    const bytes = group.reduce((sum, component) => sum + bytesOf(component), 0)
    if (held + bytes > limit) {
      waves.push([])
      held = 0
    }
    waves[waves.length - 1].push(...group)
    held += bytes
  }
  return waves
}
