import { describe, expect, it } from 'vitest'
import { GroupTree } from '../../main/base/group-tree'
import { carryLabels } from '../../main/labels/carry'
import type { CarriedLabels } from '../../main/labels/carry'
import { emptyLabel } from '../../preload/label-rules'
import type { Annotation } from '../../preload/contract-annotations'
import { randomNumbers } from './clustering-fixture'

/** What happens to labels when a clustering changes at random, for many random clusterings. */
const rounds = 40
const clusters = 8
const tokens = 400

const labelled = (cluster: number): Annotation => ({
  ...emptyLabel,
  target: `cluster:${cluster}`,
  name: `name ${cluster}`,
  status: 'labelled',
  author: 'a person',
  changedAt: '2026-11-20T09:00:00.000Z'
})
const annotations = Array.from({ length: clusters }, (_, cluster) => labelled(cluster))

const carried = (left: Int32Array, right: Int32Array, least: number): CarriedLabels =>
  carryLabels(
    { membership: left, tree: GroupTree.flat(clusters), annotations },
    {
      membership: right,
      tree: GroupTree.flat(Math.max(...right) + 1),
      annotations: [],
      nextMerge: 1,
      nextPart: 1,
      nextSelection: 1
    },
    null,
    least
  )

describe('labels of clusters that change at random', () => {
  for (let round = 0; round < rounds; round++) {
    const next = randomNumbers(round).uniform
    const whole = (below: number): number => Math.floor(next() * below)
    // Every cluster has tokens, and some tokens are in none.
    const membership = Int32Array.from({ length: tokens }, (_, token) =>
      token < 2 * clusters ? token % clusters : whole(clusters + 1) - 1
    )
    const sizeOf = (cluster: number, of = membership): number => of.filter((each) => each === cluster).length

    it(`follow clusters whose numbers are permuted (${round})`, () => {
      const numbers = Array.from({ length: clusters }, (_, cluster) => cluster)
      for (let at = clusters - 1; at > 0; at--) {
        const other = whole(at + 1)
        ;[numbers[at], numbers[other]] = [numbers[other], numbers[at]]
      }
      const permuted = membership.map((cluster) => (cluster < 0 ? cluster : numbers[cluster]))
      const { proposals, left } = carried(membership, permuted, 1)
      expect(left).toEqual([])
      expect(proposals.map(({ from, to, jaccard }) => [to, jaccard, from]).sort()).toEqual(
        numbers.map((to, from) => [to, 1, from]).sort()
      )
    })

    it(`go with the larger part of a cluster that is split, or with none of it (${round})`, () => {
      const split = whole(clusters)
      const parted = membership.map((cluster) => (cluster === split && next() < 0.35 ? clusters : cluster))
      const shares = [split, clusters].map((part) => sizeOf(part, parted) / sizeOf(split))
      const { proposals, left } = carried(membership, parted, 0.6)
      const own = proposals.find(({ from }) => from === split)
      if (Math.max(...shares) < 0.6) expect([own, left.map(({ name }) => name)]).toEqual([undefined, [`name ${split}`]])
      else expect(own).toMatchObject({ to: shares[0] >= shares[1] ? split : clusters, jaccard: Math.max(...shares) })
      expect(
        proposals.filter(({ from }) => from !== split).every(({ from, to, jaccard }) => from === to && jaccard === 1)
      ).toBe(true)
    })

    it(`of clusters that are merged: only that of the largest stays, if it is most of them (${round})`, () => {
      const [one, other] = [whole(clusters), whole(clusters - 1)]
      const second = other >= one ? other + 1 : other
      const merged = membership.map((cluster) => (cluster === second ? one : cluster))
      const sizes = [sizeOf(one), sizeOf(second)]
      const share = Math.max(...sizes) / (sizes[0] + sizes[1])
      const { proposals, left } = carried(membership, merged, 0.5)
      const here = proposals.filter(({ to }) => to === one)
      expect(here).toHaveLength(1)
      expect(here[0].jaccard).toBeCloseTo(share, 12)
      expect(sizeOf(here[0].from)).toBe(Math.max(...sizes))
      expect(left).toHaveLength(1)
    })
  }
})
