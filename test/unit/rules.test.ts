import { describe, expect, it } from 'vitest'
import { conditionKinds, positionRanges, TokenConditions, type TokenContexts } from '../../main/clustering/conditions'
import { groupTokens, type Grouping } from '../../main/clustering/grouping'
import { PairTable } from '../../main/clustering/pair-table'
import { caughtTokens, findRules, meritOfRules, selects } from '../../main/clustering/rules'
import { patternNames } from '../../preload/contract-explore'
import type { RuleCondition, RuleRecord } from '../../preload/records'
import { randomNumbers } from './clustering-fixture'

const noTexts = { ids: new Int32Array(0), texts: [] }

interface Study extends TokenContexts {
  /** Row and position of each studied token. */
  readonly places: readonly (readonly [row: number, position: number])[]
}

/** A study of all positions of the rows but the first; `patterns` and `subsetOf` are 0 where they are not given. */
const studyOf = (rows: readonly (readonly number[])[], given: Partial<TokenContexts> = {}): Study => {
  const probe = rows.map((row) => Int32Array.from(row))
  const targets = probe.map((row) => Int32Array.from({ length: row.length - 1 }, (_, i) => i + 1))
  const places = targets.flatMap((own, row) => Array.from(own, (position) => [row, position] as const))
  const zeros = new Int32Array(places.length)
  const plain = { texts: noTexts, patterns: zeros, subsetOf: zeros, subsets: ['only'] }
  return { places, rows: { probe, targets }, ...plain, ...given }
}

const grouped = (membership: readonly number[]): Grouping =>
  groupTokens({ kind: 'cluster', membership: Int32Array.from(membership) })

const randomInts = (seed: number): ((below: number) => number) => {
  const { uniform } = randomNumbers(seed)
  return (below) => Math.floor(below * uniform())
}

/** Random rows of two lengths, patterns and subsets, and groups that follow the tokens' ids and patterns in part. */
const randomStudy = (seed: number, vocabulary: number, groups: number): { study: Study; membership: number[] } => {
  const below = randomInts(seed)
  const row = (length: number): number[] => Array.from({ length }, () => 3 * below(vocabulary))
  const bare = studyOf([...Array.from({ length: 6 }, () => row(40)), row(13)])
  const { places } = bare
  const study = {
    ...bare,
    patterns: Int32Array.from(places, () => below(2 ** 12) & below(2 ** 12)),
    subsetOf: Int32Array.from(places, ([at]) => at % 3),
    subsets: ['a', 'b', 'c']
  }
  const membership = places.map(([at, position], token) => {
    const own = study.rows.probe[at][position] + (study.patterns[token] & 3)
    return (below(3) === 0 ? below(groups) : own % groups) - 1
  })
  return { study, membership }
}

const meets = (study: Study, token: number, condition: RuleCondition): boolean => {
  const {
    rows: { probe },
    places,
    patterns,
    subsetOf,
    subsets
  } = study
  const [row, position] = places[token]
  switch (condition.on) {
    case 'token':
      return probe[row][position] === condition.id
    case 'previous':
      return probe[row][position - 1] === condition.id
    case 'next':
      return probe[row][position + 1] === condition.id
    case 'subset':
      return subsets[subsetOf[token]] === condition.subset
    case 'pattern':
      return ((patterns[token] >> patternNames.indexOf(condition.pattern as (typeof patternNames)[number])) & 1) === 1
    case 'position':
      return condition.from <= position && position <= condition.to
  }
}

/** Every condition that some token does not meet, in the order that decides between equal ones, with its tokens. */
const allConditions = (study: Study): { condition: RuleCondition; tokens: Set<number> }[] => {
  const ids = [...new Set(study.rows.probe.flatMap((row) => [...row]))].sort((a, b) => a - b)
  const ofIds = (['token', 'previous', 'next'] as const).flatMap((on) => ids.map((id) => ({ on, id, text: `⟨${id}⟩` })))
  const ranges = positionRanges(Math.max(...study.rows.probe.map(({ length }) => length)))
  const all: RuleCondition[] = [
    ...ofIds,
    ...study.subsets.map((subset) => ({ on: 'subset' as const, subset })),
    ...patternNames.map((pattern) => ({ on: 'pattern' as const, pattern })),
    ...ranges.map((range) => ({ on: 'position' as const, ...range }))
  ]
  const tokens = [...study.places.keys()]
  return all
    .map((condition) => ({ condition, tokens: new Set(tokens.filter((token) => meets(study, token, condition))) }))
    .filter((found) => found.tokens.size < tokens.length)
}

