import { z } from 'zod'
import { targetSchema } from '../../preload/contract'
import type { AnnotationTarget } from '../../preload/contract'
import { keep, readKept } from '../ui/kept'

const keptSchema = z.object({ text: z.string(), targets: z.array(targetSchema).min(1) })
const prefix = 'spectroscope.draft '

const keptIn = (key: string): z.output<typeof keptSchema> | undefined => readKept(prefix + key, keptSchema)
const keepIn = (key: string, kept: z.output<typeof keptSchema> | null): void => keep(prefix + key, kept)

const fields = ['name', 'note', 'tag'] as const
export type DraftField = (typeof fields)[number]

export interface DraftPlace {
  readonly run: string
  readonly clustering: number
}

const keyOf = ({ run, clustering }: DraftPlace, field: DraftField): string => `${run} ${clustering} ${field}`

/** What something was being typed for when this page was left; undefined where nothing was. */
export const draftedTarget = (place: DraftPlace): AnnotationTarget | undefined =>
  fields.flatMap((field) => keptIn(keyOf(place, field))?.targets ?? []).at(0)

/**
 * What is being typed into a field of the label editor, and for which targets: it never goes to others, wherever the
 * person moves meanwhile, and it is there again after a reload or a restart.
 */
export class Draft {
  text = $state('')
  /** Null while nothing has been typed that is not saved. */
  targets: readonly AnnotationTarget[] | null = $state.raw(null)
  readonly #key: string
  readonly #save: (text: string, targets: readonly AnnotationTarget[]) => void

  constructor(
    place: DraftPlace,
    field: DraftField,
    save: (text: string, targets: readonly AnnotationTarget[]) => void
  ) {
    this.#key = keyOf(place, field)
    this.#save = save
    const kept = keptIn(this.#key)
    if (kept === undefined) return
    this.text = kept.text
    this.targets = kept.targets
  }

  type(text: string, targets: readonly AnnotationTarget[]): void {
    this.targets ??= targets
    this.text = text
    keepIn(this.#key, this.targets.length === 0 ? null : { text, targets: [...this.targets] })
  }

  commit(): void {
    const { targets, text } = this
    this.drop()
    if (targets !== null) this.#save(text, targets)
  }

  drop(): void {
    this.targets = null
    keepIn(this.#key, null)
  }

  /**
   * Saves what was typed for other targets than those that are edited now; not while none are, as before all is read.
   */
  commitOthers(targets: readonly AnnotationTarget[]): void {
    if (targets.length > 0 && this.targets !== null && this.targets.join() !== targets.join()) this.commit()
  }
}
