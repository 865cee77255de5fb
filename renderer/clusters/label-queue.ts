import { messageOf } from '../../preload/contract'
import type { Annotation, AnnotationChange, AnnotationTarget, ErrorKind, Signature } from '../../preload/contract'
import { changed } from './label-changes'

/** A step of labelling that a person made. */
export interface LabelStep {
  /** By which the program knows a step that it did already. */
  readonly id: string
  readonly changes: readonly AnnotationChange[]
  /** For the journal and the menu: "label cluster 3 “closing brackets”". */
  readonly words: string
  readonly signature: Signature
}

/** A step that could not be saved, kept until the person tries again or lets go of it. */
export interface UnsavedStep {
  readonly step: LabelStep
  readonly problem: string
}

export interface QueueState {
  /** Steps that are on their way, oldest first. */
  readonly pending: readonly LabelStep[]
  readonly unsaved: readonly UnsavedStep[]
  /** Nothing is sent until the connection is back. */
  readonly waiting: boolean
}

export interface QueueEnvironment {
  /** Saves one step, once however often it is sent; rejects with a sentence to show. */
  save(step: LabelStep): Promise<void>
  /** Called after every change of the state. */
  changed(state: QueueState): void
  /** Called with targets whose annotation, as it is to be shown, may be another now. */
  show(targets: readonly AnnotationTarget[]): void
}

/**
 * Targets that a step's changes can be shown on before they are saved: merges and parts have no number before that.
 */
const targetsOf = ({ changes }: LabelStep): AnnotationTarget[] => [
  ...new Set(changes.flatMap((change) => (change.do === 'set' || change.do === 'clear' ? change.targets : [])))
]

/** Not crypto.randomUUID, which a page has only on a secure address. */
const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

const kindOf = (error: unknown): ErrorKind | undefined => (error as { readonly kind?: ErrorKind }).kind

/**
 * Saves steps of labelling one after another, in the order in which they were made, while the person goes on. What is
 * on its way is shown at once; what fails is taken back from view and kept with its text. Where the connection is
 * lost, steps wait for it.
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

  /** Takes a step; it is shown when this returns, and saved later. */
  add(changes: readonly AnnotationChange[], words: string, signature: Signature): LabelStep {
    const step: LabelStep = { id: newId(), changes, words, signature }
    this.#set({ pending: [...this.#pending, step] }, step)
    void this.#work()
    return step
  }

  /** What is to be shown of a target: what is saved, with the steps that are on their way on top. */
  amend(target: AnnotationTarget, saved: Annotation | undefined): Annotation | undefined {
    return this.#pending.reduce(
      (annotation, { changes, signature }) =>
        changes.reduce((before, change) => changed(target, before, change, signature), annotation),
      saved
    )
  }

  /** Settles once nothing is on its way any more, or everything that is waits for the connection. */
  settled(): Promise<void> {
    if (this.#pending.length === 0 || this.#waiting) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Sends what waits; to be called when the connection is there again. */
  resume(): void {
    if (!this.#waiting) return
    this.#set({ waiting: false })
    void this.#work()
  }

  /** Tries all steps again that could not be saved, in their order, or the one of that number. */
  retry(id?: string): void {
    const again = this.#unsaved.filter(({ step }) => id === undefined || step.id === id).map(({ step }) => step)
    this.#set(
      { unsaved: this.#unsaved.filter(({ step }) => !again.includes(step)), pending: [...this.#pending, ...again] },
      ...again
    )
    void this.#work()
  }

  /** Lets go of a step that could not be saved. */
  discard(id: string): void {
    this.#set({ unsaved: this.#unsaved.filter(({ step }) => step.id !== id) })
  }

  /** Puts steps among the unsaved that were kept elsewhere: before the window was closed. */
  bringBack(steps: readonly LabelStep[], problem: string): void {
    this.#set({ unsaved: [...this.#unsaved, ...steps.map((step) => ({ step, problem }))] })
  }

  /** Sends steps that an earlier window could not. */
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
