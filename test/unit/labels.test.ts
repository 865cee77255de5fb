import { describe, expect, it } from 'vitest'
import type { Annotation, AnnotationBody, AnnotationChange, AnnotationTarget } from '../../preload/contract-annotations'
import type { PatternCount } from '../../preload/contract-explore'
import type { GroupKind, RuleCondition, TokenCount } from '../../preload/records'
import { alsoNamed, countStatuses, labelledGroups, quoted, saidOf } from '../../preload/labels'
import { isLabel } from '../../preload/label-rules'
import { editsOf } from '../../main/labels/annotations'
import type { AnnotationEdit } from '../../main/labels/annotations'
import { drawBlindTest } from '../../main/labels/blind-test'
import type { Candidate } from '../../main/labels/blind-test'
import { carryLabels, matchTokens } from '../../main/labels/carry'
import { suggestNames } from '../../main/labels/suggest'
import { GroupTree } from '../../main/base/group-tree'

const now = '2026-12-01T10:00:00.000Z'
const body = (changes: Partial<AnnotationBody> = {}): AnnotationBody => ({
  name: '',
  note: '',
  tags: [],
  confidence: null,
  status: 'unseen',
  blindTest: null,
  author: 'before',
  changedAt: '2026-11-01T10:00:00.000Z',
  ...changes
})
const said = (target: AnnotationTarget, changes: Partial<AnnotationBody> = {}): Annotation => ({
  target,
  ...body({ status: 'labelled', name: target, ...changes })
})
const mapOf = (annotations: readonly Annotation[]): Map<AnnotationTarget, AnnotationBody> =>
  new Map(annotations.map(({ target, ...rest }) => [target, rest]))
const edit = (changes: readonly AnnotationChange[], current: readonly Annotation[] = []): AnnotationEdit[] =>
  editsOf(changes, mapOf(current), { author: 'Ada', now, nextMerge: 4, nextPart: 7, nextSelection: 2 })
const set = (
  targets: AnnotationTarget[],
  label: Extract<AnnotationChange, { do: 'set' }>['label']
): AnnotationChange => ({ do: 'set', targets, label })

