import { randomUUID } from 'node:crypto'
import { openWorkspace, StoreLost } from '../store/store'
import type { Workspace } from '../store/store'

export interface KeeperListener {
  /** The store process ended, and the workspace is open again in a new one; all that was answered is there. */
  readonly reopened: (words: string) => void
  /** It could not be opened again; the next call tries once more. */
  readonly failed: (error: unknown) => void
}

type Method = (...parameters: readonly unknown[]) => unknown

const reading = /^(get|list|find|read|search|is|count|next)[A-Z]/
/** Writes that do the same when they are done twice. */
const repeatable = new Set<PropertyKey>([
  'updateRun',
  'renameRun',
  'appendTrace',
  'renameClustering',
  'saveLayout',
  'saveDescription',
  'exportTable',
  'backUpLabels',
  'purgeDeleted'
])
/** Writes that the journal knows by an id, so that one that was done is not done again; and the place of the id. */
const journalled: Readonly<Record<string, (parameters: readonly unknown[], id: string) => readonly unknown[]>> = {
  applyAnnotations: ([order], id) => [{ id, ...(order as object) }],
  changeRun: ([run, changes, author, own], id) => [run, changes, author, own ?? id],
  undo: ([own], id) => [own ?? id],
  redo: ([own], id) => [own ?? id]
}

/** A store may be killed again while it does a call once more; but what ends it each time is not tried for ever. */
const mostAttempts = 5

/**
 * A workspace that outlives its store process: when that ends, a new one opens the same folder. Calls that read are done again, and so
 * are changes of labels and of runs' marks, which the journal does not take twice; other writes reject, and are their caller's to do again.
 */
export class WorkspaceKeeper {
  readonly #listener: KeeperListener
  readonly #readOnly: boolean
  #inner: Workspace
  #reopening: Promise<Workspace> | undefined
  #closed = false
  readonly workspace: Workspace

  private constructor(inner: Workspace, readOnly: boolean, listener: KeeperListener) {
    this.#inner = inner
    this.#readOnly = readOnly
    this.#listener = listener
    this.workspace = new Proxy(inner, { get: (_, key) => this.#member(key) })
    this.#watch(inner)
  }

  /** `readOnly` has it opened for reading only, now and whenever it is opened again. */
  static async open(
    folder: string,
    options: { readonly create: boolean; readonly readOnly: boolean },
    listener: KeeperListener
  ): Promise<WorkspaceKeeper> {
    return new WorkspaceKeeper(await openWorkspace(folder, { ...options, orRead: true }), options.readOnly, listener)
  }

  #watch(inner: Workspace): void {
    void inner.ended.then(() => {
      if (!this.#closed) this.#successor(inner).catch(() => {})
    })
  }

  /** The workspace after `lost`, whose store process has ended. */
  #successor(lost: Workspace): Promise<Workspace> {
    if (this.#inner !== lost) return Promise.resolve(this.#inner)
    this.#reopening ??= this.#reopen(lost).finally(() => (this.#reopening = undefined))
    return this.#reopening
  }

  async #reopen(lost: Workspace): Promise<Workspace> {
    const words = await lost.ended
    for (let attempt = 1; ; attempt++) {
      try {
        const next = await openWorkspace(lost.folder, { readOnly: this.#readOnly, orRead: true })
        this.#inner = next
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

  async #call(inner: Workspace, key: PropertyKey, parameters: readonly unknown[]): Promise<unknown> {
    return (Reflect.get(inner, key) as Method)(...parameters)
  }

  #member(key: PropertyKey): unknown {
    const value: unknown = Reflect.get(this.#inner, key)
    if (typeof value !== 'function' || key === 'runFolder') return value
    if (key === 'close') return () => this.close()
    const withId = typeof key === 'string' && Object.hasOwn(journalled, key) ? journalled[key] : undefined
    if (withId !== undefined)
      return (...parameters: readonly unknown[]) => this.#forward(key, withId(parameters, randomUUID()), true)
    return (...parameters: readonly unknown[]) =>
      this.#forward(key, parameters, reading.test(String(key)) || repeatable.has(key))
  }

  async #forward(key: PropertyKey, parameters: readonly unknown[], again: boolean): Promise<unknown> {
    let inner = this.#inner
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#call(inner, key, parameters)
      } catch (error) {
        if (!(error instanceof StoreLost) || this.#closed) throw error
        inner = await this.#successor(inner)
        if (!again || attempt === mostAttempts) throw error
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#reopening?.catch(() => {})
    await this.#inner.close()
  }
}