const ruleOf = (conditions: RuleCondition[], selected: ReadonlySet<number>, group: ReadonlySet<number>): RuleRecord => {
  const both = [...selected].filter((token) => group.has(token)).length
  const f1 = (2 * both) / (group.size + selected.size)
  return { conditions, recall: both / group.size, precision: both / selected.size, f1 }
}

/** The first of the best rules. */
const bestOf = (rules: readonly RuleRecord[]): RuleRecord | undefined =>
  rules.reduce<RuleRecord | undefined>((best, rule) => (rule.f1 > (best?.f1 ?? 0) ? rule : best), undefined)

/** Tries all conditions and all pairs, and gives the rules of one group. */
const bruteForce = (study: Study): ((group: ReadonlySet<number>) => RuleRecord[]) => {
  const all = allConditions(study)
  const ofKind = (kind: string): typeof all => all.filter(({ condition }) => condition.on === kind)
  const pairs = conditionKinds.flatMap((first, i) =>
    conditionKinds.slice(i + 1).flatMap((second) =>
      ofKind(first).flatMap((a) =>
        ofKind(second).map((b) => ({
          conditions: [a.condition, b.condition],
          tokens: new Set([...a.tokens].filter((token) => b.tokens.has(token)))
        }))
      )
    )
  )
  return (group) => {
    const singles = conditionKinds.map((kind) =>
      bestOf(ofKind(kind).map(({ condition, tokens }) => ruleOf([condition], tokens, group)))
    )
    const pair = bestOf(pairs.map(({ conditions, tokens }) => ruleOf(conditions, tokens, group)))
    const found = singles.filter((rule) => rule !== undefined)
    const better = pair !== undefined && found.every(({ f1 }) => f1 < pair.f1) ? [pair] : []
    return [...better, ...found].sort((a, b) => b.f1 - a.f1)
  }
}

const membersOf = (membership: readonly number[], group: number): Set<number> =>
  new Set([...membership.keys()].filter((token) => membership[token] === group))

/** Rules of each group by its number. */
const rulesOf = (study: Study, membership: readonly number[], options = {}): Map<number, RuleRecord[]> => {
  const grouping = grouped(membership)
  const [rules] = findRules(new TokenConditions(study), [grouping], options)
  return new Map(rules.map((own, group) => [grouping.numbers[group], own]))
}

const singleOn = (rules: readonly RuleRecord[], kind: string): RuleRecord | undefined =>
  rules.find(({ conditions }) => conditions.length === 1 && conditions[0].on === kind)

