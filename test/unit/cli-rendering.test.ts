import { describe, expect, it } from 'vitest'
import { line, lines, Visible } from '../../main/base/printed'
import { bar, createProgress, liveProgress, plainProgress, progressLines } from '../../main/cli/progress'
import { renderTable } from '../../main/cli/table'
import {
  clip,
  clipStart,
  duration,
  figure,
  grouped,
  textWidth,
  visibleText,
  visibleToken,
  wrap
} from '../../main/cli/text'
import { inTreeOrder, type ClusterList } from '../../main/api/clusters'
import { signalText } from '../../main/cli/health-views'
import { clustersText, clusterText } from '../../main/cli/cluster-views'
import { ruleWords } from '../../preload/contract'
import { visibleJson } from '../../preload/visible'
import type { ClusteringRecord, ClusterSummary, RuleCondition, RuleRecord, RunProgress } from '../../preload/contract'
import { clusteringOf, treeOf } from './store-fixture'

const escapes = (text: string): string[] => text.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g) ?? []

const page = { width: Infinity, bold: Visible.of }

describe('text from a corpus on a terminal', () => {
  it('shows white space as signs', () => {
    expect(visibleToken(' the')).toBe('·the')
    expect(visibleToken('\n\n\t')).toBe('⏎⏎⇥')
    expect(visibleToken('')).toBe('∅')
    expect(visibleText('a b\nc')).toBe('a b⏎c')
    expect(visibleToken('\u00a0')).toBe('␣')
  })

  it('never lets an escape sequence, a control character or a reordering mark through', () => {
    const nasty = '\u001b[2J\u001b]0;title\u0007\u009b31m\u0000\u202e\u200b\u2028\r\u007f\ud800'
    for (const shown of [visibleToken(nasty), visibleText(nasty)]) {
      expect(escapes(shown)).toEqual([])
      expect(shown).not.toMatch(/[\u202e\u200b\u2028\ud800]/)
      expect(shown).toContain('␛[2J')
      expect(shown).toContain('\\u{202e}')
    }
  })

  it('gives a lone combining mark something to stand on', () => {
    expect(visibleToken('\u0301')).toBe('◌\u0301')
  })

  it('counts columns, not code units', () => {
    expect(textWidth('日本')).toBe(4)
    expect(textWidth('e\u0301')).toBe(1)
    expect(clip('日本語', 5)).toBe('日本…')
    expect(clipStart('abcdef', 4)).toBe('…def')
    expect(clip('abc', 3)).toBe('abc')
    expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
  })
})

