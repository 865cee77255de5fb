import { afterEach, expect, it, vi } from 'vitest'
import { onInterrupt } from '../../main/cli/interrupt'
import type { Interrupt } from '../../main/cli/interrupt'

let interrupt: Interrupt | undefined
let seconds = 0
let asked: string[] = []

const begin = (): ((...names: NodeJS.Signals[]) => readonly string[]) => {
  ;[asked, seconds] = [[], 0]
  vi.spyOn(process, 'exit').mockImplementation((code) => {
    throw new Error(`exit ${code}`)
  })
  interrupt = onInterrupt(
    () => asked.push('stop'),
    () => asked.push('at once'),
    () => 1000 * seconds
  )
  return (...names) => {
    for (const name of names) {
      try {
        process.emit(name, name)
      } catch (error) {
        asked.push((error as Error).message)
      }
    }
    return asked
  }
}

afterEach(() => {
  interrupt?.release()
  vi.restoreAllMocks()
})

it('takes what a scheduler and the script between say of one end for one request', () => {
  const send = begin()
  expect(send('SIGTERM', 'SIGTERM', 'SIGHUP', 'SIGINT')).toEqual(['stop'])
  expect(interrupt!.signal.aborted).toBe(true)
})

it('takes a second Ctrl-C for a second request, however soon it comes, also with what a script passes on in between', () => {
  expect(begin()('SIGINT', 'SIGTERM', 'SIGINT')).toEqual(['stop', 'at once', 'exit 130'])
})

it('takes a signal some time later for a second request', () => {
  const send = begin()
  send('SIGTERM')
  seconds = 9
  expect(send('SIGTERM')).toEqual(['stop'])
  seconds = 11
  expect(send('SIGTERM')).toEqual(['stop', 'at once', 'exit 130'])
})