describe('rules of groups', () => {
  const below = randomInts(7)
  const rows = Array.from({ length: 12 }, () => Array.from({ length: 32 }, () => 100 + below(6)))
  const plain = studyOf(rows)
  const planted = {
    ...plain,
    subsetOf: Int32Array.from(plain.places, ([row]) => row % 4),
    subsets: ['books', 'code', 'mail', 'web'],
    patterns: Int32Array.from(plain.places, () => below(2 ** 12))
  }

  it.each<RuleCondition>([
    { on: 'token', id: 103, text: '⟨103⟩' },
    { on: 'previous', id: 100, text: '⟨100⟩' },
    { on: 'next', id: 105, text: '⟨105⟩' },
    { on: 'subset', subset: 'mail' },
    { on: 'pattern', pattern: 'line-start' },
    { on: 'position', from: 24, to: 31 }
  ])('find what was planted: $on', (condition) => {
    const membership = plain.places.map((_, token) => (meets(planted, token, condition) ? 0 : -1))
    const [best] = rulesOf(planted, membership).get(0)!
    expect(best).toEqual({ conditions: [condition], recall: 1, precision: 1, f1: 1 })
  })

  it('tell how much of the group they miss, and how much else they select', () => {
    const condition = { on: 'token', id: 103, text: '⟨103⟩' } as const
    const met = plain.places.map((_, token) => meets(planted, token, condition))
    const first = met.indexOf(true)
    const others = [met.indexOf(false), met.lastIndexOf(false)]
    const membership = met.map((own, token) => ((own && token !== first) || others.includes(token) ? 0 : -1))
    const count = met.filter(Boolean).length
    const { conditions, recall, precision } = rulesOf(planted, membership).get(0)![0]
    expect(conditions).toEqual([condition])
    expect(recall).toBe((count - 1) / (count + 1))
    expect(precision).toBe((count - 1) / count)
  })

  it('are pairs where neither condition suffices', () => {
    const pair: RuleCondition[] = [
      { on: 'token', id: 101, text: '⟨101⟩' },
      { on: 'previous', id: 104, text: '⟨104⟩' }
    ]
    const meetsBoth = (token: number): boolean => pair.every((condition) => meets(planted, token, condition))
    const membership = plain.places.map((_, token) => (meetsBoth(token) ? 3 : 0))
    const rules = rulesOf(planted, membership).get(3)!
    expect(rules[0]).toEqual({ conditions: pair, recall: 1, precision: 1, f1: 1 })
    expect(rules.slice(1).every(({ conditions, f1 }) => conditions.length === 1 && f1 < 0.5)).toBe(true)
  })

  it('have no pair that is no better than a single condition', () => {
    const membership = plain.places.map(([row, position]) => (rows[row][position] === 102 ? 0 : 1))
    for (const rules of rulesOf(planted, membership).values()) {
      const pair = rules.findIndex(({ conditions }) => conditions.length === 2)
      expect(pair <= 0).toBe(true)
    }
    expect(
      rulesOf(planted, membership)
        .get(0)!
        .some(({ conditions }) => conditions.length === 2)
    ).toBe(false)
  })

  it.each([1, 2, 3])('are the best of all conditions and all pairs (random study %i)', (seed) => {
    const { study, membership } = randomStudy(seed, 9, 7)
    const rules = rulesOf(study, membership, { frequent: 1000 })
    expect([...rules.keys()]).toEqual([0, 1, 2, 3, 4, 5, -1])
    const expected = bruteForce(study)
    for (const [group, found] of rules) expect(found).toEqual(expected(membersOf(membership, group)))
  })

  it('miss no pair of an F1 above 1/7 though they look at few conditions', () => {
    let pairs = 0
    for (const seed of [4, 5]) {
      const { study, membership } = randomStudy(seed, 80, 12)
      const rulesByForce = bruteForce(study)
      for (const [group, found] of rulesOf(study, membership)) {
        const expected = rulesByForce(membersOf(membership, group))
        if (expected[0].f1 <= 1 / 7) continue
        expect(found).toEqual(expected)
        pairs += expected[0].conditions.length === 2 ? 1 : 0
      }
    }
    expect(pairs).toBeGreaterThan(3)
  })

  it('find a pair whose conditions are the twelfth most frequent of the group', () => {
    const eleven = Array.from({ length: 11 }, (_, i) => i)
    const spread = eleven.flatMap((i) => eleven.map((j) => [101 + ((i + j) % 11), 1 + i]))
    const group = [...spread, ...eleven.map(() => [150, 50])]
    const elsewhere = [...eleven.map((i) => [101 + i, 400]), ...eleven.map((i) => [300, 1 + i]), [150, 400], [300, 50]]
    const others = elsewhere.flatMap((row) => Array.from({ length: 200 }, () => row))
    const membership = [...group.map(() => 0), ...others.map(() => -1)]
    const [best] = rulesOf(studyOf([...group, ...others]), membership).get(0)!
    expect(best.conditions).toMatchObject([
      { on: 'token', id: 50 },
      { on: 'previous', id: 150 }
    ])
    expect(best.f1).toBe(22 / 143)
  })

  it('go by the kinds of both conditions before ids where pairs are equally good', () => {
    const times = <T>(count: number, each: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => each(i))
    const group = [...times(4, (i) => [20 + i, 1]), ...times(4, () => [9, 2])]
    const others = times(10, (i) => [
      [40 + i, 1],
      [60 + i, 5],
      [9, 3],
      [80 + i, 2]
    ]).flat()
    const subsetOf = Int32Array.from([
      ...times(4, () => 0),
      ...times(4, (i) => 1 + (i % 2)),
      ...times(10, (i) => [1, 0, 1 + (i % 2), 1 + (i % 2)]).flat()
    ])
    const study = studyOf([...group, ...others], { subsetOf, subsets: ['a', 'b', 'c'] })
    const [best] = rulesOf(study, [...group.map(() => 0), ...others.map(() => -1)]).get(0)!
    expect(best.f1).toBe(2 / 3)
    expect(best.conditions).toMatchObject([
      { on: 'token', id: 2 },
      { on: 'previous', id: 9 }
    ])
  })

  it('have pairs of the lower of two ids that are as frequent, where one is looked at', () => {
    const group = [
      [9, 5],
      [9, 5],
      [9, 3],
      [9, 3]
    ]
    const others = Array.from({ length: 30 }, () => [
      [8, 5],
      [8, 3],
      [9, 4]
    ]).flat()
    const study = studyOf([...group, ...others, [9, 3]])
    const membership = [...group.map(() => 0), ...others.map(() => -1), -1]
    const conditionsOf = (options: { frequent?: number }): readonly RuleCondition[] =>
      rulesOf(study, membership, options).get(0)![0].conditions
    expect(conditionsOf({})).toMatchObject([{ id: 5 }, { id: 9 }])
    expect(conditionsOf({ frequent: 1 })).toMatchObject([{ id: 3 }, { id: 9 }])
  })

  it('are those of several groupings, whatever is counted at a time', () => {
    const { study, membership } = randomStudy(6, 80, 12)
    const conditions = new TokenConditions(study)
    const coarse = membership.map((group) => (group < 0 ? -1 : group % 5))
    const groupings = [grouped(membership), grouped(coarse), grouped(membership)]
    const found = findRules(conditions, groupings)
    expect(found[0].some(([best]) => best.conditions.length === 2)).toBe(true)
    expect(found).toEqual(groupings.map((grouping) => findRules(conditions, [grouping])[0]))
    expect(findRules(conditions, groupings, { atOnce: 1 })).toEqual(found)
    expect(findRules(conditions, groupings)).toEqual(found)
  })

  it('do not depend on the numbers of the groups', () => {
    const { study, membership } = randomStudy(8, 9, 7)
    const numbers = [4, 0, 5, 2, 1, 3]
    const nameOf = (group: number): number => (group < 0 ? -1 : numbers[group])
    const renamed = rulesOf(study, membership.map(nameOf))
    for (const [group, rules] of rulesOf(study, membership)) expect(renamed.get(nameOf(group))).toEqual(rules)
  })

  it('tell a single token', () => {
    const { study, membership } = randomStudy(9, 9, 3)
    const alone = membership.map((group, token) => (token === 100 ? 5 : group))
    expect(rulesOf(study, alone, { frequent: 1000 }).get(5)).toEqual(bruteForce(study)(new Set([100])))
    expect(rulesOf(study, alone).get(5)![0].recall).toBe(1)
  })

  it('need no more than one studied token in a row', () => {
    const study = studyOf([
      [1, 2],
      [1, 3],
      [4, 2],
      [4, 3]
    ])
    const rules = rulesOf(study, [0, 1, 0, 1])
    expect(rules.get(0)).toEqual([
      { conditions: [{ on: 'token', id: 2, text: '⟨2⟩' }], recall: 1, precision: 1, f1: 1 },
      { conditions: [{ on: 'previous', id: 1, text: '⟨1⟩' }], recall: 0.5, precision: 0.5, f1: 0.5 }
    ])
  })

  it('go to the earlier kind, then to the lower id, where several are equally good', () => {
    const study = studyOf([
      [7, 2, 9],
      [7, 2, 9],
      [7, 5, 6],
      [7, 5, 6]
    ])
    const rules = rulesOf(study, [0, 0, 0, 0, 1, 1, 1, 1]).get(0)!.slice(0, 3)
    expect(rules.map(({ conditions }) => conditions)).toEqual([
      [{ on: 'token', id: 2, text: '⟨2⟩' }],
      [{ on: 'previous', id: 2, text: '⟨2⟩' }],
      [{ on: 'next', id: 9, text: '⟨9⟩' }]
    ])
    expect(rules.map(({ f1 }) => f1)).toEqual([2 / 3, 2 / 3, 2 / 3])
  })

  it('are none where all tokens are alike', () => {
    const study = studyOf([[1, 1]])
    expect([...rulesOf(study, [0]).values()]).toEqual([[]])
    expect(Array.from(caughtTokens(new TokenConditions(study), grouped([0]), [[]]))).toEqual([0])
  })

  it('give texts, and ids that have none', () => {
    const study = studyOf(
      [
        [5, 6],
        [5, 8]
      ],
      { texts: { ids: Int32Array.of(5, 6), texts: [' if', ' the'] } }
    )
    const rules = rulesOf(study, [0, 1])
    expect(singleOn(rules.get(0)!, 'token')!.conditions[0]).toEqual({ on: 'token', id: 6, text: ' the' })
    expect(singleOn(rules.get(1)!, 'token')!.conditions[0]).toEqual({ on: 'token', id: 8, text: '⟨8⟩' })
  })

  it('refuse subsets or patterns of other tokens', () => {
    expect(() => new TokenConditions(studyOf([[1, 2]], { subsetOf: new Int32Array(2) }))).toThrow('Rows of 1 tokens')
  })
})

