import { memberWords } from '../../preload/contract-sweeps'
import type { MemberState, SweepEntry, SweepMember } from '../../preload/contract-sweeps'
import type { RunRecord, RunStatus } from '../../preload/records'
import { sweepNotes } from '../../preload/sweeps'
import { clusteringWith } from './sweep-plan'
import type { SweepRecord } from './sweep-records'

/** What works on a sweep now. Nothing, in a process that only reads. */
export interface SweepActivity {
  /** Whether its waiting members will be started. */
  readonly isActive: boolean
  /** Members that are being clustered further. */
  readonly clustering: ReadonlySet<number>
  /** Errors of members that could not be clustered. */
  readonly failures: ReadonlyMap<number, string>
}

export const atRest: SweepActivity = { isActive: false, clustering: new Set(), failures: new Map() }

/** Runs of a sweep by their places in it; undefined where there is none (yet). Deleted runs are gone. */
export const runsOf = ({ id, runs }: SweepRecord, all: readonly RunRecord[]): (RunRecord | undefined)[] =>
  runs.map((run, at) =>
    all.find(({ id: own, deleted, provenance: { sweep } }) => {
      if (deleted) return false
      return 'run' in run ? own === run.run : sweep?.sweep === id && sweep.run === at
    })
  )

const stateOfRun: Readonly<Record<RunStatus, MemberState>> = {
  pending: 'waiting',
  running: 'running',
  interrupted: 'paused',
  failed: 'failed',
  finished: 'waiting'
}

const memberAt = (
  { members, runs }: SweepRecord,
  at: number,
  run: RunRecord | undefined,
  activity: SweepActivity
): SweepMember => {
  const { values, clustering: settings, run: place } = members[at]
  const found = run === undefined ? undefined : clusteringWith(run, settings)
  const failure = activity.failures.get(at) ?? (run?.status === 'failed' ? run.error : null)
  const state = (): MemberState => {
    if (found !== undefined) return 'done'
    if (activity.failures.has(at)) return 'failed'
    if (activity.clustering.has(at)) return 'running'
    if (run !== undefined) return stateOfRun[run.status]
    // A run that was there before the sweep has been deleted.
    return 'run' in runs[place] ? 'failed' : 'waiting'
  }
  const isGone = run === undefined && 'run' in runs[place]
  return {
    words: memberWords(values),
    values,
    run: run?.id ?? null,
    clustering: found?.number ?? null,
    state: state(),
    error: isGone ? `Its run ${'run' in runs[place] ? runs[place].run : ''} was deleted.` : (failure ?? null)
  }
}

const stateOf = (members: readonly SweepMember[], { isActive }: SweepActivity): MemberState => {
  const has = (state: MemberState): boolean => members.some((member) => member.state === state)
  if (members.every(({ state }) => state === 'done')) return 'done'
  if (has('running')) return 'running'
  if (isActive) return 'waiting'
  return has('waiting') || has('paused') ? 'paused' : 'failed'
}

/** A sweep with the state of its members, from the runs as they are shown. */
export const entryOf = (
  record: SweepRecord,
  all: readonly RunRecord[],
  activity: SweepActivity = atRest
): SweepEntry => {
  const runs = runsOf(record, all)
  const members = record.members.map(({ run }, at) => memberAt(record, at, runs[run], activity))
  const made = record.runs.find((run) => 'configuration' in run)
  const first = runs.find((run) => run !== undefined)
  const configuration = made !== undefined && 'configuration' in made ? made.configuration : first?.configuration
  return {
    id: record.id,
    name: record.name,
    createdAt: record.createdAt,
    settings: record.settings,
    base: record.base,
    members,
    runs: record.runs.flatMap((run, at) => ('run' in run ? [] : (runs[at]?.id ?? []))),
    state: stateOf(members, activity),
    notes: configuration === undefined ? [] : sweepNotes(configuration, record.settings)
  }
}
