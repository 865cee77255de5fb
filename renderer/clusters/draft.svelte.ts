import type { AnnotationTarget } from '../../preload/contract'

/** What is being typed into a field of the label editor, and for which targets: it never goes to others, wherever the person moves meanwhile. */
export class Draft {
  text = $state('')
  /** Null while nothing has been typed that is not saved. */
  targets: readonly AnnotationTarget[] | null = $state.raw(null)
  readonly #save: (text: string, targets: readonly AnnotationTarget[]) => void

  constructor(save: (text: string, targets: readonly AnnotationTarget[]) => void) {
    this.#save = save
  }

  type(text: string, targets: readonly AnnotationTarget[]): void {
    this.targets ??= targets
    this.text = text
  }

  commit(): void {
    const { targets, text } = this
    this.targets = null
    if (targets !== null) this.#save(text, targets)
  }

  drop(): void {
    this.targets = null
  }

  /** Saves what was typed for other targets than those that are edited now. */
  commitOthers(targets: readonly AnnotationTarget[]): void {
    if (this.targets !== null && this.targets.join() !== targets.join()) this.commit()
  }
}