describe('what a rule selects', () => {
  it('has the share of the group, and of other tokens, that the rule tells', () => {
    const { study, membership } = randomStudy(10, 9, 7)
    const conditions = new TokenConditions(study)
    const tokens = [...membership.keys()]
    for (const [group, rules] of rulesOf(study, membership)) {
      const members = membersOf(membership, group)
      for (const rule of rules) {
        const selected = tokens.filter(selects(conditions, rule))
        expect(ruleOf([...rule.conditions], new Set(selected), members)).toEqual(rule)
      }
    }
  })

  it('is caught of each group by its best rule', () => {
    const { study, membership } = randomStudy(11, 9, 7)
    const grouping = grouped(membership)
    const conditions = new TokenConditions(study)
    const [rules] = findRules(conditions, [grouping])
    const caught = caughtTokens(conditions, grouping, rules)
    const best = new Map(rules.map(([rule], group) => [grouping.numbers[group], selects(conditions, rule)]))
    expect(Array.from(caught)).toEqual(membership.map((group, token) => (best.get(group)!(token) ? 1 : 0)))
  })

  it('is nothing for a condition that is not there', () => {
    const conditions = new TokenConditions(studyOf([[1, 2, 3]]))
    const of = (condition: RuleCondition): RuleRecord => ({ conditions: [condition], recall: 0, precision: 0, f1: 0 })
    const absent: RuleCondition[] = [
      { on: 'next', id: 99, text: 'x' },
      { on: 'subset', subset: 'none' },
      { on: 'pattern', pattern: 'none' },
      { on: 'position', from: 3, to: 9 }
    ]
    for (const condition of absent) expect([0, 1].filter(selects(conditions, of(condition)))).toEqual([])
  })
})

