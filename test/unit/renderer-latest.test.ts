import { describe, expect, it } from 'vitest'
import { Latest } from '../../renderer/ui/latest'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Requests by name that are answered when the test says so. */
const slow = (atOnce?: number) => {
  const begun: string[] = []
  const taken: string[] = []
  const failed: string[] = []
  const gates = new Map<string, { readonly resolve: (name: string) => void; readonly reject: (error: Error) => void }>()
  const latest = new Latest((error) => failed.push((error as Error).message), atOnce)
  const ask = (name: string): void =>
    latest.ask(
      () => {
        begun.push(name)
        return new Promise<string>((resolve, reject) => gates.set(name, { resolve, reject }))
      },
      (answer) => taken.push(answer)
    )
  const answer = async (name: string): Promise<void> => {
    gates.get(name)!.resolve(name)
    await settled()
  }
  const refuse = async (name: string): Promise<void> => {
    gates.get(name)!.reject(new Error(name))
    await settled()
  }
  return { latest, ask, answer, refuse, begun, taken, failed }
}

describe('requests of which only the latest counts', () => {
  it('run one at a time, and never begin once overtaken', async () => {
    const { ask, answer, begun, taken } = slow()
    for (const name of ['a', 'b', 'c']) ask(name)
    await answer('a')
    expect([begun, taken]).toEqual([['a', 'c'], []])
    await answer('c')
    expect(taken).toEqual(['c'])
  })

  it('run side by side up to a number, and drop answers that come late', async () => {
    const { ask, answer, begun, taken } = slow(2)
    for (const name of ['a', 'b', 'c', 'd', 'e']) ask(name)
    expect(begun).toEqual(['a', 'b'])
    await answer('b')
    expect([begun, taken]).toEqual([['a', 'b', 'e'], []])
    await answer('e')
    await answer('a')
    expect(taken).toEqual(['e'])
  })

  it('wait for nothing where any number may run', async () => {
    const { ask, answer, begun, taken } = slow(Infinity)
    for (const name of ['a', 'b', 'c']) ask(name)
    expect(begun).toEqual(['a', 'b', 'c'])
    for (const name of ['c', 'a', 'b']) await answer(name)
    expect(taken).toEqual(['c'])
  })

  it('report the failure of the latest only, and go on after it', async () => {
    const { ask, answer, refuse, taken, failed } = slow(2)
    ask('a')
    ask('b')
    await refuse('a')
    await refuse('b')
    ask('c')
    await answer('c')
    expect([failed, taken]).toEqual([['b'], ['c']])
  })

  it('say nothing once forgotten, and take new ones', async () => {
    const { latest, ask, answer, refuse, begun, taken, failed } = slow()
    ask('a')
    ask('b')
    latest.forget()
    await refuse('a')
    expect([begun, taken, failed]).toEqual([['a'], [], []])
    ask('c')
    await answer('c')
    expect(taken).toEqual(['c'])
  })
})
