import { changedBody, clusterOf, emptyLabel, leftoverCluster, parseTarget, quoted } from '../../preload/contract'
import type {
  Annotation,
  AnnotationChange,
  AnnotationTarget,
  ClusterNumber,
  Confidence,
  Label,
  LabelChanges,
  LabelStatus,
  Signature
} from '../../preload/contract'

/**
 * Predicts an annotation after a change is saved. Merges, parts and new selections get their number only on saving, and
 * are not predicted.
 */
export const changed = (
  target: AnnotationTarget,
  before: Annotation | undefined,
  change: AnnotationChange,
  signature: Signature
): Annotation | undefined => {
  if ((change.do !== 'set' && change.do !== 'clear') || !change.targets.includes(target)) return before
  const body = change.do === 'clear' ? null : changedBody(target, before, change.label, signature)
  return body === null ? undefined : { ...body, target }
}

/** Values shared by several targets; `undefined` where they differ. */
export interface CommonLabel {
  readonly name: string | undefined
  readonly note: string | undefined
  /** Tags of all targets, in the first one's order. */
  readonly tags: readonly string[]
  readonly confidence: Confidence | null | undefined
  readonly status: LabelStatus | undefined
}

const same = <T>(values: readonly T[]): T | undefined =>
  values.every((value) => value === values[0]) ? values[0] : undefined

/** The label shared by several targets; one without an annotation counts as unseen and empty. */
export const commonLabel = (annotations: readonly (Label | undefined)[]): CommonLabel => {
  const labels = annotations.map((annotation) => annotation ?? emptyLabel)
  const [first = emptyLabel, ...others] = labels
  return {
    name: same(labels.map(({ name }) => name)),
    note: same(labels.map(({ note }) => note)),
    tags: first.tags.filter((tag) => others.every(({ tags }) => tags.some((other) => other === tag))),
    confidence: same(labels.map(({ confidence }) => confidence)),
    status: same(labels.map(({ status }) => status))
  }
}

const shortened = (text: string, most = 60): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

/** Kind of group: "cluster", "region". */
type LevelWord = (cluster: ClusterNumber) => string

/** A name in quotation marks, shortened if it is long. */
const named = (name: string): string => (quoted(name) === name ? shortened(name) : quoted(shortened(name)))

const targetWords = (targets: readonly AnnotationTarget[], levelWord: LevelWord): string => {
  const levels = targets.flatMap((target) => {
    const cluster = clusterOf(target)
    return cluster === undefined ? [] : [levelWord(cluster)]
  })
  if (targets.length !== 1) {
    const [first = 'cluster'] = levels
    return `${targets.length} ${levels.every((level) => level === first) ? first : 'group'}s`
  }
  const { kind, number } = parseTarget(targets[0])
  if (kind === 'selection') return number > 0 ? `selection ${number}` : 'selected tokens'
  return number === leftoverCluster ? 'unclustered tokens' : `${levels.at(0) ?? kind} ${number}`
}

const statusVerbs: Readonly<Record<LabelStatus, (what: string) => string>> = {
  unseen: (what) => `mark ${what} as unseen`,
  skipped: (what) => `skip ${what}`,
  unsure: (what) => `mark ${what} as unsure`,
  labelled: (what) => `mark ${what} as labelled`
}

/** Description of a label change for the undo menu. */
export const changeWords = (
  targets: readonly AnnotationTarget[],
  { name, note, tags, confidence, status }: LabelChanges,
  levelWord: LevelWord = () => 'cluster'
): string => {
  const what = targetWords(targets, levelWord)
  if (name !== undefined) return name === '' ? `clear name of ${what}` : `label ${what} ${named(name)}`
  if (tags !== undefined)
    return tags.length === 0 ? `clear tags of ${what}` : `tag ${what} ${shortened(tags.join(', '))}`
  if (note !== undefined) return `edit note of ${what}`
  if (confidence !== undefined)
    return confidence === null ? `clear confidence of ${what}` : `set confidence of ${what} to ${confidence}`
  if (status !== undefined) return statusVerbs[status](what)
  return `change ${what}`
}

/** Changes of shared tags that keep each target's other tags: one change for each set of tags. */
export const tagChanges = (
  targets: readonly AnnotationTarget[],
  tagsOf: (target: AnnotationTarget) => readonly string[],
  { add, remove }: { readonly add?: string; readonly remove?: string }
): AnnotationChange[] =>
  targets.flatMap((target): AnnotationChange[] => {
    const before = tagsOf(target)
    const after = [
      ...before.filter((tag) => tag !== remove),
      ...(add === undefined || before.includes(add) ? [] : [add])
    ]
    return after.length === before.length && after.every((tag, place) => tag === before[place])
      ? []
      : [{ do: 'set', targets: [target], label: { tags: after } }]
  })
