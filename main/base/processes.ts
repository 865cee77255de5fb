import { fork } from 'node:child_process'
import { deserialize, serialize } from 'node:v8'
import { fromPlain, toPlain } from '../../preload/errors'
import type { PlainError } from '../../preload/errors'

/** A method of a child process: its parameters and result, both structured-cloneable. */
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
   * Aborting asks the child to cancel this call (its handler's signal aborts). The call settles when the child
   * answers.
   */
  readonly signal?: AbortSignal
}

/** The parent's side of a child process, with typed calls (C) and notices (N: name → data) in both directions. */
export interface Child<C extends Calls<C>, N extends object = Record<never, never>> {
  readonly pid: number
  readonly exited: Promise<ChildExit>
  /**
   * Calls a method. Rejects with the child's own error, or with `lost(words)` of `spawnChild` if the child ends
   * before it answers.
   */
  call<K extends keyof C & string>(
    method: K,
    parameters: C[K]['parameters'],
    options?: CallOptions
  ): Promise<C[K]['result']>
  notify(name: string, data: unknown): void
  on<K extends keyof N & string>(name: K, listener: (data: N[K]) => void): () => void
  /** Kills the child at once. Pending calls reject. */
  kill(): Promise<ChildExit>
  /** Closes the channel. The child then releases its resources and exits; resolves once it has exited. */
  disconnect(): Promise<ChildExit>
}

export interface SpawnOptions {
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Flags for Node, such as --max-old-space-size. */
  readonly nodeArguments?: readonly string[]
  /**
   * Receives what the child writes to standard error, which otherwise goes to this process's own. Only for children
   * started by Node.
   */
  readonly onErrorOutput?: (text: string) => void
  /** Makes the error for calls that the child will never answer. */
  readonly lost: (words: string) => Error
}

/** A running child, as its parent holds it. */
export interface ChildHandle {
  readonly pid: number | undefined
  /** Sends a message. Calls `failed` if it could not be delivered. */
  send(message: unknown, failed: () => void): void
  onMessage(listener: (message: unknown) => void): void
  onExit(listener: (exit: ChildExit) => void): void
  kill(): void
  /** Closes the channel. The child then exits on its own. */
  disconnect(): void
}

export type Launcher = (
  entry: string,
  options: Pick<SpawnOptions, 'args' | 'environment' | 'nodeArguments' | 'onErrorOutput'>
) => ChildHandle

const exitOf = (code: number | null, signal: NodeJS.Signals | null): ChildExit => ({
  code,
  signal,
  words: signal === null ? `exit code ${code}` : `killed by ${signal}`
})

const forkWithNode: Launcher = (entry, { args = [], environment = {}, nodeArguments = [], onErrorOutput }) => {
  const child = fork(entry, args, {
    serialization: 'advanced',
    stdio: ['ignore', 2, onErrorOutput === undefined ? 2 : 'pipe', 'ipc'],
    execArgv: [...nodeArguments],
    env: { ...process.env, ...environment }
  })
  if (onErrorOutput !== undefined) child.stderr?.setEncoding('utf8').on('data', onErrorOutput)
  return {
    pid: child.pid,
    send: (message, failed) => {
      if (!child.connected) return failed()
      child.send(message as object, (error) => {
        if (error !== null) failed()
      })
    },
    onMessage: (listener) => void child.on('message', listener),
    onExit: (listener) => {
      child.once('exit', (code, signal) => listener(exitOf(code, signal)))
      child.once('error', (error) => listener({ code: null, signal: null, words: error.message }))
    },
    kill: () => void child.kill('SIGKILL'),
    disconnect: () => {
      if (child.connected) child.disconnect()
    }
  }
}

let launch: Launcher = forkWithNode

/**
 * Sets how children are started from now on. The desktop shell uses utility processes, because its executable cannot
 * stand in for Node.
 */
export const launchChildrenWith = (launcher: Launcher): void => {
  launch = launcher
}

/** Sent instead of closing, for channels that cannot signal their end. */
const farewell = { type: 'disconnect' } as const

/** One end of a message port of the shell, reduced to what is used here. */
export interface Port {
  postMessage(message: unknown): void
  onMessage(listener: (data: unknown) => void): void
}

/**
 * Packs a message for a port as bytes. A port would otherwise copy a view's whole buffer, and refuse a shared one.
 */
const packed = (
  port: Port
): {
  readonly send: (message: unknown) => void
  readonly onMessage: (listener: (message: unknown) => void) => void
} => ({
  send: (message) => port.postMessage(serialize(message)),
  onMessage: (listener) => port.onMessage((data) => listener(deserialize(data as Uint8Array)))
})

/** A child at the other end of a port. */
export const childBehind = (port: Port, child: Pick<ChildHandle, 'pid' | 'onExit' | 'kill'>): ChildHandle => {
  const { send, onMessage } = packed(port)
  return {
    get pid() {
      return child.pid
    },
    onExit: (listener) => child.onExit(listener),
    kill: () => child.kill(),
    send: (message) => send(message),
    onMessage,
    disconnect: () => send(farewell)
  }
}