describe('changes of annotations', () => {
  it('label several clusters at once, signed and tidied', () => {
    expect(
      edit([set(['cluster:1', 'cluster:-1'], { name: '  closing\n brackets ', tags: ['code', ' code', ''] })])
    ).toEqual(
      (['cluster:1', 'cluster:-1'] as const).map((target) => ({
        target,
        after: body({ name: 'closing brackets', tags: ['code'], status: 'labelled', author: 'Ada', changedAt: now })
      }))
    )
  })

  it.each([
    ['a name labels what was unseen', 'unseen', { name: 'x' }, 'labelled'],
    ['a name labels what was skipped', 'skipped', { name: 'x' }, 'labelled'],
    ['a name leaves what is unsure', 'unsure', { name: 'x' }, 'unsure'],
    ['a status that is said wins', 'unseen', { name: 'x', status: 'unsure' }, 'unsure'],
    ['a note does not label', 'unseen', { note: 'x' }, 'unseen'],
    ['no name, no label', 'labelled', { name: ' ' }, 'unseen']
  ] as const)('%s', (_, status, label, expected) => {
    expect(
      edit([set(['cluster:1'], label)], [said('cluster:1', { status, name: 'old', note: 'kept' })])[0].after?.status
    ).toBe(expected)
  })

  it('keep what they do not name, and the blind score', () => {
    const before = said('cluster:2', { note: 'n', tags: ['t'], confidence: 'high', blindTest: { right: 2, of: 3 } })
    expect(edit([set(['cluster:2'], { name: 'new' })], [before])[0].after).toEqual(
      body({
        name: 'new',
        note: 'n',
        tags: ['t'],
        confidence: 'high',
        blindTest: { right: 2, of: 3 },
        status: 'labelled',
        author: 'Ada',
        changedAt: now
      })
    )
  })

  it('are nothing where nothing is different afterwards', () => {
    expect(
      edit(
        [set(['cluster:1'], { name: 'cluster:1', tags: [] }), set(['cluster:5'], { status: 'unseen' })],
        [said('cluster:1')]
      )
    ).toEqual([])
    expect(edit([set(['cluster:1'], { name: 'x' }), { do: 'clear', targets: ['cluster:1'] }])).toEqual([])
  })

  it('take one target once, whatever is done to it', () => {
    const edits = edit([set(['cluster:1'], { name: 'x' }), set(['cluster:1'], { note: 'y' })])
    expect(edits).toEqual([
      { target: 'cluster:1', after: body({ name: 'x', note: 'y', status: 'labelled', author: 'Ada', changedAt: now }) }
    ])
  })

  it('leave nothing behind of a label that says nothing any more', () => {
    expect(edit([set(['cluster:1'], { name: '' })], [said('cluster:1')])).toEqual([
      { target: 'cluster:1', after: null }
    ])
  })

  it('merge clusters, and what they are merged with already', () => {
    const edits = edit(
      [{ do: 'merge', clusters: [9, 2], label: { note: 'more' } }],
      [
        said('merge:3', { name: 'brackets', clusters: [2, 5], blindTest: { right: 1, of: 1 } }),
        said('merge:1', { clusters: [0, 1] })
      ]
    )
    expect(edits).toEqual([
      { target: 'merge:3', after: null },
      {
        target: 'merge:4',
        after: body({
          name: 'brackets',
          note: 'more',
          status: 'labelled',
          clusters: [2, 5, 9],
          author: 'Ada',
          changedAt: now
        })
      }
    ])
  })

  it('number merges and parts one after another', () => {
    const edits = edit([
      { do: 'merge', clusters: [0, 1], label: {} },
      { do: 'merge', clusters: [2, 3], label: { name: 'm' } },
      { do: 'split', cluster: 5, tokens: [9, 8, 8], label: { name: 'p' } },
      { do: 'split', cluster: 6, tokens: [1], label: {} }
    ])
    expect(edits.map(({ target, after }) => [target, after?.status, after?.clusters ?? after?.tokens])).toEqual([
      ['merge:4', 'unseen', [0, 1]],
      ['merge:5', 'labelled', [2, 3]],
      ['part:7', 'labelled', [8, 9]],
      ['part:8', 'unseen', [1]]
    ])
  })

  it('take tokens of a new part out of earlier ones of the cluster', () => {
    const current = [
      said('part:1', { cluster: 5, tokens: [1, 2] }),
      said('part:2', { cluster: 5, tokens: [3, 4] }),
      said('part:3', { cluster: 6, tokens: [2] })
    ]
    const edits = edit([{ do: 'split', cluster: 5, tokens: [1, 2, 3], label: { name: 'new' } }], current)
    expect(edits.map(({ target, after }) => [target, after?.tokens ?? null])).toEqual([
      ['part:1', null],
      ['part:2', [4]],
      ['part:7', [1, 2, 3]]
    ])
  })

  it('refuse what is not there, and merges of one', () => {
    expect(() => edit([set(['merge:9'], { name: 'x' })])).toThrow('merge 9 no longer exists')
    expect(() => edit([{ do: 'clear', targets: ['part:1'] }])).toThrow('part 1 no longer exists')
    expect(() => edit([{ do: 'merge', clusters: [3, 3], label: {} }])).toThrow('at least two')
  })

  it('say which clusters are labelled', () => {
    const annotations = [
      said('cluster:3'),
      said('cluster:4', { status: 'skipped' }),
      said('cluster:5', { status: 'unsure' }),
      said('cluster:8', { status: 'skipped', name: 'own' }),
      said('cluster:20'),
      said('cluster:-1'),
      said('merge:1', { clusters: [7, 8] }),
      said('merge:2', { clusters: [3, 9], status: 'unseen', name: '' }),
      said('part:1', { cluster: 6, tokens: [0] })
    ]
    expect(labelledGroups(annotations)).toEqual(new Set([3, 7, 8, 20, -1]))
    expect(countStatuses(annotations, 10)).toEqual({ labelled: 3, skipped: 1, unsure: 1 })
    expect(saidOf(annotations).get(8)).toEqual({ name: 'merge:1', status: 'labelled' })
    expect(saidOf(annotations).get(3)).toEqual({ name: 'cluster:3', status: 'labelled' })
  })

  it('tell a label from a skip, and from a merge or a part about which nothing is said', () => {
    const nothing = { status: 'unseen', name: '' } as const
    const labels = [
      said('cluster:1'),
      said('cluster:2', { status: 'unsure', name: '' }),
      said('part:1', { status: 'unseen' })
    ]
    const others = [
      said('cluster:3', { status: 'skipped' }),
      said('part:2', { ...nothing, cluster: 1, tokens: [0] }),
      said('merge:1', { ...nothing, clusters: [1, 2] })
    ]
    expect([...labels, ...others].filter(isLabel)).toEqual(labels)
  })

  it('are named in one pair of quotation marks', () => {
    expect([quoted('brackets'), quoted('“)”, “}”')]).toEqual(['“brackets”', '“)”, “}”'])
  })
})

