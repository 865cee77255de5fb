import { z } from 'zod'
import { targetSchema } from '../../preload/contract'
import type { AnnotationTarget } from '../../preload/contract'
import type { ClusteringPlace } from '../app/address'
import { keep, readKept } from '../ui/kept'

const keptSchema = z.object({ text: z.string(), targets: z.array(targetSchema) })
const tokensSchema = z.array(z.int().min(0)).min(1)
const prefix = 'spectroscope.draft '
const tokensKey = (key: string): string => `${key} tokens`

const keptIn = (key: string): z.output<typeof keptSchema> | undefined => readKept(prefix + key, keptSchema)
const keptTokensIn = (key: string): Int32Array | undefined => {
  const tokens = readKept(prefix + tokensKey(key), tokensSchema)
  return tokens === undefined ? undefined : Int32Array.from(tokens)
}
const keepIn = (key: string, value: object | null): void => keep(prefix + key, value)

const fields = ['name', 'note', 'tag'] as const
export type DraftField = (typeof fields)[number]

const keyOf = ({ run, clustering }: ClusteringPlace, field: DraftField): string => `${run} ${clustering} ${field}`

/** The first target of text that was being typed when the page was left; undefined if there was none. */
export const draftedTarget = (place: ClusteringPlace): AnnotationTarget | undefined =>
  fields.flatMap((field) => keptIn(keyOf(place, field))?.targets ?? []).at(0)

/** Tokens of a selection without a number for which text was being typed; undefined if there was none. */
export const draftedTokens = (place: ClusteringPlace): Int32Array | undefined =>
  fields.map((field) => keptTokensIn(keyOf(place, field))).find((tokens) => tokens !== undefined)

/** Stand-ins for selections that have no number yet, as long as the page lasts. */
export interface StandIns {
  readonly standInFor: (tokens: Int32Array) => AnnotationTarget
  readonly tokensOf: (target: AnnotationTarget) => Int32Array | undefined
}

/**
 * Text being typed into a field of the label editor, with its targets. It is never applied to other targets, and it
 * survives a reload and a restart.
 */
export class Draft {
  text = $state('')
  /** Null if there is no unsaved text. */
  targets: readonly AnnotationTarget[] | null = $state.raw(null)
  readonly #key: string
  readonly #standIns: StandIns
  readonly #save: (text: string, targets: readonly AnnotationTarget[]) => void

  constructor(
    place: ClusteringPlace,
    field: DraftField,
    standIns: StandIns,
    save: (text: string, targets: readonly AnnotationTarget[]) => void
  ) {
    this.#key = keyOf(place, field)
    this.#standIns = standIns
    this.#save = save
    const kept = keptIn(this.#key)
    const tokens = keptTokensIn(this.#key)
    if (kept === undefined || (kept.targets.length === 0 && tokens === undefined)) return
    this.text = kept.text
    this.targets = tokens === undefined ? kept.targets : [standIns.standInFor(tokens)]
  }

  type(text: string, targets: readonly AnnotationTarget[]): void {
    const own = this.targets ?? targets
    const tokens = own.length === 1 ? this.#standIns.tokensOf(own[0]) : undefined
    // Tokens may be many, so they are written once and not at every key.
    if (this.targets === null && tokens !== undefined) keepIn(tokensKey(this.#key), [...tokens])
    this.targets = own
    this.text = text
    keepIn(this.#key, own.length === 0 ? null : { text, targets: tokens === undefined ? [...own] : [] })
  }

  commit(): void {
    const { targets, text } = this
    this.drop()
    if (targets !== null) this.#save(text, targets)
  }

  drop(): void {
    this.targets = null
    keepIn(this.#key, null)
    keepIn(tokensKey(this.#key), null)
  }

  /**
   * Saves text typed for targets that are no longer edited. Does nothing while there are no targets, as during
   * loading.
   */
  commitOthers(targets: readonly AnnotationTarget[]): void {
    if (targets.length > 0 && this.targets !== null && this.targets.join() !== targets.join()) this.commit()
  }
}
