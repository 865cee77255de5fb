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

/** Targets of text that was being typed when the page was left; undefined if there was none. */
export const draftedTarget = (place: DraftPlace): AnnotationTarget | undefined =>
  fields.flatMap((field) => keptIn(keyOf(place, field))?.targets ?? []).at(0)

/**
 * Text being typed into a field of the label editor, with its targets. It is never applied to other targets, and it
 * survives a reload and a restart.
 */
export class Draft {
  text = $state('')
  /** Null if there is no unsaved text. */
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
   * Saves text typed for targets that are no longer edited. Does nothing while there are no targets, as during
   * loading.
   */
  commitOthers(targets: readonly AnnotationTarget[]): void {
    if (targets.length > 0 && this.targets !== null && this.targets.join() !== targets.join()) this.commit()
  }
}
