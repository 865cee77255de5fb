import { describe, expect, it } from 'vitest'
import { isSlip, rankOf } from '../../renderer/app/matching'

const labels = [
  'Runs New run…',
  'Window Open settings',
  'Window Show keyboard shortcuts',
  'Labels Merge clusters',
  'Labels Clear label',
  'Graph Zoom in',
  'Graph Zoom out',
  'Graph Fit to view',
  'Graph Export graph as PNG…',
  'Window Dark theme',
  'Clusters Show unseen clusters only',
  'Graph Show clusters',
  'Graph Show clusters as nodes',
  'Clusters Next unseen cluster',
  'Clusters Compare with next similar'
]
const best = (query: string): string | undefined =>
  labels
    .map((label) => ({ label, rank: rankOf(label, query) }))
    .filter(({ rank }) => rank < Infinity)
    .sort((a, b) => a.rank - b.rank)[0]?.label

describe('the list of commands', () => {
  it.each([
    ['new run', 'Runs New run…'],
    ['nr', 'Runs New run…'],
    ['nerun', 'Runs New run…'],
    ['zo', 'Graph Zoom in'],
    ['zoom ou', 'Graph Zoom out'],
    ['preferences', 'Window Open settings'],
    ['hotkeys', 'Window Show keyboard shortcuts'],
    ['join', 'Labels Merge clusters'],
    ['nuc', 'Clusters Next unseen cluster'],
    ['mereg', 'Labels Merge clusters'],
    ['setings', 'Window Open settings'],
    ['cluster merge', 'Labels Merge clusters'],
    ['night', 'Window Dark theme'],
    ['png', 'Graph Export graph as PNG…'],
    ['Show clusters', 'Graph Show clusters'],
    ['SHORTCUTS', 'Window Show keyboard shortcuts'],
    ['simil', 'Clusters Compare with next similar']
  ])('finds by “%s”: %s', (query, label) => expect(best(query)).toBe(label))

  it.each(['xyz', 'zoom merge', 'run zzz'])('finds nothing by “%s”', (query) => expect(best(query)).toBeUndefined())

  it('keeps everything where nothing is typed', () =>
    expect(labels.every((label) => rankOf(label, ' ') === 0)).toBe(true))
})

describe('a slip', () => {
  it.each([
    ['merge', 'merge'],
    ['mrge', 'merge'],
    ['merrge', 'merge'],
    ['marge', 'merge'],
    ['megre', 'merge']
  ])('%s for %s', (typed, word) => expect(isSlip(typed, word)).toBe(true))
  it.each([
    ['mxxge', 'merge'],
    ['me', 'merge'],
    ['egrem', 'merge']
  ])('is not %s for %s', (typed, word) => expect(isSlip(typed, word)).toBe(false))
})
