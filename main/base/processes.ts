import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { fromPlain, toPlain } from '../../preload/errors'
import type { PlainError } from '../../preload/errors'
import { channelOver } from './channel'
import type { Channel } from './channel'

/** What a child process answers: a method's parameters and result, both structured-cloneable. */
export interface Call {
  readonly parameters: unknown
  readonly result: unknown
}
export type Calls<C> = { readonly [K in keyof C]: Call }

/** How a child ended, in words: "exit code 3", "killed by SIGKILL". */
export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly words: string
}

export interface CallOptions {
  /**
   * Aborting asks the child to give up this call (its handler's signal aborts); the call settles when the child
   * answers.
   */
  readonly signal?: AbortSignal
}

/** The parent's side of a child process with typed calls (C) and notices (N: name → data) in both directions. */
export interface Child<C extends Calls<C>, N extends object = Record<never, never>> {
  readonly pid: number
  readonly exited: Promise<ChildExit>
  /**
   * Rejects with the child's own error, or with `lost(words)` of `spawnChild` when the child ends before it answers.
   */
  call<K extends keyof C & string>(
    method: K,
    parameters: C[K]['parameters'],
    options?: CallOptions
  ): Promise<C[K]['result']>
  notify(name: string, data: unknown): void
  on<K extends keyof N & string>(name: K, listener: (data: N[K]) => void): () => void
  /** Ends the child without asking; pending calls reject. */
  kill(): Promise<ChildExit>
  /** Closes the channel, upon which the child closes what it holds and exits; resolves once it has. */
  disconnect(): Promise<ChildExit>
}

export interface SpawnOptions {
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Flags for Node, for instance --max-old-space-size. */
  readonly nodeArguments?: readonly string[]
  /** Takes what the child writes to standard error, in place of this process's own. */
  readonly onErrorOutput?: (text: string) => void
  /** The error of calls that the child will never answer. */
  readonly lost: (words: string) => Error
}

/** A running child as its parent holds it. */
interface ChildHandle {
  readonly pid: number | undefined
  readonly channel: Channel
  onExit(listener: (exit: ChildExit) => void): void
  kill(): void
}

const exitOf = (code: number | null, signal: NodeJS.Signals | null): ChildExit => ({
  code,
  signal,
  words: signal === null ? `exit code ${code}` : `killed by ${signal}`
})

let node = process.execPath

/** Has children started by another Node than the program that runs here, which is Electron's in the shell. */
export const startChildrenWith = (program: string): void => {
  node = program
}

/** The Node that children run in. */
export const nodeProgram = (): string => node

/** Variables by which an environment brings code or arguments into a Node that it starts. */
const steering = new Set(['NODE_OPTIONS', 'NODE_PATH', 'OPENSSL_CONF', 'OPENSSL_MODULES'])

/** The environment of a child: this process's, without what steers Node, and `own`. */
export const childEnvironment = (own: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
  // Windows takes names in any case.
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !steering.has(name.toUpperCase()))),
  ...own
})

/** Place of the channel among a child's open files, after its standard ones. */
const channelFile = 3

const start = (entry: string, options: SpawnOptions): ChildHandle => {
  const { args = [], environment, nodeArguments = [], onErrorOutput } = options
  const child = spawn(node, [...nodeArguments, entry, ...args], {
    stdio: [
      'ignore',
      2,
      onErrorOutput === undefined ? 2 : 'pipe',
      process.platform === 'win32' ? 'overlapped' : 'pipe'
    ],
    env: childEnvironment(environment),
    windowsHide: true
  })
  if (onErrorOutput !== undefined) child.stderr?.setEncoding('utf8').on('data', onErrorOutput)
  // There are no files where the system has none left.
  const stream = (child.stdio as typeof child.stdio | undefined)?.[channelFile] as Duplex | undefined
  const channel = channelOver(stream ?? new Socket().destroy())
  const gone = new Promise<void>((resolve) => channel.onEnd(resolve))
  const exit = new Promise<ChildExit>((resolve) => {
    child.once('exit', (code, signal) => resolve(exitOf(code, signal)))
    // A child that could not be started has no other end; an error of one that runs is no end.
    child.on('error', ({ message }) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, words: message })
    })
  })
  return {
    pid: child.pid,
    channel,
    // What it said last is read before.
    onExit: (listener) => void Promise.all([exit, gone]).then(([ended]) => listener(ended)),
    kill: () => void child.kill('SIGKILL')
  }
}

// The id comes first, so that it can be read where the rest cannot.
type Request =
  | { readonly id: number; readonly type: 'call'; readonly method: string; readonly parameters: unknown }
  | { readonly id: number; readonly type: 'cancel' }
type Answer =
  | { readonly id: number; readonly type: 'result'; readonly result: unknown }
  | { readonly id: number; readonly type: 'error'; readonly error: PlainError }
type Notice = { readonly type: 'notice'; readonly name: string; readonly data: unknown }

interface Pending {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

class Listeners {
  readonly #listeners = new Map<string, Set<(data: unknown) => void>>()

  add(name: string, listener: (data: unknown) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, set.add(listener))
    return () => set.delete(listener)
  }

