import type {
  Annotation,
  AnnotationBody,
  AnnotationChange,
  AnnotationsChanged,
  AnnotationTarget,
  ClusterNumber,
  JournalStep,
  RunMarks,
  UndoState
} from '../../preload/contract'

interface Change {
  readonly target: AnnotationTarget
  readonly before: AnnotationBody | null
  readonly after: AnnotationBody | null
}

interface Step extends Omit<JournalStep, 'undone'> {
  readonly changes: readonly Change[]
  readonly marks?: { readonly before: RunMarks; readonly after: RunMarks }
}

const unseen = { name: '', note: '', tags: [], confidence: null, status: 'unseen', blindTest: null } as const

/** Annotations of all clusterings and their journal, in memory. */
export class FakeLabels {
  readonly #bodies = new Map<string, Map<AnnotationTarget, AnnotationBody>>()
  readonly #done: Step[] = []
  #undone: Step[] = []
  #number = 0
  #made = 0

  #of(run: string, clustering: number): Map<AnnotationTarget, AnnotationBody> {
    const key = `${run} ${clustering}`
    const known = this.#bodies.get(key) ?? new Map<AnnotationTarget, AnnotationBody>()
    this.#bodies.set(key, known)
    return known
  }

  annotations(run: string, clustering: number): Annotation[] {
    return [...this.#of(run, clustering)].map(([target, body]) => ({ ...body, target }))
  }

  /** Of clusters, whose numbers are below `clusters`. */
  counts(run: string, clustering: number, clusters: number): Partial<Record<AnnotationBody['status'], number>> {
    const counts: Partial<Record<AnnotationBody['status'], number>> = {}
    for (const [target, { status }] of this.#of(run, clustering))
      if (target.startsWith('cluster:') && Number(target.split(':')[1]) < clusters)
        counts[status] = (counts[status] ?? 0) + 1
    return counts
  }

  state(): UndoState {
    const told = (step: Step | undefined, undone: boolean): JournalStep | null =>
      step === undefined
        ? null
        : {
            number: step.number,
            words: step.words,
            author: step.author,
            at: step.at,
            run: step.run,
            clustering: step.clustering,
            undone
          }
    return { undo: told(this.#done.at(-1), false), redo: told(this.#undone.at(-1), true) }
  }

  history(limit: number): JournalStep[] {
    const steps = [
      ...this.#done.map((step) => ({ ...step, undone: false })),
      ...this.#undone.map((step) => ({ ...step, undone: true }))
    ]
    return steps
      .sort((a, b) => b.number - a.number)
      .slice(0, limit)
      .map(({ number, words, author, at, run, clustering, undone }) => ({
        number,
        words,
        author,
        at,
        run,
        clustering,
        undone
      }))
  }

  #record(step: Omit<Step, 'number' | 'at'>): void {
    this.#done.push({ ...step, number: ++this.#number, at: new Date().toISOString() })
    this.#undone = []
  }

  recordMarks(run: string, words: string, author: string, before: RunMarks, after: RunMarks): void {
    this.#record({ run, clustering: null, words, author, changes: [], marks: { before, after } })
  }

  apply(
    run: string,
    clustering: number,
    changes: readonly AnnotationChange[],
    words: string,
    author: string
  ): AnnotationsChanged {
    const bodies = this.#of(run, clustering)
    const made = changes.flatMap((change): Change[] => {
      const stamp = { author, changedAt: new Date().toISOString() }
      const fill = (before: AnnotationBody | null, label: object): AnnotationBody => {
        const next = {
          ...unseen,
          ...before,
          ...given(label),
          ...stamp,
          tags: [...((label as { tags?: string[] }).tags ?? before?.tags ?? [])]
        }
        return next.name !== '' && next.status === 'unseen' && !('status' in label)
          ? { ...next, status: 'labelled' }
          : next
      }
      if (change.do === 'set')
        return change.targets.map((target) => ({
          target,
          before: bodies.get(target) ?? null,
          after: fill(bodies.get(target) ?? null, change.label)
        }))
      if (change.do === 'clear')
        return change.targets.map((target) => ({ target, before: bodies.get(target) ?? null, after: null }))
      this.#made++
      if (change.do === 'merge')
        return [
          {
            target: `merge:${this.#made}`,
            before: null,
            after: { ...fill(null, change.label), clusters: change.clusters }
          }
        ]
      if (change.do === 'select')
        return [
          {
            target: `selection:${this.#made}`,
            before: null,
            after: { ...fill(null, change.label), tokens: [...change.tokens].sort((a, b) => a - b) }
          }
        ]
      return [
        {
          target: `part:${this.#made}`,
          before: null,
          after: { ...fill(null, change.label), cluster: change.cluster, tokens: change.tokens }
        }
      ]
    })
    this.#record({ run, clustering, words, author, changes: made })
    return this.#write(
      run,
      clustering,
      made.map(({ target, after }) => [target, after])
    )
  }

  #write(
    run: string,
    clustering: number,
    values: readonly (readonly [AnnotationTarget, AnnotationBody | null])[]
  ): AnnotationsChanged {
    const bodies = this.#of(run, clustering)
    for (const [target, body] of values) {
      if (body === null) bodies.delete(target)
      else bodies.set(target, body)
    }
    return {
      run,
      clustering,
      changed: values.map(([target, body]) => ({ target, annotation: body === null ? null : { ...body, target } })),
      undo: this.state()
    }
  }

  /** What a step of undo, or of redo, changed: annotations, or the marks of a run. */
  move(how: 'undo' | 'redo'): AnnotationsChanged | { readonly run: string; readonly marks: RunMarks } | null {
    const [from, to] = how === 'undo' ? [this.#done, this.#undone] : [this.#undone, this.#done]
    const step = from.pop()
    if (step === undefined) return null
    to.push(step)
    if (step.marks !== undefined || step.clustering === null)
      return step.marks === undefined
        ? null
        : { run: step.run, marks: how === 'undo' ? step.marks.before : step.marks.after }
    return this.#write(
      step.run,
      step.clustering,
      step.changes.map(({ target, before, after }) => [target, how === 'undo' ? before : after])
    )
  }

  setBlindScore(
    run: string,
    clustering: number,
    cluster: ClusterNumber,
    right: boolean
  ): { readonly changed: AnnotationsChanged; readonly score: { right: number; of: number } } {
    const target: AnnotationTarget = `cluster:${cluster}`
    const before = this.#of(run, clustering).get(target) ?? null
    const score = { right: (before?.blindTest?.right ?? 0) + (right ? 1 : 0), of: (before?.blindTest?.of ?? 0) + 1 }
    const after = {
      ...unseen,
      tags: [],
      ...before,
      author: before?.author ?? '',
      changedAt: new Date().toISOString(),
      blindTest: score
    }
    return { changed: this.#write(run, clustering, [[target, after]]), score }
  }
}

const given = (label: object): object =>
  Object.fromEntries(Object.entries(label).filter(([, value]) => value !== undefined))
