import { describe, expect, it } from 'vitest'
import type { Annotation, AnnotationChange, AnnotationTarget, ClusterEntry, LabelStatus } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/contract'
import { statusAfterNaming } from '../../preload/label-rules'
import { editsOf } from '../../main/labels/annotations'
import { changed, changeWords, commonLabel, tagChanges } from '../../renderer/clusters/label-changes'
import { openLabels, readReviews, reviewKey, withVerdicts } from '../../renderer/clusters/label-review'
import { LabelQueue } from '../../renderer/clusters/label-queue'
import type { QueueState } from '../../renderer/clusters/label-queue'
import {
  asksForLabels,
  fits,
  parseSearch,
  questionKey,
  questionsOf,
  quotedWhereNeeded,
  termWords,
  withoutTerm,
  withPiece
} from '../../renderer/clusters/search-language'
import { measuredKeys, sortClusters } from '../../renderer/clusters/sort-clusters'
import type { SortKey } from '../../renderer/clusters/sort-clusters'
import { likeness, suggestNames, withLaterNames } from '../../renderer/clusters/suggestions'

const entry = (cluster: number, changes: Partial<ClusterEntry> = {}): ClusterEntry => ({
  cluster,
  kind: 'cluster',
  parent: null,
  size: 100,
  conductance: 0.2,
  stability: null,
  ruleF1: null,
  ruleName: null,
  distinctTokens: 10,
  purity: 0.5,
  subset: 'wiki',
  topTokens: [{ id: cluster + 1, text: ' the', count: 40, lift: 3 }],
  standsOut: [{ component: 'head:2.1', standardisedMean: -2 }],
  ...changes
})

const annotation = (target: AnnotationTarget, changes: Partial<Annotation> = {}): Annotation => ({
  target,
  name: '',
  note: '',
  tags: [],
  confidence: null,
  status: 'unseen',
  blindTest: null,
  author: 'A. Person',
  changedAt: '2026-01-01T00:00:00.000Z',
  ...changes
})

const signature = { author: 'A. Person', changedAt: '2026-01-02T00:00:00.000Z' }