const counts = (...tokens: readonly (readonly [string, number])[]): TokenCount[] =>
  tokens.map(([text, count], id) => ({ id, text, count, lift: 3 }))

describe('suggested names', () => {
  const size = 100
  const patterns: PatternCount[] = [
    { pattern: 'bracket-match', count: 70, lift: 5 },
    { pattern: 'word-start', count: 100, lift: 3 },
    { pattern: 'line-end', count: 90, lift: 1.1 }
  ]

  it('say what kind most tokens are of', () => {
    expect(
      suggestNames({ size, topTokens: counts([')', 50], [' }', 30], ['the', 5]), patterns: [], subsets: [], rules: [] })
    ).toEqual(['closing brackets', '“)”, “}”, “the”', '“)”'])
    expect(
      suggestNames({ size, topTokens: counts(['\n', 50], ['\n\n', 40]), patterns: [], subsets: [], rules: [] })[0]
    ).toBe('line breaks')
    expect(
      suggestNames({ size, topTokens: counts([' Paris', 40], [' Rome', 40]), patterns: [], subsets: [], rules: [] })[0]
    ).toBe('capitalised words')
  })

  it('name the one token that it is about, and what its tokens do', () => {
    expect(
      suggestNames({ size, topTokens: counts([' the', 90], [' a', 2]), patterns, subsets: [], rules: [] })
    ).toEqual(['“the”', 'word starts', 'matching brackets', '“the”, “a”'])
  })

  it('say where, if it is from one place', () => {
    const names = suggestNames({
      size,
      topTokens: counts([' the', 90]),
      patterns: [],
      rules: [],
      subsets: [{ subset: 'law', count: 95, lift: 8 }]
    })
    expect(names[0]).toBe('“the” in law')
    expect(new Set(names).size).toBe(names.length)
  })

  it.each<[words: string, conditions: RuleCondition[]]>([
    ['“the”', [{ on: 'token', id: 1, text: ' the' }]],
    ['after “Multiply”', [{ on: 'previous', id: 1, text: 'Multiply' }]],
    [
      'word starts before “.”',
      [
        { on: 'next', id: 1, text: '.' },
        { on: 'pattern', pattern: 'word-start' }
      ]
    ],
    [
      '“of” in law',
      [
        { on: 'subset', subset: 'law' },
        { on: 'token', id: 1, text: ' of' }
      ]
    ],
    ['at row position 0', [{ on: 'position', from: 0, to: 0 }]],
    ['toString', [{ on: 'pattern', pattern: 'toString' }]]
  ])('begin with the best rule: %s', (words, conditions) => {
    const evidence = { size, topTokens: counts([' the', 90]), patterns: [], subsets: [] }
    const ruled = (f1: number): string[] =>
      suggestNames({ ...evidence, rules: [{ conditions, recall: f1, precision: f1, f1 }] })
    expect(ruled(0.8)[0]).toBe(words)
    expect(new Set(ruled(0.8)).size).toBe(ruled(0.8).length)
    expect(ruled(0.3)).toEqual(suggestNames({ ...evidence, rules: [] }))
  })

  it('have nothing to say of nothing', () => {
    expect(suggestNames({ size: 0, topTokens: [], patterns: [], subsets: [], rules: [] })).toEqual([])
  })
})