  emit({ name, data }: Notice): void {
    this.#listeners.get(name)?.forEach((listener) => listener(data))
  }
}

/**
 * Starts a built entry as a child process of Node. Its standard output goes to this process's standard error, so that
 * standard output stays the program's own. Arrays are copied, a view by its own bytes only; send large ones in blocks
 * and wait for each answer. Keys whose value is undefined do not arrive.
 */
export const spawnChild = <C extends Calls<C>, N extends object = Record<never, never>>(
  entry: string,
  options: SpawnOptions
): Child<C, N> => {
  const child = start(entry, options)
  const pending = new Map<number, Pending>()
  const listeners = new Listeners()
  let lastId = 0
  let ended: ChildExit | undefined
  let leaving = false

  const exited = new Promise<ChildExit>((resolve) => {
    const end = (exit: ChildExit): void => {
      ended ??= exit
      for (const call of pending.values()) call.reject(options.lost(ended.words))
      pending.clear()
      resolve(ended)
    }
    child.onExit(end)
  })

  child.channel.onMessage((received) => {
    const message = received as Answer | Notice
    if (message.type === 'notice') return listeners.emit(message)
    const call = pending.get(message.id)
    pending.delete(message.id)
    if (message.type === 'result') call?.resolve(message.result)
    else call?.reject(fromPlain(message.error))
  })

  const send = (message: Request | Notice, fail: (error: Error) => void): void => {
    if (ended !== undefined || leaving) return fail(options.lost(ended?.words ?? 'its channel is closed'))
    child.channel.send(message, () => void exited.then(({ words }) => fail(options.lost(words))))
  }

  return {
    get pid() {
      return child.pid ?? -1
    },
    exited,
    call: async (method, parameters, { signal } = {}) => {
      signal?.throwIfAborted()
      const id = ++lastId
      const cancel = (): void => send({ id, type: 'cancel' }, () => {})
      signal?.addEventListener('abort', cancel, { once: true })
      try {
        return await new Promise((resolve, reject) => {
          pending.set(id, { resolve, reject })
          send({ id, type: 'call', method, parameters }, (error) => {
            pending.delete(id)
            reject(error)
          })
        })
      } finally {
        signal?.removeEventListener('abort', cancel)
      }
    },
    notify: (name, data) => send({ type: 'notice', name, data }, () => {}),
    on: (name, listener) => listeners.add(name, (data) => listener(data as never)),
    kill: () => {
      child.kill()
      return exited
    },
    disconnect: () => {
      leaving = true
      child.channel.close()
      return exited
    }
  }
}

export interface CallContext {
  /** Aborts when the caller cancels this call. */
  readonly signal: AbortSignal
}

export type Handlers<C extends Calls<C>> = {
  readonly [K in keyof C]: (
    parameters: C[K]['parameters'],
    context: CallContext
  ) => C[K]['result'] | Promise<C[K]['result']>
}

/** The child's side: what it can tell its parent. */
export interface Parent {
  notify(name: string, data: unknown): void
  on(name: string, listener: (data: unknown) => void): () => void
}

/**
 * Answers the parent's calls until the parent disconnects or dies; then aborts the calls at work, runs `onDisconnect`
 * (at most 20 s) and exits. Signals that reach the whole process group are ignored: the parent decides.
 */
export const serveParent = <C extends Calls<C>>(
  handlers: Handlers<C>,
  onDisconnect?: () => void | Promise<void>
): Parent => {
  const listeners = new Listeners()
  const running = new Map<number, AbortController>()
  const parent = channelOver(new Socket({ fd: channelFile, readable: true, writable: true }))
  const send = (message: Answer | Notice): void => parent.send(message)

  const answer = async ({ id, method, parameters }: Extract<Request, { type: 'call' }>): Promise<void> => {
    const controller = new AbortController()
    running.set(id, controller)
    try {
      if (!Object.hasOwn(handlers, method)) throw new Error(`no call named ${method}`)
      const result = await handlers[method as keyof C](parameters, { signal: controller.signal })
      send({ id, type: 'result', result })
    } catch (error) {
      send({ id, type: 'error', error: toPlain(error) })
    } finally {
      running.delete(id)
    }
  }

  const end = async (): Promise<void> => {
    setTimeout(() => process.exit(1), 20_000)
    for (const controller of running.values()) controller.abort()
    try {
      await onDisconnect?.()
      // Native threads of a call that is still at work would end a process that exits in the middle with a fault.
      if (running.size > 0) process.kill(process.pid, 'SIGKILL')
      process.exit(0)
    } catch {
      process.exit(1)
    }
  }

  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  process.on('SIGTERM', () => {})
  parent.onEnd(() => void end())
  parent.onMessage((received) => {
    const message = received as Request | Notice | Extract<Answer, { type: 'error' }>
    if (message.type === 'call') void answer(message)
    else if (message.type === 'cancel') running.get(message.id)?.abort()
    else if (message.type === 'notice') listeners.emit(message)
    else send(message)
  })
  return {
    notify: (name, data) => send({ type: 'notice', name, data }),
    on: (name, listener) => listeners.add(name, listener)
  }
}
