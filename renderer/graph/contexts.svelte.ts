import { SvelteMap } from 'svelte/reactivity'
import type { TokenInContext } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'

const mostKept = 3000

/** Contexts of tokens as a list asks for them, row by row: those asked for in one turn are read with one call. */
export class Contexts {
  readonly #explore: Explore
  readonly #around: number
  readonly #known = new SvelteMap<number, TokenInContext>()
  #asked = new Set<number>()

  constructor(explore: Explore, around: number) {
    this.#explore = explore
    this.#around = around
  }

  /** The context, once it is there. */
  of(token: number): TokenInContext | undefined {
    const known = this.#known.get(token)
    if (known === undefined && !this.#asked.has(token)) {
      if (this.#asked.size === 0) queueMicrotask(() => void this.#read())
      this.#asked.add(token)
    }
    return known
  }

  async #read(): Promise<void> {
    const asked = Int32Array.from(this.#asked)
    this.#asked = new Set()
    try {
      const contexts = await this.#explore.contexts(asked, this.#around, this.#around)
      if (this.#known.size > mostKept) this.#known.clear()
      for (const context of contexts) this.#known.set(context.token, context)
    } catch (error) {
      this.#explore.workbench.fail(error)
    }
  }
}