const candidate = (token: number, text: string, subset: string, row = token): Candidate => ({
  token,
  id: text.charCodeAt(0),
  text,
  row,
  subset
})

describe('a blind test', () => {
  const own = Array.from({ length: 30 }, (_, token) => candidate(token, '(', 'code', token % 10))
  const elsewhere = [
    candidate(100, ' the', 'code'),
    candidate(101, '(', 'law'),
    candidate(102, '(', 'code'),
    candidate(103, ')', 'code')
  ]

  it('shows five of the cluster and one from elsewhere that neither token nor subset gives away', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { tokens, odd } = drawBlindTest(own, elsewhere, seed)
      expect(tokens).toHaveLength(6)
      expect(tokens[odd]).toBe(102)
      const five = tokens.filter((_, at) => at !== odd)
      expect(five.every((token) => token < 30)).toBe(true)
      expect(new Set(five.map((token) => own[token].row)).size).toBe(5)
    }
  })

  it('hides it by its looks where no other has the token', () => {
    const { tokens, odd } = drawBlindTest(
      own,
      [candidate(200, ' the', 'code'), candidate(201, '[', 'code'), candidate(202, '7', 'code')],
      3
    )
    expect(tokens[odd]).toBe(201)
  })

  it('is decided by its seed, which puts the odd one anywhere', () => {
    const places = new Set(Array.from({ length: 200 }, (_, seed) => drawBlindTest(own, elsewhere, seed).odd))
    expect(places).toEqual(new Set([0, 1, 2, 3, 4, 5]))
    expect(drawBlindTest(own, elsewhere, 9)).toEqual(drawBlindTest(own, elsewhere, 9))
  })

  it('needs five, and something else', () => {
    expect(() => drawBlindTest(own.slice(0, 4), elsewhere, 1)).toThrow('has 4')
    expect(() => drawBlindTest(own, [], 1)).toThrow('this cluster holds all tokens')
  })
})

/**
 * Clusters by the lengths of their runs of tokens: [5, 3] is five of cluster 0, then three of cluster 1; the rest is
 * left over.
 */
const membership = (tokens: number, ...lengths: number[]): Int32Array =>
  Int32Array.from([
    ...lengths.flatMap((length, cluster) => Array<number>(length).fill(cluster)),
    ...Array<number>(tokens - lengths.reduce((a, b) => a + b, 0)).fill(-1)
  ])

const flat = (cluster: Int32Array): GroupTree => GroupTree.flat(Math.max(-1, ...cluster) + 1)

/**
 * A tree of so many clusters; `above` are the clusters, or groups given before, of each neighbourhood and region in
 * order.
 */
const treeOf = (clusters: number, ...above: readonly (readonly [GroupKind, readonly number[]])[]): GroupTree => {
  const kinds: GroupKind[] = [...Array<GroupKind>(clusters).fill('cluster'), ...above.map(([kind]) => kind)]
  const parentOf = (group: number): number | null => {
    const at = above.findIndex(([, children]) => children.includes(group))
    return at < 0 ? null : clusters + at
  }
  return new GroupTree(kinds.map((kind, group) => ({ kind, parent: parentOf(group) })))
}

