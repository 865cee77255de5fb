import type {
  AnnotationBody,
  AnnotationChange,
  AnnotationTarget,
  Label,
  LabelChanges
} from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import {
  changedBody,
  changedLabel,
  clusterTarget,
  emptyLabel,
  labelOf,
  parseTarget,
  sameTokens
} from '../../preload/label-rules'
import type { ParsedTarget, Signature } from '../../preload/label-rules'
import type { ClusterNumber } from '../../preload/records'

export interface AnnotationEdit {
  readonly target: AnnotationTarget
  /** Null if the target no longer has an annotation. */
  readonly after: AnnotationBody | null
}

/** Numbers for the next merge, part and selection. A change that creates several counts up from them. */
export interface NextNumbers {
  readonly nextMerge: number
  readonly nextPart: number
  readonly nextSelection: number
}

export interface EditCircumstances extends NextNumbers {
  readonly author: string
  /** ISO 8601 in UTC. */
  readonly now: string
}

const numbersAscending = (numbers: Iterable<number>): number[] => [...new Set(numbers)].sort((a, b) => a - b)

const sameBody = (a: AnnotationBody | null, b: AnnotationBody | null): boolean => {
  if (a === null || b === null) return a === b
  const content = (body: AnnotationBody): string =>
    JSON.stringify([labelOf(body), body.clusters, body.cluster, body.tokens])
  return content(a) === content(b)
}

const missing = (target: AnnotationTarget): SpectroscopeError => {
  const { kind, number } = parseTarget(target)
  return new SpectroscopeError('input', `The ${kind} ${number} no longer exists; it was undone.`)
}

/** A clustering's annotations while several changes are applied. `edits` returns the result. */
export class AnnotationDraft {
  readonly #before: ReadonlyMap<AnnotationTarget, AnnotationBody>
  readonly #bodies: Map<AnnotationTarget, AnnotationBody>
  readonly #touched = new Set<AnnotationTarget>()
  #nextMerge: number
  #nextPart: number
  #nextSelection: number

  constructor(
    current: ReadonlyMap<AnnotationTarget, AnnotationBody>,
    { nextMerge, nextPart, nextSelection }: NextNumbers
  ) {
    this.#before = current
    this.#bodies = new Map(current)
    this.#nextMerge = nextMerge
    this.#nextPart = nextPart
    this.#nextSelection = nextSelection
  }

  get(target: AnnotationTarget): AnnotationBody | undefined {
    return this.#bodies.get(target)
  }

  #put(target: AnnotationTarget, body: AnnotationBody | null): void {
    this.#touched.add(target)
    if (body === null) this.#bodies.delete(target)
    else this.#bodies.set(target, body)
  }

  #of(kind: ParsedTarget['kind']): [AnnotationTarget, AnnotationBody][] {
    return [...this.#bodies].filter(([target]) => target.startsWith(`${kind}:`))
  }

  set(target: AnnotationTarget, changes: LabelChanges, signature: Signature): void {
    const body = this.get(target)
    if (body === undefined && parseTarget(target).kind !== 'cluster') throw missing(target)
    this.#put(target, changedBody(target, body, changes, signature))
  }

  /** Replaces everything said about a cluster. */
  replace(cluster: ClusterNumber, label: Label, signature: Signature): void {
    this.#put(clusterTarget(cluster), { ...labelOf(label), ...signature })
  }

  clear(target: AnnotationTarget): void {
    if (this.get(target) === undefined && parseTarget(target).kind !== 'cluster') throw missing(target)
    this.#put(target, null)
  }

  /**
   * Merges clusters. A cluster that is already in a merge brings along that merge's other clusters. Existing label
   * fields stay unless the changes set them.
   */
  merge(clusters: readonly ClusterNumber[], changes: LabelChanges, signature: Signature): AnnotationTarget {
    const joined = new Set(clusters)
    if (joined.size < 2)
      throw new SpectroscopeError('input', 'A merge needs at least two clusters; select another cluster.')
    const absorbed = this.#of('merge').filter(
      ([, body]) => body.clusters?.some((cluster) => joined.has(cluster)) === true
    )
    for (const [target, body] of absorbed) {
      body.clusters?.forEach((cluster) => joined.add(cluster))
      this.#put(target, null)
    }
    const said = absorbed.map(([, body]) => body).find(({ name }) => name !== '') ?? absorbed[0]?.[1]
    const label = changedLabel(said === undefined ? emptyLabel : { ...labelOf(said), blindTest: null }, changes)
    const target: AnnotationTarget = `merge:${this.#nextMerge++}`
    this.#put(target, { ...label, ...signature, clusters: numbersAscending(joined) })
    return target
  }

  /** Makes a part of a cluster. A token is in at most one part, the latest. */
  split(
    cluster: ClusterNumber,
    tokens: readonly number[],
    changes: LabelChanges,
    signature: Signature
  ): AnnotationTarget {
    const taken = new Set(tokens)
    for (const [target, body] of this.#of('part')) {
      if (body.cluster !== cluster || body.tokens?.some((token) => taken.has(token)) !== true) continue
      const left = body.tokens.filter((token) => !taken.has(token))
      this.#put(target, left.length === 0 ? null : { ...body, tokens: left })
    }
    const target: AnnotationTarget = `part:${this.#nextPart++}`
    this.#put(target, { ...changedLabel(emptyLabel, changes), ...signature, cluster, tokens: numbersAscending(taken) })
    return target
  }

  /**
   * Labels a selection of tokens. A set of tokens has one label: if there is a selection of exactly these, its label
   * changes.
   */
  select(tokens: readonly number[], changes: LabelChanges, signature: Signature): AnnotationTarget {
    const own = numbersAscending(tokens)
    const known = this.#of('selection').find(([, body]) => sameTokens(body.tokens ?? [], own))
    if (known !== undefined) {
      this.set(known[0], changes, signature)
      return known[0]
    }
    const target: AnnotationTarget = `selection:${this.#nextSelection++}`
    this.#put(target, { ...changedLabel(emptyLabel, changes), ...signature, tokens: own })
    return target
  }

  /** Edits with each target once, and only targets that have changed. */
  edits(): AnnotationEdit[] {
    return [...this.#touched].flatMap((target) => {
      const after = this.#bodies.get(target) ?? null
      return sameBody(this.#before.get(target) ?? null, after) ? [] : [{ target, after }]
    })
  }
}

/**
 * Computes what successive changes by a person do to the annotations of a clustering. Returns each target once, and
 * only targets that differ afterwards. Throws an `input` error if a merge, part or selection to be changed does not
 * exist.
 */
export const editsOf = (
  changes: readonly AnnotationChange[],
  current: ReadonlyMap<AnnotationTarget, AnnotationBody>,
  { author, now, ...next }: EditCircumstances
): AnnotationEdit[] => {
  const draft = new AnnotationDraft(current, next)
  const signature: Signature = { author, changedAt: now }
  for (const change of changes) {
    switch (change.do) {
      case 'set':
        for (const target of change.targets) draft.set(target, change.label, signature)
        break
      case 'clear':
        for (const target of change.targets) draft.clear(target)
        break
      case 'merge':
        draft.merge(change.clusters, change.label, signature)
        break
      case 'split':
        draft.split(change.cluster, change.tokens, change.label, signature)
        break
      case 'select':
        draft.select(change.tokens, change.label, signature)
        break
    }
  }
  return draft.edits()
}
