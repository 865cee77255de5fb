import { calls, fromPlain } from '../preload/contract'
import type { AnswerOf, Bridge, Calls, InputOf, NoticeName, Notices } from '../preload/contract'

/**
 * A function for every call of the table in preload/. It rejects with a `SpectroscopeError` whose message is a
 * sentence to show. `$state` proxies are to be given as snapshots.
 */
type CallsOfWindow = {
  readonly [N in keyof Calls]: {
    readonly [V in keyof Calls[N]]: (parameters: InputOf<Calls[N][V]>) => Promise<AnswerOf<Calls[N][V]>>
  }
}

/** Typed calls to the main side, and its notices. */
export interface Client extends CallsOfWindow {
  readonly bridge: Bridge
  /** Calls `listener` with each notice of that name; returns its removal, so that an effect can return it. */
  on<N extends NoticeName>(name: N, listener: (data: Notices[N]) => void): () => void
}

const callsThrough = (bridge: Bridge): CallsOfWindow => {
  const ask = async (name: string, parameters: unknown): Promise<unknown> => {
    const answer = await bridge.call(name, parameters)
    if (!answer.ok) throw fromPlain(answer.error)
    return answer.result
  }
  const verbsOf = (noun: string, verbs: object): object =>
    Object.fromEntries(
      Object.keys(verbs).map((verb) => [verb, (parameters: unknown) => ask(`${noun}.${verb}`, parameters)])
    )
  return Object.fromEntries(
    Object.entries(calls).map(([noun, verbs]) => [noun, verbsOf(noun, verbs)])
  ) as unknown as CallsOfWindow
}

export const clientOf = (bridge: Bridge): Client => {
  const listeners = new Map<string, Set<(data: never) => void>>()
  bridge.onNotice((name, data) => listeners.get(name)?.forEach((listener) => listener(data as never)))
  return {
    ...callsThrough(bridge),
    bridge,
    on: (name, listener) => {
      const those = listeners.get(name) ?? new Set()
      listeners.set(name, those.add(listener))
      return () => void those.delete(listener)
    }
  }
}
