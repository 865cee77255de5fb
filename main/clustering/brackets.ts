/**
 * Closing mark of each opening mark. Straight quotes close themselves. Triple quotes and LaTeX's ``…'' are marks of
 * their own.
 */
const closers: ReadonlyMap<string, string> = new Map([
  [')', '('],
  [']', '['],
  ['}', '{'],
  ['”', '“'],
  ['»', '«'],
  ['’', '‘'],
  ['>', '<']
])
const openers = new Set(['(', '[', '{', '“', '«', '‘'])
const straight = new Set(['"', "'", '`'])
/**
 * Characters after which a straight quote may open, whatever follows it; then those after which it may open only if
 * no white space follows.
 */
const beforeOpening = /^[\s([{<=+>“‘«]$/u
const beforeOpeningText = /^[,:;\-—–/|&*%@$#~^]$/u
const inWord = /^[\p{L}\p{M}\p{N}]$/u
const tagStart = /^[\p{L}/!?]$/u

interface OpenMark {
  readonly mark: string
  /** Index of the text in the row. */
  readonly text: number
  readonly line: number
}

/**
 * An open straight quote, not tripled. It ends at a blank line at the latest, and brackets after it on the same line
 * do not match beyond it.
 */
const isString = ({ mark }: OpenMark): boolean => straight.has(mark)

/**
 * Tells which texts of a row close a bracket or quote that an earlier text opened. Uses a stack of characters, since
 * one text may hold several marks.
 *
 * Marks opened inside a closed pair are dropped with it. Ignored are closing marks without an open one, apostrophes,
 * arrows, comparisons, and marks after a backslash inside quotes. `isEnd` tells the texts after which nothing stays
 * open.
 */
export const closingTexts = (texts: readonly string[], isEnd: (index: number) => boolean): boolean[] => {
  const closing = texts.map(() => false)
  const whole = texts.map((text, index) => (isEnd(index) ? ' '.repeat(text.length) : text)).join('')
  const owners = new Int32Array(whole.length)
  let start = 0
  texts.forEach((text, index) => {
    owners.fill(index, start, start + text.length)
    start += text.length
  })
  let open: OpenMark[] = []
  let line = 0
  let blank = true

  const push = (mark: string, at: number): void => void open.push({ mark, text: owners[at], line })
  /** Closes the innermost open mark of this kind, unless `stop` forbids skipping a mark on the way out. */
  const close = (mark: string, at: number, length: number, stop: (passed: OpenMark) => boolean): boolean => {
    for (let depth = open.length - 1; depth >= 0; depth--) {
      const found = open[depth]
      if (found.mark === mark) {
        for (let i = at; i < at + length; i++) if (owners[i] > found.text) closing[owners[i]] = true
        open = open.slice(0, depth)
        return true
      }
      if (stop(found)) return false
    }
    return false
  }
  const isOpen = (mark: string): boolean => open.some((each) => each.mark === mark)
  const mayOpen = (at: number, length: number): boolean => {
    const [before, after] = [whole.charAt(at - 1), whole.charAt(at + length)]
    if (before === '') return inWord.test(after)
    if (after === '') return /^[\s([{=]$/u.test(before)
    return beforeOpening.test(before) || (beforeOpeningText.test(before) && !/^\s$/u.test(after)) || isPrefix(at)
  }
  /** Whether a string prefix of Python stands here, as in f"…", r"…", b"…" and u"…". */
  const isPrefix = (at: number): boolean =>
    /^[frbuFRBU]$/.test(whole.charAt(at - 1)) && at >= 2 && /^[\s([{=,:+]$/u.test(whole.charAt(at - 2))
  const never = (): boolean => false

  const quote = (mark: string, at: number): number => {
    let length = 1
    while (whole.charAt(at + length) === mark) length++
    const betweenLetters = inWord.test(whole.charAt(at - 1)) && inWord.test(whole.charAt(at + length))
    if (mark === "'" && length === 1 && betweenLetters) return length
    const several = mark.repeat(Math.min(length, 3))
    if (length === 2 && mark === "'" && close('``', at, 2, never)) return length
    if (length === 2 && mark === '`') {
      if (!close('``', at, 2, never)) push('``', at + 1)
      return length
    }
    if (length >= 3) {
      if (!close(several, at, length, never)) push(several, at + length - 1)
      return length
    }
    for (let i = at; i < at + length; i++) {
      if (close(mark, i, 1, ({ mark: passed }) => passed.length === 3)) continue
      if (i === at ? mayOpen(at, length) : isOpen(mark)) push(mark, i)
    }
    return length
  }

  const bracket = (character: string, at: number): void => {
    if (openers.has(character)) return push(character, at)
    const mark = closers.get(character)
    if (mark === undefined) return
    if (character === '’' && inWord.test(whole.charAt(at - 1)) && inWord.test(whole.charAt(at + 1))) return
    if (
      character === '>' &&
      (whole.charAt(at - 1) === '=' || (whole.charAt(at - 1) === '-' && whole.charAt(at - 2) !== '-'))
    )
      return
    const inTag = character === '>'
    close(mark, at, 1, (passed) => (isString(passed) && passed.line === line) || (inTag && passed.mark !== '<'))
  }

  for (let at = 0; at < whole.length;) {
    const character = whole[at]
    if (isEnd(owners[at])) {
      open = []
      at += texts[owners[at]].length
      continue
    }
    if (character === '\n') {
      line++
      open = open.filter((each) => !(each.mark === "'" || (blank && isString(each))))
      blank = true
      at++
      continue
    }
    if (!/\s/.test(character)) blank = false
    if (character === '\\' && open.some(isString)) at += whole.charAt(at + 1) === '\n' ? 1 : 2
    else if (straight.has(character)) at += quote(character, at)
    else {
      if (character === '<') {
        if (tagStart.test(whole.charAt(at + 1))) push('<', at)
      } else bracket(character, at)
      at++
    }
  }
  return closing
}
