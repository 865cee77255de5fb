import { openStore, StoreLost } from '../store/client'
import type { Store } from '../store/client'
import { workspaceOf } from '../store/store'
import type { Workspace } from '../store/store'

export interface KeeperListener {
  /** The store process ended, and the workspace is open again in a new one; all that was answered is there. */
  readonly reopened: (words: string) => void
  /** It could not be opened again; the next call tries once more. */
  readonly failed: (error: unknown) => void
}

/** A store may be killed again while it does a call once more; but what ends it each time is not tried for ever. */
const mostAttempts = 5

/**
 * A workspace that outlives its store process: when that ends, a new one opens the same folder. Calls are done again
 * where the service says that they may be (`Retry`); others reject, and are their caller's to do again.
 */
export class WorkspaceKeeper {
  readonly #listener: KeeperListener
  readonly #readOnly: boolean
  #store: Store
  #reopening: Promise<Store> | undefined
  #closed = false
  readonly workspace: Workspace

  private constructor(store: Store, readOnly: boolean, listener: KeeperListener) {
    this.#listener = listener
    this.#readOnly = readOnly
    this.#store = store
    this.workspace = workspaceOf(this.#kept())
    this.#watch(store)
  }

  /** `readOnly` has it opened for reading only, now and whenever it is opened again. */
  static async open(
    folder: string,
    options: { readonly create: boolean; readonly readOnly: boolean },
    listener: KeeperListener
  ): Promise<WorkspaceKeeper> {
    return new WorkspaceKeeper(await openStore(folder, { ...options, orRead: true }), options.readOnly, listener)
  }

  /** The store of the moment. */
  #kept(): Store {
    const now = (): Store => this.#store
    return {
      folder: now().folder,
      retries: now().retries,
      get readOnly() {
        return now().readOnly
      },
      get unwritable() {
        return now().unwritable
      },
      get notes() {
        return now().notes
      },
      get pid() {
        return now().pid
      },
      get ended() {
        return now().ended
      },
      call: (method, parameters, id) =>
        this.#attempt((store) => store.call(method, parameters, id), now().retries[method] !== 'never'),
      pinned: (work) => this.#attempt(work, false),
      close: () => this.close()
    }
  }

  #watch(store: Store): void {
    void store.ended.then(() => {
      if (!this.#closed) this.#successor(store).catch(() => {})
    })
  }

  /** The store after `lost`, whose process has ended. */
  #successor(lost: Store): Promise<Store> {
    if (this.#store !== lost) return Promise.resolve(this.#store)
    this.#reopening ??= this.#reopen(lost).finally(() => (this.#reopening = undefined))
    return this.#reopening
  }

  async #reopen(lost: Store): Promise<Store> {
    const words = await lost.ended
    for (let attempt = 1; ; attempt++) {
      try {
        const next = await openStore(lost.folder, { readOnly: this.#readOnly, orRead: true })
        this.#store = next
        this.#watch(next)
        this.#listener.reopened(words)
        return next
      } catch (error) {
        if (error instanceof StoreLost && attempt < mostAttempts && !this.#closed) continue
        this.#listener.failed(error)
        throw error
      }
    }
  }

  async #attempt<T>(work: (store: Store) => Promise<T>, again: boolean): Promise<T> {
    let store = this.#store
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(store)
      } catch (error) {
        if (!(error instanceof StoreLost) || this.#closed) throw error
        store = await this.#successor(store)
        if (!again || attempt === mostAttempts) throw error
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#reopening?.catch(() => {})
    await this.#store.close()
  }
}
