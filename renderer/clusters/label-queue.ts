import { messageOf } from '../../preload/contract'
import type { Annotation, AnnotationChange, AnnotationTarget, ErrorKind, Signature } from '../../preload/contract'
import { changed } from './label-changes'

/** One labelling step of a person. */
export interface LabelStep {
  /** Lets the program recognise a step that it has already done. */
  readonly id: string
  readonly changes: readonly AnnotationChange[]
  /** For the journal and the menu: "label cluster 3 “closing brackets”". */
  readonly words: string
  readonly signature: Signature
}

/** A step that could not be saved, kept until the person retries or discards it. */
export interface UnsavedStep {
  readonly step: LabelStep
  readonly problem: string
}

export interface QueueState {
  /** Pending steps, oldest first. */
  readonly pending: readonly LabelStep[]
  readonly unsaved: readonly UnsavedStep[]
  /** Nothing is sent until the connection is back. */
  readonly waiting: boolean
}

export interface QueueEnvironment {
  /** Saves a step; sending it again has no effect. Rejects with a sentence to show. */
  save(step: LabelStep): Promise<void>
  /** Called after every change of the state. */
  changed(state: QueueState): void
  /** Called with targets whose displayed annotation may have changed. */
  show(targets: readonly AnnotationTarget[]): void
}

/**
 * Targets on which a step can be shown before it is saved. Merges and parts get their number only on saving.
 */
const targetsOf = ({ changes }: LabelStep): AnnotationTarget[] => [
  ...new Set(changes.flatMap((change) => (change.do === 'set' || change.do === 'clear' ? change.targets : [])))
]

/** Replaces crypto.randomUUID, which is missing on insecure addresses. */
const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

const kindOf = (error: unknown): ErrorKind | undefined => (error as { readonly kind?: ErrorKind }).kind

/**
 * Saves labelling steps in order, in the background. Pending steps are shown at once; failed ones are hidden again
 * and kept with their text. While the connection is lost, steps wait.
 */
export class LabelQueue {
  readonly #environment: QueueEnvironment
  #pending: readonly LabelStep[] = []
  #unsaved: readonly UnsavedStep[] = []
  #waiting = false
  #working = false
  #idle: (() => void)[] = []

  constructor(environment: QueueEnvironment) {
    this.#environment = environment
  }

  get state(): QueueState {
    return { pending: this.#pending, unsaved: this.#unsaved, waiting: this.#waiting }
  }

  /** Adds a step: shown at once, saved later. */
  add(changes: readonly AnnotationChange[], words: string, signature: Signature): LabelStep {
    const step: LabelStep = { id: newId(), changes, words, signature }
    this.#set({ pending: [...this.#pending, step] }, step)
    void this.#work()
    return step
  }

  /** Displayed annotation of a target: the saved one with pending steps applied. */
  amend(target: AnnotationTarget, saved: Annotation | undefined): Annotation | undefined {
    return this.#pending.reduce(
      (annotation, { changes, signature }) =>
        changes.reduce((before, change) => changed(target, before, change, signature), annotation),
      saved
    )
  }

  /** Settles once no step is pending, or all pending steps wait for the connection. */
  settled(): Promise<void> {
    if (this.#pending.length === 0 || this.#waiting) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Sends waiting steps; call it when the connection is back. */
  resume(): void {
    if (!this.#waiting) return
    this.#set({ waiting: false })
    void this.#work()
  }

  /** Retries one unsaved step by its number, or all of them in order. */
  retry(id?: string): void {
    const again = this.#unsaved.filter(({ step }) => id === undefined || step.id === id).map(({ step }) => step)
    this.#set(
      { unsaved: this.#unsaved.filter(({ step }) => !again.includes(step)), pending: [...this.#pending, ...again] },
      ...again
    )
    void this.#work()
  }

  /** Discards an unsaved step. */
  discard(id: string): void {
    this.#set({ unsaved: this.#unsaved.filter(({ step }) => step.id !== id) })
  }

  /** Adds unsaved steps of an earlier window. */
  bringBack(steps: readonly LabelStep[], problem: string): void {
    this.#set({ unsaved: [...this.#unsaved, ...steps.map((step) => ({ step, problem }))] })
  }

  /** Sends pending steps of an earlier window. */
  send(steps: readonly LabelStep[]): void {
    this.#set({ pending: [...this.#pending, ...steps] }, ...steps)
    void this.#work()
  }

  #set(
    { pending = this.#pending, unsaved = this.#unsaved, waiting = this.#waiting }: Partial<QueueState>,
    ...shown: readonly LabelStep[]
  ): void {
    this.#pending = pending
    this.#unsaved = unsaved
    this.#waiting = waiting
    this.#environment.changed(this.state)
    if (shown.length > 0) this.#environment.show([...new Set(shown.flatMap(targetsOf))])
    if (pending.length === 0 || waiting) for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #work(): Promise<void> {
    if (this.#working) return
    this.#working = true
    for (let [step] = this.#pending; step !== undefined && !this.#waiting; [step] = this.#pending)
      await this.#send(step)
    this.#working = false
  }

  async #send(step: LabelStep): Promise<void> {
    const rest = (): readonly LabelStep[] => this.#pending.filter((other) => other !== step)
    try {
      await this.#environment.save(step)
      this.#set({ pending: rest() }, step)
    } catch (error) {
      if (kindOf(error) === 'network') this.#set({ waiting: true })
      else this.#set({ pending: rest(), unsaved: [...this.#unsaved, { step, problem: messageOf(error) }] }, step)
    }
  }
}