describe('the merit of rules', () => {
  const rules = (...f1s: number[]): RuleRecord[] => f1s.map((f1) => ({ conditions: [], recall: 1, precision: 1, f1 }))

  it('is the median of the best, and the share of groups that they tell', () => {
    const three = meritOfRules([rules(0.2, 0.1), rules(0.9), rules(0.5, 0.3)])
    expect(three).toEqual({ medianF1: 0.5, tellingShare: 2 / 3 })
    const four = meritOfRules([rules(0.25), rules(0.75), [], rules(1)])
    expect(four).toEqual({ medianF1: 0.5, tellingShare: 0.5 })
  })

  it('is not a number without groups', () => {
    expect(meritOfRules([])).toEqual({ medianF1: Number.NaN, tellingShare: Number.NaN })
  })
})

describe('ranges of positions', () => {
  it.each([
    [
      128,
      [
        [0, 7],
        [8, 31],
        [0, 31],
        [32, 63],
        [64, 95],
        [96, 127],
        [120, 127]
      ]
    ],
    [
      32,
      [
        [0, 7],
        [8, 15],
        [16, 23],
        [24, 31]
      ]
    ],
    [
      10,
      [
        [0, 7],
        [0, 1],
        [2, 4],
        [5, 6],
        [7, 9],
        [2, 9]
      ]
    ],
    [
      8,
      [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7]
      ]
    ],
    [
      2,
      [
        [0, 0],
        [1, 1]
      ]
    ],
    [1, []],
    [0, []]
  ])('of a row of %i are parts of it, each once', (length, expected) => {
    expect(positionRanges(length).map(({ from, to }) => [from, to])).toEqual(expected)
  })
})

describe('a table of pairs', () => {
  it('counts every pair apart, as many as there are, and forgets them', () => {
    const below = randomInts(12)
    const table = new PairTable()
    for (let round = 0; round < 2; round++) {
      const expected = new Map<string, number>()
      for (let i = 0; i < 20_000; i++) {
        const [a, b] = [below(300), 300 + below(300)]
        const ordinal = table.ordinalOf(a, b)
        table.counts[ordinal]++
        expected.set(`${a} ${b}`, (expected.get(`${a} ${b}`) ?? 0) + 1)
      }
      expect(table.size).toBe(expected.size)
      const counted = [...expected.keys()].map((pair) => {
        const [a, b] = pair.split(' ').map(Number)
        return table.counts[table.find(a, b)]
      })
      expect(counted).toEqual([...expected.values()])
      const pairs = Array.from({ length: table.size }, (_, ordinal) => table.pairAt(ordinal).join(' '))
      expect(pairs).toEqual([...expected.keys()])
      expect(table.find(1000, 1001)).toBe(-1)
      table.clear()
      expect(table.size).toBe(0)
    }
  })
})
