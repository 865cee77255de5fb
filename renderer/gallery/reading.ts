import { visible } from '../ui/visible-text'

export type Face = 'auto' | 'code' | 'prose'

const codeNames =
  /\b(git\s?hub|git\s?lab|git|code|codes|source|stack\s?(exchange|overflow|v\d)?|python|javascript|typescript|java|rust|golang|cpp|scripts?|notebooks?|jupyter|kernel|shell|html|css|sql|json|xml|ya?ml)\b/i

/** Whether a subset contains code, judged by its name. */
export const isCodeSubset = (subset: string): boolean =>
  codeNames.test(subset.replace(/[-_./]+/g, ' ').replace(/([a-z])([A-Z])/g, '$1 $2'))

export const inCodeFace = (face: Face, subset: string): boolean =>
  face === 'code' || (face === 'auto' && isCodeSubset(subset))

/** Part of a displayed text: plain text, a sign for an invisible character, or a note on omitted text. */
export interface Piece {
  readonly text: string
  readonly kind: 'text' | 'sign' | 'note'
  /** Name of the character that a sign stands for. */
  readonly words?: string
  /** Whether a line ends after it, or may end. */
  readonly breaks?: true
  readonly wraps?: true
}

const longestRun = { 'line break': 3, space: 16, other: 8 }

interface Reading {
  readonly spaces: boolean
  /** Whether lines break where the corpus does. */
  readonly lines: boolean
  /** Most characters shown of a text; a note counts the rest. */
  readonly most?: number
  /** End at which a long text is shortened. */
  readonly leaveOut?: 'start' | 'middle' | 'end'
}

const cut = (text: string, most: number, leaveOut: 'start' | 'middle' | 'end'): (string | number)[] => {
  if (text.length <= most) return [text]
  const characters = Array.from(text)
  const left = characters.length - most
  if (left <= 0) return [text]
  if (leaveOut === 'start') return [left, characters.slice(left).join('')]
  if (leaveOut === 'end') return [characters.slice(0, most).join(''), left]
  const head = Math.ceil(0.7 * most)
  return [characters.slice(0, head).join(''), left, characters.slice(characters.length - (most - head)).join('')]
}

/** Splits a token's text for display. A long run of one sign becomes one sign with its count. */
export const pieces = (text: string, { spaces, lines, most = Infinity, leaveOut = 'middle' }: Reading): Piece[] =>
  cut(text, most, leaveOut).flatMap((part): Piece[] =>
    typeof part === 'number'
      ? [
          {
            kind: 'note',
            text: ` … ${part.toLocaleString('en')} more … `,
            words: `${part.toLocaleString('en')} more characters`
          }
        ]
      : shown(part, spaces, lines)
  )

/** Joins context tokens for display: at most `mostEach` characters of each token, `most` in total. */
export const contextPieces = (
  tokens: readonly string[],
  mostEach: number,
  { most = Infinity, leaveOut = 'middle', ...reading }: Reading
): Piece[] => {
  const result: Piece[] = []
  let plain = ''
  const flush = (): void => {
    if (plain !== '') result.push(...pieces(plain, { ...reading, most, leaveOut }))
    plain = ''
  }
  for (const token of tokens) {
    if (token.length <= mostEach) plain += token
    else {
      flush()
      result.push(...pieces(token, { ...reading, most: mostEach }))
    }
  }
  flush()
  return result
}

const shown = (text: string, spaces: boolean, lines: boolean): Piece[] => {
  const result: Piece[] = []
  const stretches = visible(text, { spaces })
  for (let at = 0; at < stretches.length;) {
    const { text: sign, sign: words, breaks } = stretches[at]
    if (words === undefined) {
      result.push({ kind: 'text', text: sign })
      at++
      continue
    }
    let end = at
    while (end < stretches.length && stretches[end].sign === words && stretches[end].text === sign) end++
    const count = end - at
    const most =
      words === 'line break' ? longestRun['line break'] : words === 'space' ? longestRun.space : longestRun.other
    const ends = breaks === true && lines ? { breaks: true as const } : { wraps: true as const }
    if (count > most)
      result.push({ kind: 'sign', text: `${sign}×${count}`, words: `${count} times: ${words}`, ...ends })
    else if ('breaks' in ends)
      for (let each = 0; each < count; each++) result.push({ kind: 'sign', text: sign, words, ...ends })
    else
      result.push({
        kind: 'sign',
        text: sign.repeat(count),
        words: count === 1 ? words : `${count} times: ${words}`,
        ...ends
      })
    at = end
  }
  return result
}

/** A context as text to copy: as in the corpus, with marks around the token. */
export const plainContext = ({
  before,
  text,
  after
}: {
  readonly before: readonly string[]
  readonly text: string
  readonly after: readonly string[]
}): string => `${before.join('')}⟦${text}⟧${after.join('')}`
