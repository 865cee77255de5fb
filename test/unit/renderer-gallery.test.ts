import { describe, expect, it } from 'vitest'
import { Lru } from '../../renderer/gallery/lru'
import { liftWords, strengthWords, times } from '../../renderer/gallery/numbers'
import { PagedRows } from '../../renderer/gallery/paged-rows'
import type { Page } from '../../renderer/gallery/paged-rows'
import { defaultPreferences, readPreferences } from '../../renderer/gallery/preferences'
import { componentWords, furthest, inLayerOrder, profileGeometry } from '../../renderer/gallery/profile-layout'
import { contextPieces, inCodeFace, isCodeSubset, pieces, plainContext } from '../../renderer/gallery/reading'
import { planGroups, planInTurn } from '../../renderer/gallery/row-plan'
import type { RowPlan } from '../../renderer/gallery/row-plan'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Asked {
  readonly offset: number
  readonly answer: (page: Page<number>) => void
  readonly refuse: (error: Error) => void
}

/** Rows 0, 1, 2, … whose pages come when the test says so. */
const slowRows = (pageSize: number, total: number, keep?: number) => {
  const asked: Asked[] = []
  let changes = 0
  const rows = new PagedRows<number>({
    pageSize,
    load: (offset) => new Promise((resolve, reject) => asked.push({ offset, answer: resolve, refuse: reject })),
    changed: () => changes++,
    ...(keep === undefined ? {} : { keep })
  })
  const answer = async (at: number): Promise<void> => {
    const { offset, answer: give } = asked[at]
    give({ total, rows: Array.from({ length: Math.min(pageSize, total - offset) }, (_, place) => offset + place) })
    await settled()
  }
  return { rows, asked, answer, changes: () => changes }
}

describe('rows that are read page by page', () => {
  it('reads the first page, says how many rows there are, and then the next page ahead', async () => {
    const { rows, asked, answer, changes } = slowRows(10, 95)
    const first = rows.first()
    await answer(0)
    await first
    expect([rows.started, rows.total, rows.at(3), rows.at(10), changes()]).toEqual([true, 95, 3, undefined, 1])
    rows.want(0, 5)
    expect(asked.map(({ offset }) => offset)).toEqual([0, 10])
    await answer(1)
    expect(rows.at(19)).toBe(19)
  })

  it('never asks for what was scrolled past before its turn, and for no more than two pages at once', async () => {
    const { rows, asked, answer } = slowRows(10, 1000)
    void rows.first()
    await answer(0)
    for (let line = 100; line <= 900; line += 100) rows.want(line, line + 5)
    expect(asked.map(({ offset }) => offset)).toEqual([0, 100, 110])
    await answer(1)
    await answer(2)
    expect(asked.map(({ offset }) => offset)).toEqual([0, 100, 110, 900, 910])
  })

  it('does not ask beyond the last page', async () => {
    const { rows, asked, answer } = slowRows(10, 20)
    void rows.first()
    await answer(0)
    rows.want(10, 400)
    await answer(1)
    expect(asked.map(({ offset }) => offset)).toEqual([0, 10])
  })

  it('keeps a number of pages, and reads one again that was let go', async () => {
    const { rows, asked, answer } = slowRows(10, 1000, 2)
    void rows.first()
    await answer(0)
    rows.want(10, 12)
    await answer(1)
    await answer(2)
    expect(rows.at(0)).toBeUndefined()
    rows.want(0, 3)
    expect(asked.map(({ offset }) => offset)).toEqual([0, 10, 20, 0])
  })

  it('says what went wrong, stops, and goes on when it is asked to', async () => {
    const { rows, asked, answer } = slowRows(10, 100)
    const first = rows.first()
    asked[0].refuse(new Error('the store ended'))
    await expect(first).rejects.toThrow('the store ended')
    rows.want(0, 5)
    expect([rows.failure?.message, asked.length]).toEqual(['the store ended', 1])
    rows.retry()
    await answer(1)
    expect([rows.failure, rows.at(0)]).toEqual([null, 0])
  })
})

describe('the cache', () => {
  it('lets go of what was used longest ago', () => {
    const lru = new Lru<string, number>(2)
    lru.set('a', 1)
    lru.set('b', 2)
    lru.get('a')
    lru.set('c', 3)
    expect([lru.peek('a'), lru.peek('b'), lru.peek('c'), lru.size]).toEqual([1, undefined, 3, 2])
  })
})

