import { describe, expect, it, vi } from 'vitest'
import { conflicts, isSame, isUnfinished, merged, readKnown, refusal } from '../../renderer/settings/key-rules'
import type { KnownCommand } from '../../renderer/settings/key-rules'

vi.stubGlobal('navigator', { platform: 'Linux' })

const command = (id: string, keys: string[], changes: Partial<KnownCommand> = {}): KnownCommand => ({
  id,
  label: id,
  group: 'Runs',
  keys,
  whileTyping: false,
  ...changes
})

describe('keys of commands', () => {
  it('refuses, in words, what would be typed where a command works in fields, and what the system needs', () => {
    const palette = command('palette.open', [], { whileTyping: true })
    expect(refusal(palette, 'g')).toMatch(/works in text fields/)
    expect(refusal(palette, 'shift+arrowleft')).toMatch(/works in text fields/)
    expect([refusal(palette, 'ctrl+g'), refusal(palette, 'f4'), refusal(palette, 'escape')]).toEqual([null, null, null])
    expect(refusal(command('labels.skip', []), 'g')).toBeNull()
    expect(refusal(command('labels.skip', []), 'tab')).toMatch(/moves between fields/)
    expect(refusal(command('labels.skip', []), 'mod+c')).toMatch(/copies/)
  })

  it('waits for a key while only a modifier is held', () => {
    expect(['ctrl+control', 'shift', 'ctrl+shift+p', 'g'].map(isUnfinished)).toEqual([true, true, false, false])
  })

  it('tells of commands that share a key where both can be there', () => {
    const all = [
      command('runs.delete', ['d']),
      command('run.duplicate', ['d']),
      command('labels.skip', ['s']),
      command('graph.fit', ['f']),
      command('keys.show', ['h'])
    ]
    const inForce = ({ id, keys }: KnownCommand): readonly string[] => (id === 'graph.fit' ? ['s'] : keys)
    const others = (id: string, keys: string[]): string[] =>
      conflicts(all.find((each) => each.id === id) ?? all[0], keys, all, inForce).map(({ other }) => other.id)
    expect(others('runs.delete', ['d'])).toEqual([])
    expect(others('labels.skip', ['s'])).toEqual(['graph.fit'])
    expect(others('runs.delete', ['h', 's'])).toEqual(['keys.show'])
    expect(others('keys.show', ['S', 'd'])).toEqual(['runs.delete', 'run.duplicate', 'labels.skip', 'graph.fit'])
  })

  it('lists commands of now and of earlier once each, by group', () => {
    const [now, kept] = [[command('a', ['x'])], [command('a', ['y']), command('b', [], { group: 'Labels' })]]
    expect(merged(now, kept)).toEqual([
      ['Runs', [now[0]]],
      ['Labels', [kept[1]]]
    ])
    expect(readKnown([kept[1], { id: 3 }, null])).toEqual([kept[1]])
    expect(readKnown('x')).toBeUndefined()
    expect([isSame(['Ctrl+K'], ['ctrl+k']), isSame(['a'], ['a', 'b'])]).toEqual([true, false])
  })
})