type Request =
  | { readonly type: 'call'; readonly id: number; readonly method: string; readonly parameters: unknown }
  | { readonly type: 'cancel'; readonly id: number }
type Answer =
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: PlainError }
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
 * Starts a built entry as a child process. Its standard output goes to this process's standard error, so that
 * standard output remains the program's own. Arrays are copied, views by their own bytes only. Send large arrays in
 * blocks, and wait for each answer.
 */
export const spawnChild = <C extends Calls<C>, N extends object = Record<never, never>>(
  entry: string,
  options: SpawnOptions
): Child<C, N> => callsOf(launch(entry, options), options)

/** Typed calls to a child that is already running, of any kind. It must speak the protocol of `serveParent`. */
export const callsOf = <C extends Calls<C>, N extends object = Record<never, never>>(
  child: ChildHandle,
  options: Pick<SpawnOptions, 'lost'>
): Child<C, N> => {
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

  child.onMessage((received) => {
    const message = received as Answer | Notice
    if (message.type === 'notice') return listeners.emit(message)
    const call = pending.get(message.id)
    pending.delete(message.id)
    if (message.type === 'result') call?.resolve(message.result)
    else call?.reject(fromPlain(message.error))
  })

  const send = (message: Request | Notice, fail: (error: Error) => void): void => {
    if (ended !== undefined || leaving) return fail(options.lost(ended?.words ?? 'its channel is closed'))
    child.send(message, () => void exited.then(({ words }) => fail(options.lost(words))))
  }

  return {
    get pid() {
      return child.pid ?? -1
    },
    exited,
    call: async (method, parameters, { signal } = {}) => {
      signal?.throwIfAborted()
      const id = ++lastId
      const cancel = (): void => send({ type: 'cancel', id }, () => {})
      signal?.addEventListener('abort', cancel, { once: true })
      try {
        return await new Promise((resolve, reject) => {
          pending.set(id, { resolve, reject })
          send({ type: 'call', id, method, parameters }, (error) => {
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
      child.disconnect()
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

/** The child's side: what it can send to its parent. */
export interface Parent {
  notify(name: string, data: unknown): void
  on(name: string, listener: (data: unknown) => void): () => void
}

/** The child's end of the channel. */
interface ParentChannel {
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  onEnd(listener: () => void): void
}

/** Message port in a utility process of the shell. */
interface ParentPort {
  postMessage(message: unknown): void
  on(name: 'message', listener: (event: { readonly data: unknown }) => void): void
}

const throughPort = (parentPort: ParentPort): ParentChannel => {
  const { send, onMessage } = packed({
    postMessage: (message) => parentPort.postMessage(message),
    onMessage: (listener) => parentPort.on('message', ({ data }) => listener(data))
  })
  return {
    send,
    onMessage,
    onEnd: (listener) =>
      onMessage((message) => {
        if ((message as { readonly type?: unknown }).type === farewell.type) listener()
      })
  }
}

const throughFork: ParentChannel = {
  send: (message) => {
    if (process.connected) process.send!(message, undefined, undefined, () => {})
  },
  onMessage: (listener) => void process.on('message', listener),
  onEnd: (listener) => void process.once('disconnect', listener)
}

const channelOf = ({ parentPort }: { readonly parentPort?: ParentPort }): ParentChannel =>
  parentPort === undefined ? throughFork : throughPort(parentPort)

/**
 * Answers the parent's calls until the parent disconnects or dies. Then aborts the running calls, runs `onDisconnect`
 * (for at most 20 s) and exits. Ignores signals sent to the whole process group, because the parent decides.
 */
export const serveParent = <C extends Calls<C>>(
  handlers: Handlers<C>,
  onDisconnect?: () => void | Promise<void>
): Parent => {
  const listeners = new Listeners()
  const running = new Map<number, AbortController>()
  const parent = channelOf(process)
  const send = (message: Answer | Notice): void => parent.send(message)

  const answer = async ({ id, method, parameters }: Extract<Request, { type: 'call' }>): Promise<void> => {
    const controller = new AbortController()
    running.set(id, controller)
    try {
      if (!Object.hasOwn(handlers, method)) throw new Error(`no call named ${method}`)
      const result = await handlers[method as keyof C](parameters, { signal: controller.signal })
      send({ type: 'result', id, result })
    } catch (error) {
      send({ type: 'error', id, error: toPlain(error) })
    } finally {
      running.delete(id)
    }
  }

  const end = async (): Promise<void> => {
    setTimeout(() => process.exit(1), 20_000)
    for (const controller of running.values()) controller.abort()
    try {
      await onDisconnect?.()
      // SIGKILL, because native threads of a running call would crash a process that exits normally.
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
    const message = received as Request | Notice | typeof farewell
    if (message.type === 'call') void answer(message)
    else if (message.type === 'cancel') running.get(message.id)?.abort()
    else if (message.type === 'notice') listeners.emit(message)
  })
  return {
    notify: (name, data) => send({ type: 'notice', name, data }),
    on: (name, listener) => listeners.add(name, listener)
  }
}
