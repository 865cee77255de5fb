import { fromPlain } from '../preload/contract'
import type { Bridge, CallInput, CallName, CallResult, NoticeName, Notices } from '../preload/contract'

/** Typed calls to the main side, and its notices. */
export class Client {
  readonly bridge: Bridge
  readonly #listeners = new Map<string, Set<(data: never) => void>>()

  constructor(bridge: Bridge) {
    this.bridge = bridge
    bridge.onNotice((name, data) => this.#listeners.get(name)?.forEach((listener) => listener(data as never)))
  }

  /** Rejects with a `SpectroscopeError` whose message is a sentence to show. `$state` proxies are to be given as snapshots. */
  async call<M extends CallName>(method: M, parameters: CallInput<M>): Promise<CallResult<M>> {
    const answer = await this.bridge.call(method, parameters)
    if (!answer.ok) throw fromPlain(answer.error)
    return answer.result as CallResult<M>
  }

  /** Calls `listener` with each notice of that name; returns its removal, so that an effect can return it. */
  on<N extends NoticeName>(name: N, listener: (data: Notices[N]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(listener))
    return () => void listeners.delete(listener)
  }
}