describe('the search language', () => {
  const conditions = (text: string) =>
    parseSearch(text).terms.map(({ condition, not }) => (not ? { not, ...condition } : condition))

  it('reads words, quoted texts, expressions and keys, all of which have to hold', () => {
    expect(
      conditions('bracket " the" /^\\s+\\d \\/ x$/ subset:pile component:head:2.1 status:unsu tag:"two words"')
    ).toEqual([
      { by: 'text', text: 'bracket' },
      { by: 'text', text: ' the' },
      { by: 'expression', source: '^\\s+\\d \\/ x$' },
      { by: 'subset', text: 'pile' },
      { by: 'component', text: 'head:2.1' },
      { by: 'status', status: 'unsure' },
      { by: 'tag', text: 'two words' }
    ])
  })

  it('reads measures with their relations, shares, numbers of clusters and refusals', () => {
    expect(conditions('size>100 phi<=.2 purity>=80% distinct=3 #12 cluster:-1 -status:unseen')).toEqual([
      { by: 'size', relation: '>', value: 100 },
      { by: 'conductance', relation: '<=', value: 0.2 },
      { by: 'purity', relation: '>=', value: 0.8 },
      { by: 'distinct', relation: '=', value: 3 },
      { by: 'number', cluster: 12 },
      { by: 'number', cluster: -1 },
      { not: true, by: 'status', status: 'unseen' }
    ])
  })

  it('says what it cannot read, and still uses the rest', () => {
    const { terms, problems } = parseSearch('/(/ status:nonsense tag: plain')
    expect(terms.map(({ condition }) => condition)).toEqual([{ by: 'text', text: 'plain' }])
    expect(problems).toHaveLength(3)
    expect(problems[0]).toMatch(/^\/\(\/ is not a regular expression/)
    expect(problems[1]).toContain('unseen, skipped, unsure, labelled')
  })

  it('takes an unknown key, a lone slash and a lone minus as text', () => {
    expect(conditions('http://x / -')).toEqual([
      { by: 'text', text: 'http://x' },
      { by: 'text', text: '/' },
      { by: 'text', text: '-' }
    ])
  })

  it('never throws, whatever is typed', () => {
    for (const text of [
      '"',
      '""',
      '//',
      '-',
      '/[/',
      'size>',
      'size>abc',
      '#',
      '-/-/',
      ':',
      'a:b:c',
      '"unended /x',
      '\\',
      'tag:"'.repeat(50)
    ])
      expect(() => parseSearch(text)).not.toThrow()
  })

  it('takes a term out, and puts a piece in once', () => {
    const text = 'one status:unseen "two words" size>5'
    const { terms } = parseSearch(text)
    expect(withoutTerm(text, terms[1])).toBe('one "two words" size>5')
    expect(withPiece('a', 'status:unseen')).toBe('a status:unseen')
    expect(withPiece('status:unseen a', 'status:unseen')).toBe('status:unseen a')
    expect(parseSearch(`subset:${quotedWhereNeeded('a "b c')}`).terms[0].condition).toEqual({
      by: 'subset',
      text: 'a b c'
    })
  })

  it("decides by label, by the main side's answer, and by what the list knows", () => {
    const subject = {
      entry: entry(7),
      path: [],
      annotations: [annotation('cluster:7', { name: 'Closing brackets', tags: ['syntax'], status: 'labelled' })],
      status: 'labelled' as LabelStatus
    }
    const answers = new Map([
      [questionKey({ text: 'foo', regularExpression: false }), new Set([7])],
      [questionKey({ text: 'foo', regularExpression: true }), new Set([8])],
      [questionKey({ text: '^Clos', regularExpression: true }), new Set([7])]
    ])
    const holds = (text: string): boolean => fits(parseSearch(text).terms, subject, answers)
    for (const text of [
      '',
      'closing',
      'BRACKETS synt',
      'foo',
      '7',
      'tag:syn',
      'status:labelled',
      'size=100',
      'conductance<0.3',
      'component:head:2',
      'component:head',
      'component:head:2.1',
      'component:l2h1',
      '-bar',
      'author:person',
      '#7'
    ])
      expect(holds(text), text).toBe(true)
    for (const text of ['/^Clos/', '-/foo/']) expect(holds(text), text).toBe(true)
    for (const text of [
      'opening',
      '-foo',
      '/foo/',
      'status:unseen',
      'size>100',
      'component:head:2.10',
      'component:head:21',
      'component:mlp',
      'subset:code',
      '#8',
      'closing opening'
    ])
      expect(holds(text), text).toBe(false)
    expect(
      fits(parseSearch('conductance<1').terms, { ...subject, entry: entry(-1, { conductance: null }) }, answers)
    ).toBe(false)
  })

  it('reads stability, rules, levels and what lies in a group', () => {
    expect(conditions('stable>0.5 stability>=50% rule>.8 level:neighbourhoods level:r in:12 in:#12')).toEqual([
      { by: 'stability', relation: '>', value: 0.5 },
      { by: 'stability', relation: '>=', value: 0.5 },
      { by: 'rule', relation: '>', value: 0.8 },
      { by: 'level', level: 'neighbourhood' },
      { by: 'level', level: 'region' },
      { by: 'within', cluster: 12 },
      { by: 'within', cluster: 12 }
    ])
    expect(parseSearch('level:nothing in:x').problems).toEqual([
      'Level must be one of region, neighbourhood, cluster.',
      'in: needs a group number.'
    ])
    expect(parseSearch('stable>0.5 -level:region in:12').terms.map(termWords)).toEqual([
      'stability > 0.5',
      'not regions',
      'in group 12'
    ])
  })

  it('decides by them, and leaves out what was not measured either way', () => {
    const subject = {
      entry: entry(7, { stability: 0.5, ruleF1: 0.9 }),
      path: [20, 12],
      annotations: [],
      status: 'unseen' as LabelStatus
    }
    const holds = (text: string, of = subject): boolean => fits(parseSearch(text).terms, of, new Map())
    for (const text of ['stable>=0.5', 'rule>0.8', 'level:cluster', 'in:12', 'in:20', '-in:7'])
      expect(holds(text), text).toBe(true)
    for (const text of ['stable>0.5', 'rule<0.8', 'level:region', 'in:7', 'in:3']) expect(holds(text), text).toBe(false)
    const unmeasured = { ...subject, entry: entry(7) }
    for (const text of ['stable>0', 'stable<1', 'rule>0', 'rule<1']) expect(holds(text, unmeasured), text).toBe(false)
  })

  it('knows what to ask the main side, and whether labels matter', () => {
    expect(questionsOf(parseSearch('foo /bar/ size>3').terms)).toEqual([
      { text: 'foo', regularExpression: false },
      { text: 'bar', regularExpression: true }
    ])
    expect(asksForLabels(parseSearch('size>3 subset:x').terms)).toBe(false)
    expect(asksForLabels(parseSearch('size>3 status:unseen').terms)).toBe(true)
    expect(parseSearch('-tag:x size>=3 /y/').terms.map(termWords)).toEqual(['not tag x', 'size ≥ 3', '/y/'])
  })
})

describe('the order of clusters', () => {
  const entries = [
    entry(0, { size: 5, conductance: 0.5, purity: 0.2 }),
    entry(1, { size: 50, conductance: 0.1, purity: 0.9 }),
    entry(2, { size: 5, conductance: null, purity: 0.4 }),
    entry(-1, { kind: 'main body', size: 1000, conductance: null })
  ]
  const said = {
    status: (cluster: number): LabelStatus => (cluster === 1 ? 'unseen' : cluster === 0 ? 'labelled' : 'skipped'),
    name: (cluster: number) => (cluster === 2 ? 'Name 10' : cluster === 0 ? 'name 9' : '')
  }
  const order = (by: SortKey, descending: boolean): number[] =>
    sortClusters(entries, { by, descending }, said).map(({ cluster }) => cluster)

  it('keeps what is left over last, and ties in order of discovery', () => {
    expect(order('size', true)).toEqual([1, 0, 2, -1])
    expect(order('size', false)).toEqual([0, 2, 1, -1])
    expect(order('discovery', true)).toEqual([2, 1, 0, -1])
  })

  it('puts what has no value after what has one, either way', () => {
    expect(order('conductance', false)).toEqual([1, 0, 2, -1])
    expect(order('conductance', true)).toEqual([0, 1, 2, -1])
    expect(order('name', false)).toEqual([0, 2, 1, -1])
    expect(order('name', true)).toEqual([2, 0, 1, -1])
  })

  it('goes by stability and by rules, with what was not measured last', () => {
    const measured = [
      entry(0, { stability: 0.4, ruleF1: 0.2 }),
      entry(1, { stability: null }),
      entry(2, { stability: 0.9, ruleF1: 0.1 }),
      entry(-1, { kind: 'unclustered' })
    ]
    const by = (key: SortKey, descending: boolean): number[] =>
      sortClusters(measured, { by: key, descending }, said).map(({ cluster }) => cluster)
    expect([by('stability', true), by('stability', false), by('rule', true)]).toEqual([
      [2, 0, 1, -1],
      [0, 2, 1, -1],
      [0, 2, 1, -1]
    ])
    expect(measuredKeys(measured).has('stability')).toBe(true)
    expect(['stability', 'rule', 'size'].map((key) => measuredKeys(entries).has(key as SortKey))).toEqual([
      false,
      false,
      true
    ])
  })

  it('goes from unseen to labelled', () => {
    expect(order('labelled', false)).toEqual([1, 2, 0, -1])
  })

  it('leaves what it was given alone', () => {
    const before = [...entries]
    sortClusters(entries, { by: 'size', descending: true }, said)
    expect(entries).toEqual(before)
  })
})

describe('suggestions', () => {
  const brackets = entry(1, {
    subset: 'github',
    purity: 0.9,
    topTokens: [
      { id: 1, text: ')', count: 40, lift: 9 },
      { id: 2, text: ');', count: 30, lift: 9 },
      { id: 3, text: '}', count: 20, lift: 9 }
    ]
  })

  it('names the kind of tokens, with the subset where it is pure', () => {
    expect(suggestNames(brackets, []).slice(0, 2)).toEqual(['closing brackets', 'closing brackets in github'])
  })

  it('quotes the one frequent token, with signs for what cannot be seen', () => {
    expect(suggestNames(entry(1, { topTokens: [{ id: 1, text: ' of', count: 90, lift: 9 }] }), [])[0]).toBe('“of”')
    expect(suggestNames(entry(1, { topTokens: [{ id: 1, text: '\n\n', count: 90, lift: 9 }] }), [])[0]).toBe('“⏎⏎”')
    expect(
      suggestNames(entry(1, { topTokens: [{ id: 1, text: '\u202ex', count: 90, lift: 9 }] }), []).join('')
    ).not.toContain('\u202e')
    expect(
      suggestNames(entry(1, { topTokens: [{ id: 1, text: 'x'.repeat(10_000), count: 90, lift: 9 }] }), []).every(
        (name) => name.length < 100
      )
    ).toBe(true)
  })

  it('puts the name of a very similar cluster first, and leaves unlike ones out', () => {
    const named = [
      { name: 'ends of blocks', entry: { ...brackets, cluster: 2 } },
      { name: 'dates', entry: entry(3, { topTokens: [{ id: 50, text: '1999', count: 9, lift: 2 }] }) }
    ]
    const names = suggestNames(brackets, named)
    expect(names[0]).toBe('ends of blocks')
    expect(names).not.toContain('dates')
    expect(likeness(brackets, named[0].entry)).toBeCloseTo(1)
    expect(likeness(brackets, named[1].entry)).toBe(0)
  })

  it('gives five at most, none twice, and none for an empty cluster', () => {
    const names = suggestNames(brackets, [], ['drawn one', 'closing brackets', 'drawn two'])
    expect(names[0]).toBe('drawn one')
    expect(names).toHaveLength(5)
    expect(new Set(names).size).toBe(5)
    expect(suggestNames(entry(1, { size: 0, topTokens: [] }), [])).toEqual([])
  })

  it('never gives a number that is shown another name', () => {
    expect(withLaterNames(['a', 'b'], ['c', 'a', 'd', 'e', 'f'])).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

describe('changes of labels', () => {
  it('are shown as the main side will write them', () => {
    const signature = { author: 'Ada', changedAt: '2026-01-01T00:00:00.000Z' }
    const target = 'cluster:3' as const
    const labels = [
      { name: '  closing   brackets ' },
      { name: '' },
      { tags: ['a', ' a ', ''] },
      { note: 'x', status: 'unsure' as const },
      { confidence: null }
    ]
    for (const status of ['unseen', 'skipped', 'unsure', 'labelled'] as const) {
      const before = { name: 'old', note: '', tags: [], confidence: null, status, blindTest: null, ...signature }
      for (const label of labels) {
        for (const body of [before, undefined]) {
          const change: AnnotationChange = { do: 'set', targets: [target], label }
          const known = new Map(body === undefined ? [] : [[target, body] as const])
          const [edit] = editsOf([change], known, {
            author: 'Ada',
            now: signature.changedAt,
            nextMerge: 1,
            nextPart: 1,
            nextSelection: 1
          })
          const after = edit === undefined ? body : (edit.after ?? undefined)
          const shown = changed(target, body === undefined ? undefined : { ...body, target }, change, signature)
          expect(shown).toEqual(after === undefined ? undefined : { ...after, target })
        }
      }
    }
  })

  it('says what several clusters share', () => {
    expect(
      commonLabel([
        annotation('cluster:1', { name: 'x', tags: ['a', 'b'], status: 'labelled' }),
        annotation('cluster:2', { name: 'x', tags: ['b'], status: 'unsure' })
      ])
    ).toEqual({
      name: 'x',
      note: '',
      tags: ['b'],
      confidence: null,
      status: undefined
    })
    expect(commonLabel([undefined])).toEqual({ name: '', note: '', tags: [], confidence: null, status: 'unseen' })
  })

  it('puts a change into words', () => {
    expect(changeWords(['cluster:3'], { name: 'x', status: 'labelled' })).toBe('label cluster 3 “x”')
    expect(changeWords(['cluster:3', 'cluster:4'], { status: 'skipped' })).toBe('skip 2 clusters')
    expect(changeWords(['cluster:-1'], { note: '' })).toBe('edit note of unclustered tokens')
    expect(changeWords(['merge:2'], { tags: ['a', 'b'] })).toBe('tag merge 2 a, b')
    const levels = (cluster: number): string => (cluster >= 10 ? 'region' : 'cluster')
    expect(changeWords(['cluster:12'], { name: 'law' }, levels)).toBe('label region 12 “law”')
    expect(changeWords(['cluster:12', 'cluster:13'], { status: 'skipped' }, levels)).toBe('skip 2 regions')
    expect(changeWords(['cluster:1', 'cluster:12'], { status: 'skipped' }, levels)).toBe('skip 2 groups')
  })

  it('leaves tags alone that the targets do not share', () => {
    const tags: Record<string, string[]> = { 'cluster:1': ['a'], 'cluster:2': ['a', 'b'], 'cluster:3': ['b'] }
    expect(tagChanges(['cluster:1', 'cluster:2', 'cluster:3'], (target) => tags[target], { add: 'b' })).toEqual([
      { do: 'set', targets: ['cluster:1'], label: { tags: ['a', 'b'] } }
    ])
    expect(tagChanges(['cluster:1', 'cluster:2', 'cluster:3'], (target) => tags[target], { remove: 'a' })).toEqual([
      { do: 'set', targets: ['cluster:1'], label: { tags: [] } },
      { do: 'set', targets: ['cluster:2'], label: { tags: ['b'] } }
    ])
  })

  it('lets a name label what is not unsure', () => {
    expect([
      statusAfterNaming('x', 'unseen'),
      statusAfterNaming('x', 'unsure'),
      statusAfterNaming('', 'labelled'),
      statusAfterNaming('', 'skipped')
    ]).toEqual(['labelled', 'unsure', 'unseen', 'skipped'])
  })
})

/** A store of labels that answers when it is told to, and fails as it is told. */
class SlowStore {
  readonly calls: { readonly id: string; readonly words: string; readonly settle: (error?: Error) => void }[] = []
  readonly saved = new Map<AnnotationTarget, Annotation>()
  readonly shown = new Map<AnnotationTarget, Annotation | undefined>()
  state: QueueState = { pending: [], unsaved: [], waiting: false }
  readonly queue: LabelQueue

  constructor() {
    this.queue = new LabelQueue({
      save: ({ id, changes, words }) =>
        new Promise((resolve, reject) => {
          const settle = (error?: Error): void => {
            if (error !== undefined) return reject(error)
            for (const change of changes)
              if (change.do === 'set')
                for (const target of change.targets)
                  this.saved.set(target, {
                    ...annotation(target),
                    ...this.saved.get(target),
                    ...(change.label as Partial<Annotation>)
                  })
            resolve()
          }
          this.calls.push({ id, words, settle })
        }),
      changed: (state) => (this.state = state),
      show: (targets) =>
        targets.forEach((target) => this.shown.set(target, this.queue.amend(target, this.saved.get(target))))
    })
  }

  label(cluster: number, name: string): void {
    const change: AnnotationChange = { do: 'set', targets: [`cluster:${cluster}`], label: { name, status: 'labelled' } }
    this.queue.add([change], name, signature)
  }

  /** Answers the call that is open, and waits until the queue has gone on. */
  async answer(error?: Error): Promise<void> {
    this.calls.at(-1)!.settle(error)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
}

describe('the queue of labels', () => {
  it('shows a label at once and saves thirty in order, one at a time', async () => {
    const store = new SlowStore()
    for (let cluster = 0; cluster < 30; cluster++) store.label(cluster, `name ${cluster}`)
    expect(store.calls).toHaveLength(1)
    expect(store.shown.get('cluster:29')).toMatchObject({ name: 'name 29', status: 'labelled', author: 'A. Person' })
    let isSettled = false
    void store.queue.settled().then(() => (isSettled = true))
    for (let cluster = 0; cluster < 30; cluster++) {
      expect(isSettled).toBe(false)
      await store.answer()
    }
    expect(isSettled).toBe(true)
    expect(store.calls.map(({ words }) => words)).toEqual(Array.from({ length: 30 }, (_, cluster) => `name ${cluster}`))
    expect(store.state).toEqual({ pending: [], unsaved: [], waiting: false })
    expect(store.saved.size).toBe(30)
  })

  it('keeps what was said last in view while an earlier answer arrives', async () => {
    const store = new SlowStore()
    store.label(1, 'first')
    store.label(1, 'second')
    await store.answer()
    expect(store.shown.get('cluster:1')?.name).toBe('second')
    await store.answer()
    expect(store.saved.get('cluster:1')?.name).toBe('second')
  })

  it('takes a failed label out of view, brings its text back, and goes on with the others', async () => {
    const store = new SlowStore()
    store.label(1, 'lost?')
    store.label(2, 'other')
    await store.answer(new SpectroscopeError('storage', 'The disk is full; make room.'))
    expect(store.shown.get('cluster:1')).toBeUndefined()
    expect(store.state.unsaved.map(({ step, problem }) => [step.words, problem])).toEqual([
      ['lost?', 'The disk is full; make room.']
    ])
    await store.answer()
    expect(store.saved.get('cluster:2')?.name).toBe('other')
    store.queue.retry()
    expect(store.shown.get('cluster:1')?.name).toBe('lost?')
    await store.answer()
    expect(store.saved.get('cluster:1')?.name).toBe('lost?')
    expect(store.state.unsaved).toEqual([])
  })

  it('waits with all labels for a connection that is lost, and sends them again in order', async () => {
    const store = new SlowStore()
    store.label(1, 'a')
    store.label(2, 'b')
    await store.answer(new SpectroscopeError('network', 'The connection was lost.'))
    expect(store.state).toMatchObject({ waiting: true, unsaved: [] })
    store.label(3, 'c')
    expect(store.calls).toHaveLength(1)
    await expect(store.queue.settled()).resolves.toBeUndefined()
    store.queue.resume()
    await store.answer()
    await store.answer()
    await store.answer()
    expect(store.calls.map(({ words }) => words)).toEqual(['a', 'a', 'b', 'c'])
    expect(store.state.pending).toEqual([])
  })

  it('waits with a merge too, which the program knows by its id', async () => {
    const store = new SlowStore()
    store.queue.add([{ do: 'merge', clusters: [1, 2], label: {} }], 'merge', signature)
    await store.answer(new SpectroscopeError('network', 'The connection was lost.'))
    expect(store.state).toMatchObject({ waiting: true, unsaved: [] })
    store.queue.resume()
    await store.answer()
    expect(store.state).toEqual({ pending: [], unsaved: [], waiting: false })
    expect(store.calls.map(({ id }) => id)).toEqual([store.calls[0].id, store.calls[0].id])
  })

  it('brings back what an earlier window could not save', () => {
    const store = new SlowStore()
    const changes: AnnotationChange[] = [{ do: 'set', targets: ['cluster:1'], label: { name: 'kept' } }]
    store.queue.bringBack([{ id: 'kept-1', changes, words: 'kept', signature }], 'It belongs to the workspace w.')
    expect(store.state.unsaved[0].step.words).toBe('kept')
    expect(store.calls).toEqual([])
  })
})

describe('a review of labels', () => {
  const labels = ['cluster:1', 'cluster:2', 'merge:1'].map((target) => ({ target }))
  const [from, to] = [1, 2].map((clustering) => ({ run: 'r', clustering }))

  it('goes through labels without a verdict, skipped ones last', () => {
    const order = (...parameters: Parameters<typeof openLabels>): string[] =>
      openLabels(...parameters).map(({ target }) => target)
    expect(order(labels, {}, [])).toEqual(['cluster:1', 'cluster:2', 'merge:1'])
    expect(order(labels, { 'cluster:2': 'refused' }, ['cluster:1'])).toEqual(['merge:1', 'cluster:1'])
    const all = ['cluster:1', 'cluster:2', 'merge:1']
    expect(order(labels, {}, all)).toEqual(all)
    expect(order(labels, {}, [...all, 'cluster:1'])).toEqual(['cluster:2', 'merge:1', 'cluster:1'])
  })

  it('is kept by clusterings and read again, without what is no verdict', () => {
    const one = withVerdicts({}, reviewKey(from, to), { 'cluster:1': 'accepted' })
    const both = withVerdicts(one, reviewKey(to, from), { 'cluster:1': 'refused' })
    expect(readReviews(JSON.parse(JSON.stringify(both)))).toEqual(both)
    expect(Object.keys(both)).toHaveLength(2)
    expect(readReviews({ r: { 'cluster:1': 'perhaps', 'cluster:2': 'refused' }, s: 3 })).toEqual({
      r: { 'cluster:2': 'refused' },
      s: {}
    })
    expect(readReviews([])).toBeUndefined()
    expect(readReviews('r')).toBeUndefined()
  })

  it('drops the oldest reviews above the limit, never the latest', () => {
    const many = Object.fromEntries(
      Array.from({ length: 5000 }, (_, cluster): [string, 'refused'] => [`cluster:${cluster}`, 'refused'])
    )
    const kept = withVerdicts({ old: many, recent: { 'cluster:1': 'refused' } }, 'latest', many)
    expect(Object.keys(kept)).toEqual(['recent', 'latest'])
    expect(Object.keys(withVerdicts({}, 'latest', { ...many, ...many }))).toEqual(['latest'])
  })
})
