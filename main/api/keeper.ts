import { openStore, StoreLost } from '../store/client'
import type { Store } from '../store/client'
import { workspaceOf } from '../store/store'
import type { Workspace } from '../store/store'

export interface KeeperListener {
  /** The store process died, and the workspace is open again in a new one. All answered changes are there. */
  readonly reopened: (words: string) => void
  /** The workspace could not be reopened. The next call tries again. */
  readonly failed: (error: unknown) => void
}

/** Limit of attempts at one call, in case the call itself kills the store. */
const mostAttempts = 5

/**
 * A workspace that survives the death of its store process by reopening the folder in a new one. Repeats lost calls
 * if the service allows it (`Retry`); others reject.
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

  /** `readOnly` opens it for reading only, also after a restart. */
  static async open(
    folder: string,
    options: { readonly create: boolean; readonly readOnly: boolean },
    listener: KeeperListener
  ): Promise<WorkspaceKeeper> {
    return new WorkspaceKeeper(await openStore(folder, { ...options, orRead: true }), options.readOnly, listener)
  }

  /** A `Store` that forwards to the current store process. */
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

  /** The store that replaces `lost`. */
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
