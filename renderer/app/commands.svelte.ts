import { SvelteMap } from 'svelte/reactivity'
import { isTyping, keyOfEvent, normaliseKey } from './keys'
import type { KeyName } from './keys'

/** One action, shared by the palette, keys, buttons and the shell's menu. */
export interface Command {
  /** Name in settings and in the shell's menu: "labels.accept". */
  readonly id: string
  readonly label: string
  /** Heading in the palette and in the list of shortcuts: "Labels". */
  readonly group: string
  /** Default keys; settings may override them. */
  readonly keys?: readonly KeyName[]
  /** Whether it is enabled now; always, if absent. */
  readonly when?: () => boolean
  readonly run: () => void | Promise<void>
  /** Whether its keys also work in text fields. Only for keys with ctrl, alt or meta, function keys and Escape. */
  readonly whileTyping?: boolean
  /** Left out of the palette, as it only makes sense at a key. */
  readonly hidden?: boolean
  /** Whether holding the key runs it once only. */
  readonly once?: boolean
}

/** Whether a key writes nothing into a text field. */
const writesNothing = /^(ctrl|alt|meta)\+|^(escape|f\d+)$/

/** Elements that Space and Enter activate by themselves. */
const pressable = 'button, a[href], summary, select, input, [role=tab], [role=menuitem]'

const pressesSomething = (event: KeyboardEvent, key: KeyName): boolean =>
  (key === 'space' || key === 'enter') && event.target instanceof Element && event.target.closest(pressable) !== null

/** All commands available now, and their keys. */
export class Commands {
  readonly #commands = new SvelteMap<string, Command>()
  /** Every command seen so far, so that keys can be set for views that are not open. */
  readonly known = new SvelteMap<string, Command>()
  #keys: Readonly<Record<string, readonly string[]>> = $state.raw({})
  readonly #failed: (error: unknown) => void

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  /**
   * Adds commands and returns a function that removes them, for use in an effect. A later command replaces an earlier
   * one of the same id.
   */
  register(commands: readonly Command[]): () => void {
    for (const command of commands) {
      this.#commands.set(command.id, command)
      if (!this.known.has(command.id)) this.known.set(command.id, command)
    }
    return () => {
      for (const command of commands) if (this.#commands.get(command.id) === command) this.#commands.delete(command.id)
    }
  }

  /** Keys set by the person, by command. */
  rebind(keys: Readonly<Record<string, readonly string[]>>): void {
    this.#keys = keys
  }

  get all(): readonly Command[] {
    return [...this.#commands.values()]
  }

  get(id: string): Command | undefined {
    return this.#commands.get(id)
  }

  /** Current keys of a command. */
  keysOf(id: string): readonly KeyName[] {
    return (this.#keys[id] ?? this.#commands.get(id)?.keys ?? []).map(normaliseKey)
  }

  /** Commands that share a key with this one and can be enabled at the same time. */
  rivals(id: string, keys = this.keysOf(id)): readonly Command[] {
    return this.all.filter((other) => other.id !== id && this.keysOf(other.id).some((key) => keys.includes(key)))
  }

  isEnabled(id: string): boolean {
    const command = this.#commands.get(id)
    return command !== undefined && (command.when?.() ?? true)
  }

  /** Runs a command if it is enabled; returns whether it was. */
  run(id: string): boolean {
    const command = this.#commands.get(id)
    if (command === undefined || !(command.when?.() ?? true)) return false
    void (async () => command.run())().catch(this.#failed)
    return true
  }

  /**
   * Runs the command of a key. A focused text field gets keys without a modifier instead, and an open dialog gets all
   * keys.
   */
  readonly handle = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing || document.querySelector('dialog:modal') !== null) return
    if (event.key === 'Escape' && document.querySelector(':popover-open') !== null) return
    const key = keyOfEvent(event)
    if (pressesSomething(event, key)) return
    const typing = isTyping(event)
    const found = this.all.find(
      (command) =>
        (!typing || (command.whileTyping === true && writesNothing.test(key))) &&
        this.keysOf(command.id).includes(key) &&
        (command.when?.() ?? true)
    )
    if (found === undefined) return
    event.preventDefault()
    if (event.repeat && found.once === true) return
    this.run(found.id)
  }
}
