import type { RunEntry } from '../../preload/contract'

export const columns = ['name', 'model', 'tokens', 'engine', 'status', 'clusters', 'labelled', 'age'] as const
export type Column = (typeof columns)[number]
export const shownStates = ['any', 'at work', 'finished', 'stopped'] as const
export type ShownState = (typeof shownStates)[number]
export const stateWords: Readonly<Record<ShownState, string>> = {
  any: 'all runs',
  'at work': 'running',
  finished: 'finished',
  stopped: 'stopped'
}

export interface Listing {
  readonly by: Column
  readonly descending: boolean
  readonly state: ShownState
  readonly archived: boolean
}
export const usualListing: Listing = { by: 'age', descending: false, state: 'any', archived: false }

/** A listing saved by `views.save`; undefined if invalid. */
export const readListing = (value: unknown): Listing | undefined => {
  if (typeof value !== 'object' || value === null) return undefined
  const { by, descending, state, archived } = value as Readonly<Record<keyof Listing, unknown>>
  const column = columns.find((name) => name === by)
  const shown = shownStates.find((name) => name === state)
  return column === undefined || shown === undefined || typeof descending !== 'boolean' || typeof archived !== 'boolean'
    ? undefined
    : { by: column, descending, state: shown, archived }
}

/**
 * Share of labelled clusters in the latest clustering; null without a clustering or clusters.
 */
export const labelledShare = ({ clusters, labels }: RunEntry): number | null =>
  clusters === null || clusters === 0 ? null : (labels.labelled ?? 0) / clusters

/** Whether a run is being sampled or clustered, or is queued for it. */
export const isAtWork = ({ status, queued, reclustering }: RunEntry): boolean =>
  status === 'running' || queued || reclustering

/** Whether a run makes progress now: it does not while it is queued. */
export const isWorking = ({ status, queued, reclustering }: RunEntry): boolean =>
  (status === 'running' || reclustering) && !queued

/** Message about a run or clustering that has ended since `before`; null if none has. */
export const endWords = (before: RunEntry | undefined, now: RunEntry): string | null => {
  if (before === undefined || now.status !== 'finished') return null
  if (before.status === 'running') return `Run “${now.name}” finished.`
  const isNew = now.clusterings.length > before.clusterings.length
  return before.reclustering && isNew ? `Clustering ${now.clustering} of “${now.name}” finished.` : null
}

/** A run's status in a word. */
export const statusWord = (run: RunEntry): string => {
  if (run.queued) return 'queued'
  if (run.reclustering) return 'clustering'
  if (run.status === 'pending') return 'not started'
  if (run.engineLost) return 'device lost'
  return run.status === 'interrupted' ? 'paused' : run.status
}

const stateOf = (run: RunEntry): ShownState =>
  isAtWork(run) ? 'at work' : run.status === 'finished' ? 'finished' : 'stopped'

const texts = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })
const statusOrder: Readonly<Record<string, number>> = {
  running: 0,
  clustering: 0,
  queued: 1,
  paused: 2,
  'device lost': 3,
  failed: 4,
  'not started': 5,
  finished: 6
}

type Key = (run: RunEntry) => string | number | null
const keys: Readonly<Record<Column, Key>> = {
  name: ({ name }) => name,
  model: ({ model }) => model,
  tokens: ({ tokens, components }) => tokens * Math.max(1, components),
  engine: ({ engine }) => engine,
  status: (run) => statusOrder[statusWord(run)] ?? 9,
  clusters: ({ clusters }) => clusters,
  labelled: labelledShare,
  // Small ages come first, so the newest runs do.
  age: ({ createdAt }) => -Date.parse(createdAt)
}

const compare = (a: string | number | null, b: string | number | null): number => {
  if (typeof a === 'string' && typeof b === 'string') return texts.compare(a, b)
  return Number(a) - Number(b)
}

/** Sorts runs; those without a value always come last, ties are sorted newest first. */
export const sorted = (
  runs: readonly RunEntry[],
  { by, descending }: Pick<Listing, 'by' | 'descending'>
): RunEntry[] => {
  const keyed = runs.map((run) => ({ run, key: keys[by](run) }))
  return keyed
    .sort(
      (a, b) =>
        Number(a.key === null) - Number(b.key === null) ||
        (a.key === null ? 0 : (descending ? -1 : 1) * compare(a.key, b.key)) ||
        b.run.createdAt.localeCompare(a.run.createdAt)
    )
    .map(({ run }) => run)
}

/** Visible runs whose name, model, engine, status or id contains every word of the text. */
export const filtered = (
  runs: readonly RunEntry[],
  text: string,
  { state, archived }: Pick<Listing, 'state' | 'archived'>
): readonly RunEntry[] => {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  return runs.filter((run) => {
    if (run.deleted || (run.archived && !archived) || (state !== 'any' && stateOf(run) !== state)) return false
    const all = `${run.name} ${run.model} ${run.engine} ${statusWord(run)} ${run.id}`.toLowerCase()
    return words.every((word) => all.includes(word))
  })
}

/** An unused name for a copy: "demo, copy", "demo, copy 2". */
export const copyName = (name: string, taken: readonly string[]): string => {
  const base = name.replace(/, copy( \d+)?$/, '')
  for (let number = 1; ; number++) {
    const next = `${base}, copy${number === 1 ? '' : ` ${number}`}`
    if (!taken.includes(next)) return next
  }
}