describe('what is printed', () => {
  const forged = 'name\u001b[2J\nRun 2 is deleted.'

  it("has no line and no escape sequence of a value's", () => {
    expect(line`Run "${forged}" has ${2}.`.text).toBe('Run "name␛[2J⏎Run 2 is deleted." has 2.')
    const three = lines('first', [forged, line`last`])
    expect(three.text.split('\n')).toEqual(['first', 'name␛[2J⏎Run 2 is deleted.', 'last'])
    expect(renderTable([{ title: forged }], [[forged]]).text.split('\n')).toHaveLength(2)
  })

  it('is bold where the program makes it so, and nowhere else', () => {
    const shown = line`${Visible.bold(`Run ${forged}`)}: \u001b[1m is bold`
    expect(shown.text.match(/\u001b\[[0-9]+m/g)).toEqual(['\u001b[1m', '\u001b[0m', '\u001b[1m'])
  })

  it('is the same JSON, without what a terminal obeys', () => {
    const value = { name: 'a\u009b2J\u202e\u{e0041}\u007f', list: [1, 'é ❤'] }
    const json = visibleJson(JSON.stringify(value, null, 2))
    expect(JSON.parse(json)).toEqual(value)
    expect(escapes(json)).toEqual([])
    expect(json).not.toMatch(/[\u202e\u{e0041}]/u)
    expect(json.split('\n')).toHaveLength(7)
  })
})

describe('figures', () => {
  it('are written as a person would', () => {
    expect(grouped(1234567)).toBe('1,234,567')
    expect(figure(0.5)).toBe('0.500')
    expect(figure(12.345)).toBe('12.3')
    expect(figure(0.00001234)).toBe('1.23e-5')
    expect(figure(Number.NaN)).toBe('–')
    expect(figure(null)).toBe('–')
    expect(duration(59.6)).toBe('1 min 00 s')
    expect(duration(7500)).toBe('2 h 05 min')
  })
})

describe('tables', () => {
  const columns = [
    { title: 'name', flexible: true },
    { title: 'size', align: 'right' as const }
  ]

  it('align their columns', () => {
    expect(
      renderTable(columns, [
        ['a', '1'],
        ['日本', '200']
      ]).text
    ).toBe('name  size\na        1\n日本   200')
  })

  it('cut only flexible columns, and fit the terminal', () => {
    const table = renderTable(columns, [['a long name that does not fit', '123456']], 24).text
    for (const line of table.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(24)
    expect(table).toContain('…')
    expect(table).toContain('123456')
  })

  it('cut nothing where the output is no terminal', () => {
    expect(renderTable(columns, [['x'.repeat(500), '1']]).text).toContain('x'.repeat(500))
  })
})

describe('lists of clusters', () => {
  const rule: RuleRecord = {
    conditions: [
      { on: 'next', id: 2, text: ' \u001b[31mthe' },
      { on: 'subset', subset: 'law' }
    ],
    recall: 0.5,
    precision: 0.75,
    f1: 0.6
  }
  const summary = (
    cluster: number,
    kind: ClusterSummary['kind'],
    parent: number | null,
    size: number,
    changes: Partial<ClusterSummary> = {}
  ): ClusterSummary => ({
    cluster,
    kind,
    parent,
    size,
    conductance: cluster < 0 ? null : 0.25,
    stability: cluster < 0 ? null : 0.75,
    conductanceWhenCut: null,
    seed: null,
    distinctTokens: 2,
    topTokens: [{ id: 1, text: ' of', count: 2, lift: 3 }],
    subsets: [],
    rule: cluster < 0 ? null : rule,
    uncaught: cluster < 0 ? null : 3,
    ...changes
  })
  const record: ClusteringRecord = {
    ...treeOf(40),
    number: 2,
    createdAt: '2026-11-20T10:00:00.000Z',
    clusters: 3,
    groupsAbove: 2,
    leftoverKind: 'unclustered',
    leftoverSize: 4
  }
  const tree = [
    summary(0, 'cluster', 3, 5),
    summary(1, 'cluster', 3, 6, { stability: 0.25 }),
    summary(2, 'cluster', null, 3),
    summary(3, 'neighbourhood', 4, 11),
    summary(4, 'region', null, 11),
    summary(-1, 'unclustered', null, 4)
  ]
  const list = (clusters: readonly ClusterSummary[], clustering = record): ClusterList => ({
    run: 'r1',
    name: 'a run',
    tokens: 40,
    clustering,
    clusters
  })
  const linesOf = (clusters: readonly ClusterSummary[], clustering = record): string[] =>
    clustersText(list(clusters, clustering), page).text.split('\n')

  it('go down the tree from the largest on, set in, with what is left over last', () => {
    expect(inTreeOrder(tree).map(({ cluster }) => cluster)).toEqual([4, 3, 1, 0, 2, -1])
    const lines = linesOf(inTreeOrder(tree))
    const at = lines.findIndex((line) => line.startsWith('cluster'))
    expect(lines.slice(at + 1, at + 7).map((line) => line.slice(0, 22).trimEnd())).toEqual([
      '4        region',
      '  3      neighbourhood',
      '    1    cluster',
      '    0    cluster',
      '2        cluster',
      'rest     unclustered'
    ])
  })

  it('say how stable each is, and which may be noise', () => {
    const lines = linesOf(inTreeOrder(tree))
    expect(lines.filter((line) => line.includes('0.25 ?'))).toHaveLength(1)
    expect(lines.filter((line) => line.includes('0.75 ?'))).toHaveLength(0)
    expect(lines).toContain('?: stability below 0.5; the group may be noise.')
    expect(linesOf([tree[0]])).not.toContain('?: stability below 0.5; the group may be noise.')
  })

  it('say how much of each level recurs, with its error and what chance gives', () => {
    const text = linesOf(tree).join('\n')
    expect(text).toContain('3 clusters in 2 groups above, 4 tokens unclustered (10.0 %).')
    expect(text).toContain('2 of 4 clusters are stable, with 40 % ± 3 % of the tokens.')
    expect(text).toContain('1 of 1 region is stable, with 65 % ± 5 % of the tokens (13 % by chance).')
    expect(text.indexOf('4 clusters are stable')).toBeLessThan(text.indexOf('1 region is stable'))
  })

  it("have the best rule in words, and no more of a token's text than can be seen", () => {
    const text = linesOf(tree).join('\n')
    expect(text).toContain('is before " \\u001b[31mthe" and is from law (recall 50 %, precision 75 %)')
    expect(escapes(text)).toEqual([])
  })

  it('are as before where there is no tree, no stability and no rule', () => {
    const plain = { stability: null, rule: null, uncaught: null }
    const flat = {
      ...record,
      ...clusteringOf(40),
      clusters: 2,
      groupsAbove: 0,
      leftoverKind: 'main body' as const,
      leftoverSize: 30
    }
    const lines = linesOf(
      [
        summary(0, 'cluster', null, 5, plain),
        summary(1, 'cluster', null, 5, plain),
        summary(-1, 'main body', null, 30)
      ],
      flat
    )
    const title = lines.find((line) => line.startsWith('cluster'))
    expect(title?.split(/ {2,}/)).toEqual(['cluster', 'size', 'share', 'conductance', 'top tokens', 'subsets'])
    expect(lines.at(-1)).toContain('unclustered')
    expect(lines.join('\n')).not.toContain('stable')
  })

  it('fit a narrow terminal', () => {
    for (const width of [80, 100, 120]) {
      const [, ...lines] = clustersText(list(inTreeOrder(tree)), { ...page, width }).text.split('\n')
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width)
    }
  })

  it('show a group above with its rule, and what it is in', () => {
    const text = clusterText({ run: 'r1', name: 'a run', summary: tree[3], tokens: [] }, page).text
    expect(text).toContain(
      'Neighbourhood 3 of run r1: 11 tokens, 2 distinct ones, in group 4, conductance 0.250, stability 0.75.'
    )
    expect(text).toContain('Best rule: a token that is before')
    expect(text).toContain('; 3 tokens missed by the best rule.')
    const weak = clusterText(
      {
        run: 'r1',
        name: 'a run',
        summary: summary(1, 'cluster', null, 6, { stability: 0.25, conductanceWhenCut: 0.125, seed: 7 }),
        tokens: []
      },
      page
    ).text
    expect(weak).toContain('conductance 0.250 (0.125 when cut), seed 7, stability 0.25 (may be noise).')
  })
})

describe('a preview', () => {
  it('says what the corpus gave and what was left out', () => {
    const corpus = {
      read: [{ kind: 'jsonl', extension: '.jsonl', files: 2, documents: 300 }] as const,
      blank: 0,
      leftOut: [{ why: 'not UTF-8 text', count: 1, names: ['b\u001b[2J.txt'] }]
    }
    const preview = { seconds: 1, components: [], secondsForRun: null, remainder: null, corpus, words: 'It will do.' }
    expect(signalText(preview, page).text.split('\n').slice(-2)).toEqual([
      'The corpus: 2 .jsonl files with 300 documents; left out: b␛[2J.txt (not UTF-8 text).',
      'It will do.'
    ])
  })
})

describe('rules in words', () => {
  it.each<[RuleCondition[], string]>([
    [
      [
        { on: 'next', id: 1, text: ' the' },
        { on: 'subset', subset: 'law_xml' }
      ],
      'is before " the" and is from law_xml'
    ],
    [[{ on: 'token', id: 1, text: ' of' }], 'is " of"'],
    [[{ on: 'previous', id: 1, text: '"\n' }], 'is after "\\"\\n"'],
    [[{ on: 'pattern', pattern: 'word-start' }], 'begins a word'],
    [[{ on: 'pattern', pattern: 'toString' }], 'toString'],
    [[{ on: 'position', from: 1, to: 8 }], 'is at positions 1 to 8 of its row'],
    [[{ on: 'position', from: 3, to: 3 }], 'is at position 3 of its row'],
    [[{ on: 'subset', subset: '' }], 'is from no subset'],
    [[], '']
  ])('%j', (conditions, words) => {
    expect(ruleWords(conditions)).toBe(words)
  })
})

const progress: RunProgress = {
  stage: 'sample',
  done: 30,
  total: 120,
  unit: '',
  component: 'head:2.1',
  chain: 2,
  chains: 4,
  draw: 3,
  draws: 10,
  step: 30,
  steps: 120,
  tokensPerSecond: 12345.6,
  secondsLeft: 3700
}

const recorder = (
  columns?: number
): { written: string[]; isTTY: boolean; columns?: number; write: (text: string) => boolean } => {
  const written: string[] = []
  return {
    written,
    isTTY: true,
    ...(columns === undefined ? {} : { columns }),
    write: (text) => written.push(text) > 0
  }
}

describe('progress', () => {
  it('says stage, share, time left, component, chain, draw, step and rate', () => {
    const [first, second] = progressLines(progress, 140)
    expect(first).toContain('Sampling')
    expect(first).toContain('25 %')
    expect(first).toContain('[##########------------------------------]'.slice(0, 8))
    for (const part of [
      '1 h 01 min left',
      'component head:2.1',
      'chain 2 of 4',
      'draw 3 of 10',
      'step 30 of 120',
      '12,346 tokens/s'
    ])
      expect(second).toContain(part)
    expect(bar(0.5, 12)).toBe('[#####-----]')
  })

  it('never exceeds a narrow terminal', () => {
    for (const columns of [1, 20, 35, 60, 80])
      for (const line of progressLines(progress, columns)) expect(textWidth(line)).toBeLessThan(Math.max(20, columns))
    expect(progressLines(progress, 40)).toHaveLength(1)
  })

  it('redraws in place, hides the cursor and gives it back', () => {
    const screen = recorder(100)
    let time = 0
    const display = liveProgress(screen, { colour: false, now: () => time })
    display.event({ type: 'stage', stage: 'sample' })
    display.event({ type: 'progress', progress })
    time = 1000
    display.event({ type: 'progress', progress })
    display.close()
    display.close()
    const all = screen.written.join('')
    expect(all.match(/\u001b\[\?25l/g)).toHaveLength(1)
    expect(all.match(/\u001b\[\?25h/g)).toHaveLength(1)
    expect(all).toContain('\u001b[J')
    expect(all).not.toContain('\u001b[1m')
  })

  it('respects NO_COLOR', () => {
    const [plain, coloured] = [recorder(100), recorder(100)]
    createProgress(plain, { NO_COLOR: '1' }).event({ type: 'stage', stage: 'sample' })
    createProgress(coloured, {}).event({ type: 'stage', stage: 'sample' })
    expect(plain.written.join('')).not.toContain('\u001b[1m')
    expect(coloured.written.join('')).toContain('\u001b[1m')
  })

  it('prints plain lines at intervals elsewhere, without escape sequences', () => {
    const screen = recorder()
    let time = 0
    const display = plainProgress(screen, { everySeconds: 10, now: () => time })
    display.event({ type: 'run', run: 'r1', name: 'a\u001b[31m', resumed: false })
    display.event({ type: 'stage', stage: 'sample' })
    for (time = 0; time < 25_000; time += 1000) display.event({ type: 'progress', progress })
    display.event({ type: 'note', message: 'chain 1 of mlp:0 ended' })
    display.event({ type: 'finished', stage: 'sample', seconds: 25, detail: '10 draws' })
    const all = screen.written.join('')
    expect(escapes(all)).toEqual([])
    expect(all.split('\n').filter((line) => line.startsWith('Sampling: 25 %'))).toHaveLength(2)
    expect(all).toContain('Sampling: done in 25 s, 10 draws.')
  })
})
