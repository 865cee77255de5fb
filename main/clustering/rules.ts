import type { RuleRecord } from '../../preload/records'
import type { TokenConditions } from './conditions'
import type { Grouping } from './grouping'
import { bestSingles, f1Of, mostFrequent, PairSearch, precedence, SparseCounts, type Candidate } from './rule-search'

/** Pairs of conditions are formed from this many conditions of each kind, the group's most frequent ones. */
const frequentConditions = 12

/** A rule with at least this F1 largely characterises its group. */
export const tellingF1 = 0.5

/** Approximate number of pairs counted in one pass over all tokens. Limits memory to about 150 MB. */
const pairsAtOnce = 2 ** 21
/** Share of the time spent before the last of these passes. */
const shareOfGroups = 0.8

/** Members of each group as consecutive stretches of `members`. */
type Groups = Pick<Grouping, 'starts' | 'members'>

const membersOf = ({ starts, members }: Groups): Int32Array[] =>
  Array.from(starts.subarray(1), (end, group) => members.subarray(starts[group], end))

const countAll = (conditions: TokenConditions): Int32Array => {
  const totals = new Int32Array(conditions.count)
  for (let token = 0; token < conditions.tokens; token++) {
    const count = conditions.load(token)
    for (let i = 0; i < count; i++) totals[conditions.numbers[i]]++
  }
  return totals
}

const inOrder = (rules: readonly Candidate[], size: number, kinds: Uint8Array): Candidate[] => {
  const f1 = ({ both, selected }: Candidate): number => f1Of(both, size, selected)
  return rules.toSorted((a, b) => f1(b) - f1(a) || precedence(a.conditions, b.conditions, kinds))
}

export interface RuleOptions {
  /** Receives the share done, 0 to 1. */
  readonly report?: (fraction: number) => void
  /**
   * Number of conditions of each kind that a group's pairs are formed from: the most frequent ones, ties to the lower
   * id.
   */
  readonly frequent?: number
  /** Approximate number of pairs counted in one pass over all tokens. Affects time and memory only. */
  readonly atOnce?: number
}

/**
 * Finds rules that predict the groups of several groupings (docs/method.md, section 5.5). Returns
 * [grouping][group][rule], best F1 first. Ties go to fewer conditions, then follow the order of `conditionKinds`,
 * then go to the lower id or earlier range.
 *
 * Each group gets its best single condition of each kind, and its best pair of conditions of different kinds if that
 * beats all of them. A condition that every token meets carries no information and is left out, so a group has no
 * rules if all tokens of the study are alike.
 *
 * The search is exact for single conditions. Pairs are formed from the `frequent` most frequent conditions of each
 * kind in the group. With 12, no pair with F1 above 1/7 is missed: both of its conditions hold for more than a
 * thirteenth of the group, and at most 12 conditions of a kind can.
 */
export const findRules = (
  conditions: TokenConditions,
  groupings: readonly Groups[],
  { report = () => {}, frequent = frequentConditions, atOnce = pairsAtOnce }: RuleOptions = {}
): RuleRecord[][][] => {
  const { kinds, numbers, tokens } = conditions
  const totals = countAll(conditions)
  const counts = new SparseCounts(conditions.count)
  const search = new PairSearch(conditions, atOnce)
  const all = groupings.reduce((sum, { members }) => sum + members.length, 0)
  let done = 0
  const rulesOf = (members: Int32Array): Candidate[] => {
    for (const token of members) {
      const count = conditions.load(token)
      for (let i = 0; i < count; i++) if (totals[numbers[i]] < tokens) counts.add(numbers[i])
    }
    const rules = bestSingles(kinds, counts, totals, members.length)
    search.propose(members, mostFrequent(kinds, counts, frequent), rules)
    counts.clear()
    done += members.length
    report((shareOfGroups * done) / all)
    return rules
  }
  const found = groupings.map((grouping) =>
    membersOf(grouping).map((members) => ({ size: members.length, rules: rulesOf(members) }))
  )
  search.settle((fraction) => report(shareOfGroups + (1 - shareOfGroups) * fraction))
  const recordOf = ({ conditions: own, both, selected }: Candidate, size: number): RuleRecord => ({
    conditions: own.map((number) => conditions.conditionOf(number)),
    recall: both / size,
    precision: both / selected,
    f1: f1Of(both, size, selected)
  })
  return found.map((groups) =>
    groups.map(({ size, rules }) => inOrder(rules, size, kinds).map((rule) => recordOf(rule, size)))
  )
}

/** Returns a test whether a rule selects a token, that is, whether the token meets all of its conditions. */
export const selects = (conditions: TokenConditions, rule: RuleRecord): ((token: number) => boolean) => {
  const tests = rule.conditions.map((condition) => conditions.meets(condition))
  return (token) => tests.every((test) => test(token))
}

/**
 * 1 for each token that the first rule of its group selects; 0 for other tokens, and for tokens without a group or
 * rule.
 */
export const caughtTokens = (
  conditions: TokenConditions,
  groups: Groups,
  rules: readonly (readonly RuleRecord[])[]
): Uint8Array => {
  const caught = new Uint8Array(conditions.tokens)
  membersOf(groups).forEach((members, group) => {
    if (rules[group].length === 0) return
    const selected = selects(conditions, rules[group][0])
    for (const token of members) if (selected(token)) caught[token] = 1
  })
  return caught
}

/** How well rules characterise groups. Both values are NaN without groups. */
export interface RuleMerit {
  /** Median over groups of the F1 of their best rule. Groups without a rule count as 0. */
  readonly medianF1: number
  /** Share of the groups whose best rule has an F1 of at least `tellingF1`. */
  readonly tellingShare: number
}

/** Summarises the rules of several groups, [group][rule], with the best rule of each group first. */
export const meritOfRules = (rules: readonly (readonly RuleRecord[])[]): RuleMerit => {
  const best = rules.map(([first]) => (first === undefined ? 0 : first.f1)).sort((a, b) => a - b)
  const [lower, upper] = [Math.floor((best.length - 1) / 2), Math.floor(best.length / 2)]
  const telling = best.filter((f1) => f1 >= tellingF1)
  return { medianF1: (best[lower] + best[upper]) / 2, tellingShare: telling.length / best.length }
}
