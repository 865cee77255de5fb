import type { ClusteringDescription, LevelDescription } from '../../preload/records'
import { components, value } from './store-fixture'

/** 8 rows, 40 tokens: clusters 0 and 1 of five tokens, a main body of 30. */
export const rows = 8
export const tokens = 5 * rows
export const members = (cluster: number): number[] =>
  Array.from({ length: tokens }, (_, token) => token).filter(
    (token) => (token < 5 ? 0 : token < 10 ? 1 : -1) === cluster
  )
export const groups = [0, 1, -1]

/**
 * Central order: descending by token. Every third token leads out, to cluster 1 from 0, and to the main body from 1.
 */
export const level = (): LevelDescription => {
  const perGroup = <T>(of: (group: number, column: number) => T): T[] =>
    groups.flatMap((_, group) => components.map((__, column) => of(group, column)))
  const mean = (group: number, column: number): number =>
    members(groups[group]).reduce((sum, token) => sum + value(token, column), 0) / members(groups[group]).length
  const centralPlace = new Int32Array(tokens)
  for (const cluster of groups) [...members(cluster)].reverse().forEach((token, at) => (centralPlace[token] = at))
  return {
    kind: 'cluster',
    centralPlace,
    membership: Int32Array.from({ length: tokens }, (_, token) => (token < 5 ? 0 : token < 10 ? 1 : -1)),
    caught: new Uint8Array(tokens).fill(1),
    rules: groups.map(() => []),
    boundary: Float32Array.from({ length: tokens }, (_, token) => (token % 3 === 0 ? (token + 1) / 100 : 0)),
    toward: Int32Array.from({ length: tokens }, (_, token) =>
      token % 3 !== 0 ? -2 : token < 5 ? 1 : token < 10 ? -1 : 0
    ),
    groups: Int32Array.from(groups),
    means: Float32Array.from(perGroup(mean)),
    standardDeviations: Float32Array.from(perGroup((group, column) => group + column)),
    edges: { from: Int32Array.of(-1, -1, 0), to: Int32Array.of(0, 1, 1), weights: Float64Array.of(3, 5, 1) },
    positions: Float32Array.of(1, 2, 3, 4, 5, 6)
  }
}

export const description = (changes: Partial<LevelDescription> = {}): ClusteringDescription => ({
  patterns: Int32Array.from({ length: tokens }, (_, token) => (token < 5 ? 0b101 : 0b1)),
  levels: [{ ...level(), ...changes }]
})