const lines = (plan: RowPlan): string[] =>
  Array.from({ length: plan.length }, (_, line) => {
    const planned = plan.at(line)
    return planned.kind === 'row' ? `${planned.group}:${planned.place}` : `${planned.kind} ${planned.group}`
  })

describe('the strength of a token', () => {
  it('is said in halves of the draws, where their number is known', () => {
    expect(strengthWords(5 / 6, 6)).toBe('strength 0.83: in the group in 5 of 6 split halves of the draws')
    expect(strengthWords(0.5, 0)).toBe('strength 0.50')
  })
})

describe('the plan of a list', () => {
  it('puts a heading over each group, and a line for more under those that show only some', () => {
    const plan = planGroups([
      { total: 2, shown: 4, heading: true },
      { total: 9, shown: 3, heading: true },
      { total: 0, shown: 4, heading: true },
      { total: 1, shown: 1, heading: true }
    ])
    expect(lines(plan)).toEqual([
      'heading 0',
      '0:0',
      '0:1',
      'heading 1',
      '1:0',
      '1:1',
      '1:2',
      'more 1',
      'heading 2',
      'heading 3',
      '3:0'
    ])
  })

  it('is only rows without a heading, however many', () => {
    const plan = planGroups([{ total: 300_000, shown: 200_000, heading: false }])
    expect([plan.length, plan.at(0), plan.at(199_999), plan.at(200_000)]).toEqual([
      200_001,
      { kind: 'row', group: 0, place: 0 },
      { kind: 'row', group: 0, place: 199_999 },
      { kind: 'more', group: 0 }
    ])
  })

  it('takes rows of two clusters in turn until the smaller one is used up', () => {
    expect(lines(planInTurn([4, 2]))).toEqual(['0:0', '1:0', '0:1', '1:1', '0:2', '0:3'])
    expect(lines(planInTurn([0, 2]))).toEqual(['1:0', '1:1'])
    expect(planInTurn([0, 0]).length).toBe(0)
  })
})

describe('the profile', () => {
  const components = ['embed', 'head:0.0', 'head:0.1', 'head:10.0', 'head:2.0', 'mlp:0', 'mlp:2', 'mlp:10', 'unembed']

  it('goes layer by layer, heads before the MLP, by number and not by spelling', () => {
    const columns = inLayerOrder(components)
    expect(columns.map(({ component }) => component)).toEqual([
      'embed',
      'head:0.0',
      'head:0.1',
      'mlp:0',
      'head:2.0',
      'mlp:2',
      'head:10.0',
      'mlp:10',
      'unembed'
    ])
    expect(columns.map(({ index }) => components[index])).toEqual(columns.map(({ component }) => component))
  })

  it('says what a component is', () => {
    expect(['head:3.2', 'group:3.1', 'mlp:1', 'embed', 'adapter'].map(componentWords)).toEqual([
      'layer 3, head 2',
      'layer 3, group 1',
      'layer 1, MLP',
      'embedding',
      'adapter'
    ])
  })

  it('draws up what is positive and down what is negative, with room for the spread', () => {
    const columns = inLayerOrder(components.slice(0, 3))
    const geometry = profileGeometry({ columns, values: [1, -1, 0], spreads: [1, 0.5, 0], width: 30, height: 100 })
    expect(geometry.limit).toBe(2)
    expect(geometry.y(1)).toBeLessThan(geometry.zero)
    expect(geometry.y(-1)).toBeGreaterThan(geometry.zero)
    expect([geometry.y(2), geometry.y(-2)]).toEqual([2, 98])
    expect(geometry.positive.match(/M/g)).toHaveLength(2)
    expect(geometry.negative.match(/M/g)).toHaveLength(1)
    expect(geometry.layers.map(({ layer, from, to }) => [layer, from, to])).toEqual([
      ['embed', 0, 10],
      ['0', 10, 30]
    ])
  })

  it('leaves out what is not a number, and stands without any value', () => {
    const geometry = profileGeometry({
      columns: inLayerOrder(['embed', 'mlp:0']),
      values: [NaN, 0],
      width: 30,
      height: 100
    })
    expect([
      geometry.limit,
      geometry.y(0),
      geometry.positive.match(/M/g)?.length,
      geometry.positive.includes('NaN')
    ]).toEqual([0, 50, 1, false])
  })

  it('is wider than its place where there are hundreds of components', () => {
    expect(
      profileGeometry({
        columns: inLayerOrder(Array.from({ length: 400 }, (_, head) => `head:0.${head}`)),
        values: new Float32Array(400),
        width: 300,
        height: 80
      }).width
    ).toBe(1200)
  })

  it('finds what stands out', () => {
    expect(
      furthest(inLayerOrder(['embed', 'head:0.0', 'mlp:0']), [0.1, -3, 2], 2).map(({ component }) => component)
    ).toEqual(['head:0.0', 'mlp:0'])
  })
})

