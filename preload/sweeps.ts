import { checkedConfiguration, keysOfMethod } from './configuration'
import type { ClusteringSettings, RunConfiguration } from './configuration'
import { memberWords, sweepSettingNames, sweepSettings } from './contract-sweeps'
import type { Sweep, SweepSetting, SweepValues } from './contract-sweeps'
import { SpectroscopeError } from './errors'
import { limits } from './limits'

/** One member of a sweep: a run's configuration, whose `clustering` is the member's own. */
export interface PlannedMember {
  readonly values: SweepValues
  readonly configuration: RunConfiguration & { readonly clustering: ClusteringSettings }
}

/** All combinations of the values, the last setting varying fastest. Throws a `configuration` error if too many. */
const combinations = (sweep: Sweep): readonly SweepValues[] => {
  const settings = sweepSettingNames.flatMap((name) => {
    const values = sweep[name]
    return values === undefined ? [] : [{ name, values: [...new Set(values)] }]
  })
  if (settings.length === 0)
    throw new SpectroscopeError(
      'configuration',
      `"sweep" varies nothing; give values of ${sweepSettingNames.join(', ')}.`
    )
  const count = settings.reduce((product, { values }) => product * values.length, 1)
  if (count > limits.sweepMembers) {
    const what = `"sweep" has ${count} members, but it must have at most ${limits.sweepMembers}`
    throw new SpectroscopeError('configuration', `${what}; vary fewer settings, or give fewer values.`)
  }
  return settings.reduce<SweepValues[]>(
    (members, { name, values }) =>
      members.flatMap((member) => values.map((value): SweepValues => ({ ...member, [name]: value }))),
    [{}]
  )
}

const valuesOfPart = (values: SweepValues, part: 'run' | 'clustering'): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => sweepSettings[name as SweepSetting].part === part)
      .map(([name, value]) => [sweepSettings[name as SweepSetting].key, value])
  )

/** Changes clustering settings. When the method changes, settings of the other one go. */
const clusteringWith = (base: ClusteringSettings, changes: Readonly<Record<string, unknown>>): object => {
  const method = changes['method'] ?? base.method
  const other = method === 'acl' ? 'communities' : 'acl'
  const kept = Object.entries(base).filter(([key]) => method === base.method || !keysOfMethod[other].includes(key))
  return { ...Object.fromEntries(kept), ...changes }
}

/** A run's configuration with the values of one member. Throws a `configuration` error that names the member. */
const memberOf = (base: RunConfiguration, values: SweepValues): PlannedMember => {
  const { clustering } = base
  if (clustering === false)
    throw new SpectroscopeError('configuration', 'A sweep compares clusterings; remove "clustering": false.')
  const { 'sampler.nBeta': nBeta, 'sampler.gamma': gamma, ...own } = valuesOfPart(values, 'run')
  const { configuration, issues } = checkedConfiguration({
    ...base,
    ...own,
    sampler: {
      ...base.sampler,
      ...(nBeta === undefined ? {} : { nBeta }),
      ...(gamma === undefined ? {} : { gamma })
    },
    clustering: clusteringWith(clustering, valuesOfPart(values, 'clustering'))
  })
  if (configuration === null)
    throw new SpectroscopeError('configuration', `Member ${memberWords(values)}: ${issues[0].message}.`)
  return { values, configuration: configuration as PlannedMember['configuration'] }
}

/** The members of a sweep over a configuration. Throws a `configuration` error for values that it cannot have. */
export const membersOf = (base: RunConfiguration, sweep: Sweep): readonly PlannedMember[] =>
  combinations(sweep).map((values) => memberOf(base, values))

const ofOwnRuns =
  'Each nβ is a run of its own: the kept sums hold draws that are weighted by their own nβ, and no other nβ can be ' +
  'computed from them.'
const ofSeeds =
  'The seed also chooses the rows of a corpus, so members are compared on the tokens that both have. With "rows" ' +
  'from a file, those are all tokens.'

/** What to know before comparing the members of a sweep. */
export const sweepNotes = ({ sampler }: RunConfiguration, { nBeta = [], seed = [] }: Sweep): readonly string[] => [
  ...(nBeta.length > 1 && sampler.method !== 'psgld' ? [ofOwnRuns] : []),
  ...(seed.length > 1 ? [ofSeeds] : [])
]
