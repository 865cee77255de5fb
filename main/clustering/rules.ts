import type { RuleRecord } from '../../preload/records'
import type { TokenConditions } from './conditions'
import type { Grouping } from './grouping'
import { bestSingles, f1Of, mostFrequent, PairSearch, precedence, SparseCounts, type Candidate } from './rule-search'

/** Conditions of one kind that the pairs of a group are made of: its most frequent. */
const frequentConditions = 12

/** A rule of this F1 and above says by and large what a group is. */
export const tellingF1 = 0.5

/** Pairs that are counted in one pass over all tokens, about; they bound the memory to some 150 MB. */
const pairsAtOnce = 2 ** 21
/** Share of the time before the last of these passes. */
const shareOfGroups = 0.8

/** Groups as stretches of `members`. */
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
  /** Gets the share that is done. */
  readonly report?: (fraction: number) => void
  /** Pairs of a group are made of so many conditions of each kind: the most frequent in it, ties to the lower id. */
  readonly frequent?: number
  /** Pairs that are counted in one pass over all tokens, about. It changes time and memory only. */
  readonly atOnce?: number
}

/**
 * Rules that predict the groups of some groupings, [grouping][group][rule], the best by F1 first. Ties go to fewer
 * conditions, then by the order of `conditionKinds`, then to the lower id or the earlier range. Each group has the
 * best rule of one condition of each kind, and the best of two conditions of different kinds where that beats all of
 * these. A condition that every token meets tells nothing and is left out, so a group has no rules where all tokens
 * of the study are alike.
 *
 * Single conditions are searched exactly, pairs among the `frequent` most frequent conditions of each kind in the
 * group. With 12, none of an F1 above 1/7 is missed: both of its conditions are met by more than a thirteenth of the
 * group, and no more than 12 of a kind can be.
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

/** Tells which tokens a rule selects: those that meet all of its conditions. */
export const selects = (conditions: TokenConditions, rule: RuleRecord): ((token: number) => boolean) => {
  const tests = rule.conditions.map((condition) => conditions.meets(condition))
  return (token) => tests.every((test) => test(token))
}

/** Of each token: 1 where the first of its group's rules selects it. 0 without a group, and without a rule. */
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

/** How well rules tell some groups; both are NaN without groups. */
export interface RuleMerit {
  /** Median over groups of the F1 of their best rule; 0 for a group without one. */
  readonly medianF1: number
  /** Share of the groups whose best rule has an F1 of `tellingF1` or more. */
  readonly tellingShare: number
}

/** The merit of the rules of some groups, [group][rule], the best of each group first. */
export const meritOfRules = (rules: readonly (readonly RuleRecord[])[]): RuleMerit => {
  const best = rules.map(([first]) => (first === undefined ? 0 : first.f1)).sort((a, b) => a - b)
  const [lower, upper] = [Math.floor((best.length - 1) / 2), Math.floor(best.length / 2)]
  const telling = best.filter((f1) => f1 >= tellingF1)
  return { medianF1: (best[lower] + best[upper]) / 2, tellingShare: telling.length / best.length }
}
