import { SpectroscopeError } from '../../preload/errors'
import { foundFrom, memberWords, sweepPresets } from '../../preload/contract'
import type {
  CallName,
  CallParameters,
  CallResult,
  MemberResult,
  Sweep,
  SweepEntry,
  SweepReport,
  SweptCluster
} from '../../preload/contract'
import { hash } from './random'

interface Of {
  readonly runs: readonly string[]
  readonly clusters: number
  readonly tokens: number
}

type SweepCalls = {
  readonly [M in Extract<CallName, `sweeps.${string}`>]: (parameters: CallParameters<M>) => CallResult<M>
}

const valuesOf = (settings: Sweep): SweepEntry['members'][number]['values'][] =>
  Object.entries(settings).reduce<SweepEntry['members'][number]['values'][]>(
    (all, [name, values]) => all.flatMap((member) => (values ?? []).map((value) => ({ ...member, [name]: value }))),
    [{}]
  )

const entryOf = (id: string, name: string, settings: Sweep, run: string, done: number): SweepEntry => {
  const members = valuesOf(settings).map((values, at): SweepEntry['members'][number] => ({
    words: memberWords(values),
    values,
    run: at <= done ? run : null,
    clustering: at < done ? at + 1 : null,
    state: at < done ? 'done' : at === done ? 'running' : 'waiting',
    error: null
  }))
  const state = done >= members.length ? 'done' : 'running'
  return { id, name, createdAt: '2026-11-20T09:00:00.000Z', settings, base: 1, members, runs: [], state, notes: [] }
}

const resultOf = (
  member: MemberResult | SweepEntry['members'][number],
  at: number,
  { tokens, clusters }: Of
): MemberResult => {
  const isDone = member.clustering !== null
  const known = <T>(value: T): T | null => (isDone ? value : null)
  return {
    ...member,
    tokens: isDone ? tokens : 0,
    clusters: known(clusters - 17 * at),
    conductance: known(0.31 + 0.04 * at),
    shareClustered: known(0.82 + 0.03 * at),
    stableShare: known(0.44 - 0.06 * at),
    separation: known(0.52 - 0.03 * at),
    reliability: known(0.86),
    effectiveShares: known({ least: 0.991, median: 0.999 })
  }
}

const reportOf = (sweep: SweepEntry, base: number, of: Of): SweepReport => {
  const members = sweep.members.map((member, at) => resultOf(member, at, of))
  const done = members.flatMap(({ clustering }, at) => (clustering === null ? [] : [at]))
  const clusters = Array.from({ length: of.clusters }, (_, cluster): SweptCluster => {
    const best = members.map((_, at) =>
      at === base || !done.includes(at)
        ? null
        : {
            cluster: (cluster * 7 + at) % of.clusters,
            jaccard: hash(81 + at, cluster) ** 0.6,
            size: 40 + at,
            conductance: 0.4
          }
    )
    return {
      cluster,
      size: Math.round((of.tokens / of.clusters) * (0.3 + hash(80, cluster))),
      name: ['closing brackets', '', '', 'numbers in citations <b>bold</b>', '', 'months'][cluster] ?? '',
      topTokens: [' the', ',', '\n'].slice(cluster % 3),
      conductance: 0.2 + 0.5 * hash(84, cluster),
      stability: hash(85, cluster),
      separation: 0.2 + 0.6 * hash(86, cluster),
      best,
      foundIn: best.filter((each) => each !== null && each.jaccard >= foundFrom).length,
      appears: base
    }
  })
  const named = clusters.filter(({ name }) => name !== '')
  return {
    sweep,
    base,
    members,
    agreements: done.flatMap((left, at) =>
      done.slice(at + 1).map((right) => ({ left, right, tokens: of.tokens, adjustedRand: 0.9 - 0.2 * (right - left) }))
    ),
    clusters: done.includes(base) ? clusters : [],
    dependent: named.flatMap(({ cluster, name, best }) => {
      const lostIn = done.filter((at) => at !== base && (best[at]?.jaccard ?? 0) < foundFrom)
      return lostIn.length === 0 ? [] : [{ cluster, name, lostIn }]
    }),
    labelled: named.length,
    verdict:
      sweep.settings.nBeta === undefined
        ? null
        : 'The effective share of the draws is 0.999 (lowest 0.991): the posterior is nearly the prior, so nβ can ' +
          'hardly make a difference here.'
  }
}

export const fakeSweeps = (of: Of, changed: () => void): SweepCalls => {
  let sweeps: readonly SweepEntry[] =
    of.runs.length === 0
      ? []
      : [
          entryOf('20261120-090000-k300', 'pythia-14m: k', sweepPresets.k.sweep, of.runs[7], 3),
          entryOf('20261121-090000-nb00', 'pythia-14m: nβ', sweepPresets.nBeta.sweep, of.runs[7], 1)
        ]
  const found = (id: string): SweepEntry => {
    const entry = sweeps.find((sweep) => sweep.id === id)
    if (entry === undefined) throw new SpectroscopeError('input', `There is no sweep ${id}; it may have been deleted.`)
    return entry
  }
  const change = (id: string, state: SweepEntry['state']): null => {
    sweeps = sweeps.map((sweep) => (sweep.id === id ? { ...sweep, state } : sweep))
    changed()
    return null
  }
  const settingsOf = (asked: CallParameters<'sweeps.start'>['settings']): Sweep =>
    typeof asked === 'string' ? sweepPresets[asked].sweep : asked
  return {
    'sweeps.list': () => sweeps,
    'sweeps.plan': ({ settings }) => {
      const members = valuesOf(settingsOf(settings)).map(memberWords)
      return { members, newRuns: 0, clusterings: members.length, there: 0, seconds: 340, diskBytes: 0, notes: [] }
    },
    'sweeps.start': ({ settings, name }) => {
      const id = `20261201-1000${10 + sweeps.length}-new0`
      sweeps = [...sweeps, entryOf(id, name === '' ? 'sweep' : name, settingsOf(settings), of.runs[7], 0)]
      changed()
      return { sweep: id }
    },
    'sweeps.resume': ({ sweep }) => change(sweep, 'running'),
    'sweeps.pause': ({ sweep }) => change(sweep, 'paused'),
    'sweeps.remove': ({ sweep }) => {
      sweeps = sweeps.filter(({ id }) => id !== sweep)
      changed()
      return null
    },
    'sweeps.report': ({ sweep, base }) => reportOf(found(sweep), base ?? found(sweep).base, of),
    'sweeps.write': ({ path }) => ({ path, files: ['sweep.json', 'members.csv', 'clusters.csv', 'agreements.csv'] })
  }
}
