import { changedLabel, emptyLabel, isSelection, parseTarget, sameTokens, selectionOf } from '../../preload/contract'
import type { Annotation, AnnotationChange, AnnotationTarget, Label } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import type { LabelStep } from './label-queue'

/** Sets of tokens whose stand-ins are remembered: text may still be typed for one that is no longer open. */
const remembered = 8

/** The selected tokens as a target of labels, while they are read rather than a cluster. */
export class OpenSelection {
  readonly #explore: Explore
  readonly #standIns = new Map<AnnotationTarget, Int32Array>()
  #last = 0

  /** All named selections, by number. */
  readonly all: readonly Annotation[] = $derived.by(() =>
    [...this.#explore.annotations.values()]
      .filter(({ target }) => isSelection(target))
      .sort((a, b) => parseTarget(a.target).number - parseTarget(b.target).number)
  )
  /** The label of the open tokens; undefined if they have none. */
  readonly annotation: Annotation | undefined = $derived.by(() => {
    const { selectionOpen, tokens } = this.#explore
    return selectionOpen ? selectionOf(this.all, tokens) : undefined
  })
  /**
   * Target of labels for the open tokens: their selection, the merge that they were gathered from, or a stand-in until
   * they have a number; null if no tokens are open.
   */
  readonly target: AnnotationTarget | null = $derived.by(() => {
    const { selectionOpen, tokens, gathered } = this.#explore
    if (!selectionOpen || tokens.length === 0) return null
    if (this.annotation !== undefined) return this.annotation.target
    return gathered?.tokens === tokens && gathered.merge !== null ? gathered.merge : this.standInFor(tokens)
  })

  constructor(explore: Explore) {
    this.#explore = explore
  }

  /** A target for tokens that have no number, the same for the same tokens while it is remembered. */
  standInFor(tokens: Int32Array): AnnotationTarget {
    for (const [target, own] of this.#standIns) if (own === tokens || sameTokens(own, tokens)) return target
    const target: AnnotationTarget = `selection:${--this.#last}`
    this.#standIns.set(target, tokens)
    for (const old of [...this.#standIns.keys()].slice(0, -remembered)) this.#standIns.delete(old)
    return target
  }

  /** The tokens that a stand-in stands for; undefined for other targets. */
  tokensOf(target: AnnotationTarget): Int32Array | undefined {
    return this.#standIns.get(target)
  }

  /** A change with stand-ins replaced by the tokens they stand for. */
  resolved(change: AnnotationChange): AnnotationChange[] {
    if (change.do !== 'set') return [change]
    const tokens = change.targets.length === 1 ? this.#standIns.get(change.targets[0]) : undefined
    return tokens === undefined ? [change] : [{ do: 'select', tokens: [...tokens], label: change.label }]
  }

  /** Label of a stand-in according to steps that are not saved yet; undefined if there is none. */
  pendingLabel(target: AnnotationTarget, steps: readonly LabelStep[]): Label | undefined {
    const tokens = this.#standIns.get(target)
    if (tokens === undefined) return undefined
    let label: Label | undefined
    for (const { changes } of steps)
      for (const change of changes)
        if (change.do === 'select' && sameTokens(change.tokens, tokens))
          label = changedLabel(label ?? emptyLabel, change.label)
    return label
  }

  /** Opens the selection after the open one, or the first. */
  next(): void {
    const at = this.all.findIndex(({ target }) => target === this.annotation?.target)
    const next = this.all.at((at + 1) % Math.max(1, this.all.length))
    if (next !== undefined) this.#explore.openSelection(next)
  }
}
