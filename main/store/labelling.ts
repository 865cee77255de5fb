import type {
  Annotation,
  AnnotationBody,
  AnnotationsChanged,
  AnnotationTarget,
  JournalStep,
  LabelStatus,
  RunMarks,
  UndoState
} from '../../preload/contract-annotations'
import type { Method, ParametersOf, StoreCalls } from './calls'

export interface AnnotationEdit {
  readonly target: AnnotationTarget
  /** What is said of the target from now on; null for nothing. */
  readonly after: AnnotationBody | null
}

export interface AnnotationsOrder {
  readonly run: string
  readonly clustering: number
  /** For the menu: "label 3 clusters “closing brackets”". */
  readonly words: string
  readonly author: string
  readonly edits: readonly AnnotationEdit[]
  /** The caller's own name for this change; one that was done already is not done again, so that a call whose answer was lost can be repeated. */
  readonly id?: string | undefined
}

export interface ClusteringAnnotations {
  readonly clustering: number
  readonly annotations: readonly Annotation[]
}

/** Clusters of a clustering by status, those in a merge by that of the merge; unseen ones are the rest. */
export interface LabelCounts {
  readonly run: string
  readonly clustering: number
  readonly counts: Readonly<Partial<Record<LabelStatus, number>>>
}

/** What undo or redo changed: annotations of one clustering, the marks of a run, or nothing. */
export interface Undone {
  readonly changed: AnnotationsChanged | null
  readonly run: string | null
  readonly undo: UndoState
}

/**
 * What people say of clusters. A change is on the disk, in the journal file and in the database, when its call is answered. Changes are
 * made one after another, but what a caller read may be old by then: let one party of a workspace work out edits, one at a time.
 */
export interface Labelling {
  /** Clusters, merges, parts, each by number. */
  getAnnotations(run: string, clustering: number): Promise<Annotation[]>
  getAllAnnotations(run: string): Promise<ClusteringAnnotations[]>
  /** Of all clusterings with annotations. */
  countLabels(): Promise<LabelCounts[]>
  /** One step of undo; drops the steps that could be done again. Edits that change nothing make no step. */
  applyAnnotations(order: AnnotationsOrder): Promise<AnnotationsChanged>
  /** Marks of the run itself, as a step of the same undo. */
  changeRun(
    run: string,
    changes: Partial<RunMarks>,
    author: string,
    id?: string
  ): Promise<{ marks: RunMarks; undo: UndoState }>
  /** The targets of a change that was done under an id, as they are now; null where none was. */
  findChange(run: string, clustering: number, id: string): Promise<AnnotationsChanged | null>
  undo(id?: string): Promise<Undone>
  redo(id?: string): Promise<Undone>
  getUndoState(): Promise<UndoState>
  /** Latest first, undone steps too. */
  getHistory(limit: number): Promise<JournalStep[]>
  /** A number for a new merge or part: larger than those of all that there are, or were in steps that can be undone or done again. */
  nextTargetNumber(run: string, clustering: number, kind: 'merge' | 'part'): Promise<number>
  /** Writes all labels to a dated file under backups/ and returns its path. Closing does so too where something changed since the last one. */
  backUpLabels(): Promise<string>
}

export const labellingOf = (
  call: <M extends Method>(method: M, parameters: ParametersOf<M>) => Promise<StoreCalls[M]['result']>
): Labelling => ({
  getAnnotations: (run, clustering) => call('getAnnotations', { run, clustering }),
  getAllAnnotations: (run) => call('getAllAnnotations', { run }),
  countLabels: () => call('countLabels', {}),
  applyAnnotations: ({ edits, ...order }) => call('applyAnnotations', { ...order, edits: [...edits] }),
  changeRun: (run, changes, author, id) => call('changeRun', { run, changes, author, id }),
  findChange: (run, clustering, id) => call('findChange', { run, clustering, id }),
  undo: (id) => call('undo', { id }),
  redo: (id) => call('redo', { id }),
  getUndoState: () => call('getUndoState', {}),
  getHistory: (limit) => call('getHistory', { limit }),
  nextTargetNumber: (run, clustering, kind) => call('nextTargetNumber', { run, clustering, kind }),
  backUpLabels: () => call('backUpLabels', {})
})