const read = (
  text: string,
  options: { spaces?: boolean; lines?: boolean; most?: number; leaveOut?: 'start' | 'middle' | 'end' } = {}
): string =>
  pieces(text, { spaces: false, lines: false, ...options })
    .map(({ text: part, breaks }) => part + (breaks === true ? '/' : ''))
    .join('')

describe('reading tokens', () => {
  it('shows what cannot be seen, and spaces where they are asked for', () => {
    expect([read(' a\tb'), read(' a\tb', { spaces: true }), read('\u202eabc')]).toEqual([' a⇥b', '·a⇥b', '⇄abc'])
  })

  it('never changes markup', () => {
    expect(pieces('<b>&amp;</b>', { spaces: true, lines: true })).toEqual([{ kind: 'text', text: '<b>&amp;</b>' }])
  })

  it('breaks lines only where they are kept', () => {
    expect([read('a\n\nb'), read('a\n\nb', { lines: true }), read('a\r\nb', { lines: true })]).toEqual([
      'a⏎⏎b',
      'a⏎/⏎/b',
      'a␍⏎/b'
    ])
  })

  it('counts long runs of one sign', () => {
    expect([read('\n'.repeat(12), { lines: true }), read(' '.repeat(63), { spaces: true })]).toEqual(['⏎×12/', '·×63'])
  })

  it('leaves out what is too long, says how much, and never cuts a character in two', () => {
    expect(read('a'.repeat(50) + 'z'.repeat(2000), { most: 10, leaveOut: 'end' })).toBe('aaaaaaaaaa … 2,040 more … ')
    expect(read('a'.repeat(100) + 'xyz', { most: 3, leaveOut: 'start' })).toBe(' … 100 more … xyz')
    expect(read('👍'.repeat(10), { most: 4 })).toBe('👍👍👍 … 6 more … 👍')
    expect(read('👍👍', { most: 2 })).toBe('👍👍')
  })

  it('cuts long tokens within a context, and leaves the others as they are', () => {
    const parts = contextPieces([' the', 'x'.repeat(2000), ' end'], 10, { spaces: false, lines: false }).map(
      ({ text }) => text
    )
    expect(parts).toEqual([' the', 'xxxxxxx', ' … 1,990 more … ', 'xxx', ' end'])
  })

  it('takes a subset for code by its name', () => {
    expect(['Github', 'StackExchange', 'the-stack-v2', 'pile_github', 'Python'].filter(isCodeSubset)).toEqual([
      'Github',
      'StackExchange',
      'the-stack-v2',
      'pile_github',
      'Python'
    ])
    expect(
      ['ArXiv', 'Wikipedia (en)', 'DM Mathematics', 'Pile-CC', 'PubMed Abstracts', ''].filter(isCodeSubset)
    ).toEqual([])
    expect([inCodeFace('auto', 'Github'), inCodeFace('prose', 'Github'), inCodeFace('code', 'ArXiv')]).toEqual([
      true,
      false,
      true
    ])
  })

  it('copies a context as it is in the corpus', () => {
    expect(plainContext({ before: ['a\n', ' b'], text: '\t', after: ['c'] })).toBe('a\n b⟦\t⟧c')
  })
})

describe('numbers in words', () => {
  it('says how many times as frequent', () => {
    expect([times(3.17), times(0.042), times(1234.5), times(NaN)]).toEqual(['3.2×', '0.042×', '1,235×', '–'])
    expect([liftWords(1.02), liftWords(3), liftWords(0.25), liftWords(0)]).toEqual([
      'about as often as in the corpus',
      '3.0 times as often as in the corpus',
      '4.0 times as rarely as in the corpus',
      'never here'
    ])
  })
})

describe('preferences', () => {
  it('reads what was kept, and takes the default for everything else', () => {
    expect(readPreferences('nonsense')).toEqual(defaultPreferences)
    expect(
      readPreferences({ ...defaultPreferences, width: 32, spaces: true, closed: ['subsets'], height: 300 })
    ).toMatchObject({ width: 32, spaces: true, closed: ['subsets'], height: 300 })
    expect(
      readPreferences({ width: 17, stratum: 'toward', grouping: 3, face: 'comic', closed: ['nothing'], height: -1 })
    ).toEqual(defaultPreferences)
  })
})
