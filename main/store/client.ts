import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { entryPath } from '../base/entries'
import { spawnChild } from '../base/processes'
import type { Retry, StoreMethod } from './method'
import type { Service } from './service'
import type { OpenOptions, Opened } from './session'

/** The methods of a part of the service, as called from another process. */
export type ClientOf<S> = {
  readonly [M in keyof S]: S[M] extends StoreMethod<infer A, infer R>
    ? (...parameters: A) => Promise<Awaited<R>>
    : never
}
export type StoreClient = ClientOf<Service>

type Retries = Readonly<Record<string, Retry>>

/** Messages between the two processes. */
export interface StoreProcess {
  readonly open: { readonly parameters: OpenOptions; readonly result: Opened & { readonly retries: Retries } }
  readonly call: {
    readonly parameters: { readonly method: string; readonly parameters: readonly unknown[]; readonly id: string }
    readonly result: unknown
  }
}

/** A workspace that is open in a store process. */
export interface Store extends Opened {
  readonly folder: string
  readonly readOnly: boolean
  /** Whether each method may be called again if its answer was lost. */
  readonly retries: Retries
  /** Process id of the store process. */
  readonly pid: number
  /**
   * Resolves when the store process has ended, with a description of how. All later calls reject with `StoreLost`.
   */
  readonly ended: Promise<string>
  /** Calls a method. `id` is the same for every attempt at a call. */
  call(method: string, parameters: readonly unknown[], id: string): Promise<unknown>
  /** Runs `work` with the current store process, without switching to a new one if it dies. */
  pinned<T>(work: (store: Store) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** The store process ended before it answered. */
export class StoreLost extends SpectroscopeError {}

/** Drops undefined parameters from the end, because frames would carry them as null. */
const given = (parameters: readonly unknown[]): readonly unknown[] =>
  parameters.slice(0, parameters.findLastIndex((each) => each !== undefined) + 1)

/** A function for each method of the service. The store lists the methods. */
export const clientOf = (store: Store): StoreClient =>
  Object.fromEntries(
    Object.keys(store.retries).map((method) => [
      method,
      (...parameters: readonly unknown[]) => store.call(method, given(parameters), randomUUID())
    ])
  ) as unknown as StoreClient

/** Opens a workspace folder in a new store process. Throws the errors of `openWorkspace`. */
export const openStore = async (
  folder: string,
  { create = false, readOnly = false, orRead = false }: Partial<Omit<OpenOptions, 'folder'>> = {}
): Promise<Store> => {
  const path = resolve(folder)
  const child = spawnChild<StoreProcess>(entryPath('store'), {
    lost: (words) => {
      const remedy = 'open the workspace again (saved data is safe)'
      return new StoreLost('storage', `${folder}: the store process ended unexpectedly (${words}); ${remedy}.`)
    }
  })
  try {
    const opened = await child.call('open', { folder: path, create: create && !readOnly, readOnly, orRead })
    const store: Store = {
      ...opened,
      folder: path,
      readOnly: readOnly || opened.unwritable !== null,
      pid: child.pid,
      ended: child.exited.then(({ words }) => words),
      call: (method, parameters, id) => child.call('call', { method, parameters, id }),
      pinned: (work) => work(store),
      close: async () => {
        await child.disconnect()
      }
    }
    return store
  } catch (error) {
    await child.disconnect()
    throw error
  }
}
