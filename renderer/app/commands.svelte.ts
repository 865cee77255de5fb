import { SvelteMap } from 'svelte/reactivity'
import { isTyping, keyOfEvent, normaliseKey } from './keys'
import type { KeyName } from './keys'

/** One thing that a person can ask for; serves the palette, keys, buttons and the shell's menu. */
export interface Command {
  /** "labels.accept": settings and the shell's menu name it so. */
  readonly id: string
  readonly label: string
  /** Heading in the palette and among the keys: "Labels". */
  readonly group: string
  /** Default keys; a person may set others. */
  readonly keys?: readonly KeyName[]
  /** Whether it can be done now; always, where absent. */
  readonly when?: () => boolean
  readonly run: () => void | Promise<void>
  /** Its keys work in text fields too; only for those with ctrl, alt or meta, function keys and escape. */
  readonly whileTyping?: boolean
  /** Not offered in the palette: only sensible at a key. */
  readonly hidden?: boolean
  /** A key that is held down does it once only. */
  readonly once?: boolean
}

/** A key that writes nothing into a text field. */
const writesNothing = /^(ctrl|alt|meta)\+|^(escape|f\d+)$/

/** What space and enter press by themselves. */
const pressable = 'button, a[href], summary, select, input, [role=tab], [role=menuitem]'

const pressesSomething = (event: KeyboardEvent, key: KeyName): boolean =>
  (key === 'space' || key === 'enter') && event.target instanceof Element && event.target.closest(pressable) !== null

/** All commands that are there now, and what their keys are. */
export class Commands {
  readonly #commands = new SvelteMap<string, Command>()
  /** Those that were ever there, so that keys can be set for views that are not open. */
  readonly known = new SvelteMap<string, Command>()
  #keys: Readonly<Record<string, readonly string[]>> = $state.raw({})
  readonly #failed: (error: unknown) => void

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  /**
   * Adds commands; returns their removal, so that an effect can return it. A later one of the same id takes the place
   * of an earlier.
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

  /** Keys that a person has set, by command. */
  rebind(keys: Readonly<Record<string, readonly string[]>>): void {
    this.#keys = keys
  }

  get all(): readonly Command[] {
    return [...this.#commands.values()]
  }

  get(id: string): Command | undefined {
    return this.#commands.get(id)
  }

  /** Keys in force of a command. */
  keysOf(id: string): readonly KeyName[] {
    return (this.#keys[id] ?? this.#commands.get(id)?.keys ?? []).map(normaliseKey)
  }

  /** Commands that share a key with this one and can be there at the same time. */
  rivals(id: string, keys = this.keysOf(id)): readonly Command[] {
    return this.all.filter((other) => other.id !== id && this.keysOf(other.id).some((key) => keys.includes(key)))
  }

  isEnabled(id: string): boolean {
    const command = this.#commands.get(id)
    return command !== undefined && (command.when?.() ?? true)
  }

  /** Does a command if it can be done now; whether it could. */
  run(id: string): boolean {
    const command = this.#commands.get(id)
    if (command === undefined || !(command.when?.() ?? true)) return false
    void (async () => command.run())().catch(this.#failed)
    return true
  }

  /**
   * Does what a key stands for. Keys without a modifier go to a text field that has the focus, and all of them to a
   * dialog that lies over the window.
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