describe('labels carried to another clustering', () => {
  const carry = (
    left: Int32Array,
    annotations: Annotation[],
    right: Int32Array,
    there: Annotation[] = [],
    least = 0.5,
    matched: Int32Array | null = null,
    [leftTree, rightTree] = [flat(left), flat(right)]
  ) =>
    carryLabels(
      { membership: left, tree: leftTree, annotations },
      { membership: right, tree: rightTree, annotations: there, nextMerge: 1, nextPart: 1, nextSelection: 1 },
      matched,
      least
    )
  /**
   * Labels of one tree in another: what goes where, as [target of the left, target of the right, tokens or clusters].
   */
  const carried = (
    left: Int32Array,
    leftTree: GroupTree,
    annotations: Annotation[],
    right: Int32Array,
    rightTree: GroupTree,
    there: Annotation[] = []
  ) => {
    const { edits, left: lost } = carry(left, annotations, right, there, 0.5, null, [leftTree, rightTree])
    return [
      ...edits.map(({ target, after }) => [after?.name ?? null, target, after?.tokens ?? after?.clusters ?? null]),
      ...lost.map(({ name }) => [name])
    ]
  }
  const everything = [
    said('cluster:0', { blindTest: { right: 1, of: 2 } }),
    said('cluster:-1'),
    said('merge:6', { clusters: [1, 2] }),
    said('part:9', { cluster: 0, tokens: [0, 1, 2, 3] }),
    said('part:8', { cluster: 0, tokens: [4] })
  ]

  it('are the same in the same clustering', () => {
    const same = membership(20, 5, 5, 4)
    const { proposals, edits, left } = carry(same, everything, same)
    expect(left).toEqual([])
    expect(proposals.every(({ jaccard }) => jaccard === 1)).toBe(true)
    expect(edits.map(({ after }) => after)).toEqual(
      expect.arrayContaining(everything.map(({ target: _, ...rest }) => rest))
    )
    expect(edits.map(({ target }) => target).sort()).toEqual(['cluster:-1', 'cluster:0', 'merge:1', 'part:1', 'part:2'])
  })

  it('go to the cluster that shares most, once, if it is enough', () => {
    const { proposals, left } = carry(
      membership(20, 6, 4, 4),
      [said('cluster:0'), said('cluster:1'), said('cluster:2')],
      membership(20, 8, 2, 1, 3),
      [said('cluster:0', { name: 'there' })]
    )
    expect(proposals.map(({ from, to, jaccard, replaces }) => [from, to, jaccard, replaces])).toEqual([
      [0, 0, 0.75, 'there'],
      [2, 3, 0.75, null],
      [1, 1, 0.5, null]
    ])
    expect(left).toEqual([])
    const strict = carry(
      membership(20, 6, 4, 4),
      [said('cluster:0'), said('cluster:1')],
      membership(20, 8, 2, 1, 3),
      [],
      0.6
    )
    expect(strict.left.map(({ target }) => target)).toEqual(['cluster:1'])
    expect(strict.edits.map(({ target, after }) => [target, after?.author, after?.blindTest])).toEqual([
      ['cluster:0', 'before', null]
    ])
  })

  it('of a merge become a label where its clusters have become one', () => {
    const { edits } = carry(membership(20, 5, 5), [said('merge:1', { clusters: [0, 1] })], membership(20, 10))
    expect(edits).toEqual([{ target: 'cluster:0', after: body({ status: 'labelled', name: 'merge:1' }) }])
  })

  it('of a part become a label where it has become a cluster', () => {
    const annotations = [said('cluster:0'), said('part:1', { cluster: 0, tokens: [0, 1, 2] })]
    const { edits } = carry(membership(20, 10), annotations, membership(20, 3, 7))
    expect(edits.map(({ target, after }) => [target, after?.name])).toEqual([
      ['cluster:0', 'part:1'],
      ['cluster:1', 'cluster:0']
    ])
  })

  it('never move between clusters and what is left over', () => {
    expect(carry(membership(20, 20), [said('cluster:0')], membership(20)).proposals).toEqual([])
  })

  it('find their tokens by row and position in another study', () => {
    const rows = (...texts: string[]): Int32Array[] =>
      texts.map((text) => Int32Array.from(text, (letter) => letter.charCodeAt(0)))
    const left = {
      rows: rows('abcd', 'same', 'same', ''),
      targets: [Int32Array.of(1, 2, 3), Int32Array.of(1), Int32Array.of(1), new Int32Array(0)]
    }
    const right = {
      rows: rows('same', 'else', 'abcd', 'same'),
      targets: [Int32Array.of(1), Int32Array.of(1, 2), Int32Array.of(1, 3), Int32Array.of(1)]
    }
    const matched = matchTokens(left, right)
    expect([...matched]).toEqual([3, -1, 4, 0, 5])
    const there = Int32Array.of(-1, -1, -1, 8, 8, -1)
    const { proposals } = carryLabels(
      { membership: Int32Array.of(0, 0, 0, -1, -1), tree: GroupTree.flat(1), annotations: [said('cluster:0')] },
      { membership: there, tree: GroupTree.flat(9), annotations: [], nextMerge: 1, nextPart: 1, nextSelection: 1 },
      matched,
      0.5
    )
    expect(proposals).toMatchObject([{ from: 0, to: 8, jaccard: 2 / 3 }])
  })

  describe('with groups above', () => {
    // Clusters of four tokens each: neighbourhood 6 of 0 and 1, neighbourhood 7 of 2 and 3, region 8 of both; 4 and 5
    // alone.
    const fours = membership(26, 4, 4, 4, 4, 4, 4)
    const tree = treeOf(6, ['neighbourhood', [0, 1]], ['neighbourhood', [2, 3]], ['region', [6, 7]])

    it('are the same in the same tree, at every level', () => {
      const everywhere = [
        ...[0, 4, 6, 7, 8, -1].map((group) => said(`cluster:${group}`)),
        said('merge:2', { clusters: [1, 2] }),
        said('merge:3', { clusters: [6, 7], name: 'both' }),
        said('part:4', { cluster: 8, tokens: [0, 1, 9] }),
        said('part:5', { cluster: 5, tokens: [20, 21] })
      ]
      const { edits, left, proposals } = carry(fours, everywhere, fours, [], 0.5, null, [tree, tree])
      expect(left).toEqual([])
      expect(proposals.every(({ jaccard }) => jaccard === 1)).toBe(true)
      expect(edits.map(({ after }) => after)).toEqual(
        expect.arrayContaining(everywhere.map(({ target: _, ...rest }) => rest))
      )
    })

    it('go to the group of best overlap, whatever its level', () => {
      const eights = membership(26, 8, 8, 4, 4)
      const labels = [said('cluster:0'), said('cluster:1')]
      expect(carried(eights, flat(eights), labels, fours, tree)).toEqual([
        ['cluster:0', 'cluster:6', null],
        ['cluster:1', 'cluster:7', null]
      ])
      const back = [said('cluster:6'), said('cluster:7'), said('cluster:4')]
      expect(carried(fours, tree, back, eights, flat(eights))).toEqual([
        ['cluster:4', 'cluster:2', null],
        ['cluster:6', 'cluster:0', null],
        ['cluster:7', 'cluster:1', null]
      ])
    })

    it('go, where overlaps are the same, to a group of the same kind, and then to the finer one', () => {
      // Of twelve tokens in common with the left group, the right cluster of six has six; so has, of eighteen, the
      // neighbourhood of it and another.
      const left = membership(30, 12)
      const right = Int32Array.from({ length: 30 }, (_, token) =>
        token < 6 ? 0 : token < 12 ? 1 : token < 24 ? 2 : -1
      )
      const half = treeOf(3, ['neighbourhood', [1, 2]], ['region', [0, 3]])
      expect(carried(left, flat(left), [said('cluster:0')], right, half)).toEqual([['cluster:0', 'cluster:0', null]])
      const asRegion = treeOf(2, ['region', [0, 1]])
      const twelve = membership(30, 6, 6)
      // The region of twelve may go to the cluster of six, or to the region of twenty-four: half of the tokens either
      // way.
      expect(carried(twelve, asRegion, [said('cluster:2')], right, half)).toEqual([['cluster:2', 'cluster:4', null]])
      expect(carried(twelve, asRegion, [said('cluster:2')], right, treeOf(3, ['neighbourhood', [0, 1, 2]]))).toEqual([
        ['cluster:2', 'cluster:0', null]
      ])
    })

    it('of two groups do not go to one', () => {
      const sixteen = membership(26, 16, 4, 4)
      const labels = [said('cluster:8'), said('cluster:6')]
      expect(carried(fours, tree, labels, sixteen, flat(sixteen))).toEqual([
        ['cluster:8', 'cluster:0', null],
        ['cluster:6']
      ])
    })

    it('of a merge stay one of groups of one level, or become a label of what has them all', () => {
      const eights = membership(26, 8, 8, 4, 4)
      expect(carried(fours, tree, [said('merge:1', { clusters: [6, 7] })], eights, flat(eights))).toEqual([
        ['merge:1', 'merge:1', [0, 1]]
      ])
      expect(carried(eights, flat(eights), [said('merge:1', { clusters: [0, 1] })], fours, tree)).toEqual([
        ['merge:1', 'merge:1', [6, 7]]
      ])
      const mixed = membership(26, 8, 4, 4, 4, 4)
      // Neighbourhood 6 is cluster 0 there, but clusters 2 and 3 are a region: they are no merge, and all are that
      // region's.
      const above = treeOf(5, ['neighbourhood', [1, 2]], ['region', [0, 5]])
      expect(carried(fours, tree, [said('merge:1', { clusters: [6, 7] })], mixed, above)).toEqual([
        ['merge:1', 'cluster:6', null]
      ])
    })

    it('of a part stay with what their group has become, or with the finest group that has enough of them', () => {
      const eights = membership(26, 8, 8, 4, 4)
      const spread = said('part:1', { cluster: 0, tokens: [1, 2, 5, 6] })
      expect(carried(eights, flat(eights), [spread], fours, tree)).toEqual([['part:1', 'part:1', [1, 2, 5, 6]]])
      const { edits } = carry(eights, [spread], fours, [], 0.5, null, [flat(eights), tree])
      expect(edits[0].after?.cluster).toBe(6)
      const inOne = said('part:1', { cluster: 0, tokens: [0, 1, 2, 3] })
      expect(carried(eights, flat(eights), [said('cluster:0'), inOne], fours, tree)).toEqual([
        ['cluster:0', 'cluster:6', null],
        ['part:1', 'cluster:0', null]
      ])
    })
  })
})

describe('a name that is taken', () => {
  const all = [
    said('cluster:1', { name: 'Closing  brackets' }),
    said('cluster:2', { name: '' }),
    said('cluster:3', { name: 'closing brackets' }),
    said('merge:1', { name: 'closing brackets', clusters: [3, 4] }),
    said('part:1', { name: 'line ends', cluster: 5, tokens: [1] })
  ]

  it('is told without regard to case and spaces, and never of the target itself', () => {
    expect(alsoNamed(all, ' closing brackets', ['cluster:7'])).toEqual(['cluster:1', 'cluster:3', 'merge:1'])
    expect(alsoNamed(all, 'closing brackets', ['cluster:1', 'merge:1'])).toEqual([])
    expect(alsoNamed(all, 'line ends', ['cluster:5'])).toEqual(['part:1'])
    expect(alsoNamed(all, '', ['cluster:1'])).toEqual([])
  })

  it('is not told of a merge and its own clusters', () => {
    expect(alsoNamed(all, 'closing brackets', ['merge:1'])).toEqual(['cluster:1'])
    expect(alsoNamed(all, 'closing brackets', ['cluster:4'])).toEqual(['cluster:1', 'cluster:3'])
  })
})
