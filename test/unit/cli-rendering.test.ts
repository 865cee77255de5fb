import { describe, expect, it } from 'vitest'
import { bar, createProgress, liveProgress, plainProgress, progressLines } from '../../main/cli/progress'
import { renderTable } from '../../main/cli/table'
import { clip, clipStart, duration, figure, grouped, textWidth, visibleText, visibleToken, wrap } from '../../main/cli/text'
import type { RunProgress } from '../../preload/contract'

const escapes = (text: string): string[] => text.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g) ?? []

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
  const columns = [{ title: 'name', flexible: true }, { title: 'size', align: 'right' as const }]

  it('align their columns', () => {
    expect(renderTable(columns, [['a', '1'], ['日本', '200']])).toBe('name  size\na        1\n日本   200')
  })

  it('cut only flexible columns, and fit the terminal', () => {
    const table = renderTable(columns, [['a long name that does not fit', '123456']], 24)
    for (const line of table.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(24)
    expect(table).toContain('…')
    expect(table).toContain('123456')
  })

  it('cut nothing where the output is no terminal', () => {
    expect(renderTable(columns, [['x'.repeat(500), '1']])).toContain('x'.repeat(500))
  })
})

const progress: RunProgress = { stage: 'sample', done: 30, total: 120, unit: '', component: 'head:2.1', chain: 2, chains: 4, draw: 3, draws: 10, step: 30, steps: 120, tokensPerSecond: 12345.6, secondsLeft: 3700 }

const recorder = (columns?: number): { written: string[]; isTTY: boolean; columns?: number; write: (text: string) => boolean } => {
  const written: string[] = []
  return { written, isTTY: true, ...(columns === undefined ? {} : { columns }), write: (text) => written.push(text) > 0 }
}

describe('progress', () => {
  it('says stage, share, time left, component, chain, draw, step and rate', () => {
    const [first, second] = progressLines(progress, 140)
    expect(first).toContain('Sampling')
    expect(first).toContain('25 %')
    expect(first).toContain('[##########------------------------------]'.slice(0, 8))
    for (const part of ['1 h 01 min left', 'component head:2.1', 'chain 2 of 4', 'draw 3 of 10', 'step 30 of 120', '12,346 tokens/s']) expect(second).toContain(part)
    expect(bar(0.5, 12)).toBe('[#####-----]')
  })

  it('never exceeds a narrow terminal', () => {
    for (const columns of [1, 20, 35, 60, 80]) for (const line of progressLines(progress, columns)) expect(textWidth(line)).toBeLessThan(Math.max(20, columns))
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
