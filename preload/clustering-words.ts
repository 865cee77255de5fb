import type { ClusteringConfiguration } from './configuration'
import { patternWords } from './contract-explore'
import type { ClusterNumber, ClusteringRecord, GroupKind, LeftoverKind, LevelStability, RuleCondition } from './records'
import { stableFrom } from './records'

const tokenVerbs = { token: 'is', previous: 'is after', next: 'is before' } as const

const conditionWords = (condition: RuleCondition): string => {
  switch (condition.on) {
    case 'token':
    case 'previous':
    case 'next':
      return `${tokenVerbs[condition.on]} ${JSON.stringify(condition.text)}`
    case 'subset':
      return condition.subset === '' ? 'is from no subset' : `is from ${condition.subset}`
    case 'pattern':
      return Object.hasOwn(patternWords, condition.pattern)
        ? patternWords[condition.pattern as keyof typeof patternWords]
        : condition.pattern
    case 'position':
      return condition.from === condition.to
        ? `is at position ${condition.from} of its row`
        : `is at positions ${condition.from} to ${condition.to} of its row`
  }
}

/**
 * Describes a rule, to be read after "a token that": `is before " the" and is from law`. Token texts are JSON
 * strings. "" without conditions.
 */
export const ruleWords = (conditions: readonly RuleCondition[]): string => conditions.map(conditionWords).join(' and ')

/** Describes clustering settings, for reports, the terminal and names of clusterings. */
export const clusteringWords = (configuration: ClusteringConfiguration): string => {
  const { method, neighbours, recall, symmetrize, whiten, minSize } = configuration
  const own =
    method === 'acl'
      ? [`alpha ${configuration.alpha}`, `epsilon ${configuration.epsilon}`, `${configuration.rule} rule`]
      : [
          `resolution ${configuration.resolution}`,
          `${configuration.levels} ${configuration.levels === 1 ? 'level' : 'levels'}`
        ]
  const graph = [
    `${neighbours} ${recall === 1 ? '' : 'approximate '}neighbours`,
    symmetrize,
    ...(whiten ? ['whitened'] : [])
  ]
  return [method === 'acl' ? 'ACL' : 'communities', ...graph, ...own, `at least ${minSize} tokens`].join(', ')
}

const nouns: Readonly<Record<GroupKind, readonly [one: string, several: string]>> = {
  cluster: ['cluster', 'clusters'],
  neighbourhood: ['neighbourhood', 'neighbourhoods'],
  region: ['region', 'regions']
}

/** "1 region", "12 clusters". */
export const groupCount = (kind: GroupKind, count: number): string => `${count} ${nouns[kind][count === 1 ? 0 : 1]}`

/** Name of a group: "Cluster 7", "Region 41", "Unclustered". */
export const groupName = (kind: GroupKind | LeftoverKind, cluster: ClusterNumber): string => {
  if (kind === 'main body' || kind === 'unclustered') return 'Unclustered'
  return `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${cluster}`
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`

/**
 * Describes the stability of one level: "9 of 12 clusters are stable, with 62 % ± 3 % of the tokens (2 % by chance)".
 */
export const stabilityWords = ({
  kind,
  groups,
  stableGroups,
  stableShare,
  error,
  nullShare
}: LevelStability): string => {
  const share = `${percent(stableShare)}${error === null ? '' : ` ± ${percent(error)}`} of the tokens`
  const chance = nullShare === null ? '' : ` (${percent(nullShare)} by chance)`
  return `${stableGroups} of ${groupCount(kind, groups)} ${groups === 1 ? 'is' : 'are'} stable, with ${share}${chance}`
}

/** Describes approximate neighbours: "98.9 % of the nearest neighbours found, 95 % asked for". "" for exact ones. */
export const recallWords = ({
  configuration: { recall },
  neighbourRecall
}: Pick<ClusteringRecord, 'configuration' | 'neighbourRecall'>): string => {
  if (neighbourRecall === null) return ''
  const [found, asked] = [neighbourRecall, recall].map((share) => `${Number((100 * share).toFixed(1))} %`)
  return `${found} of the nearest neighbours found, ${asked} asked for; measured on a sample of tokens`
}

/** Whether a group may be noise, by its stability; false if that is unknown. */
export const mayNotBeThere = (stability: number | null): boolean => stability !== null && stability < stableFrom
