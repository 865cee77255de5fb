import { hiddenIn, visibleText } from '../../preload/contract'

/** A stretch of a token's text: as it is, or a sign in place of a character that cannot be seen. */
export interface Stretch {
  readonly text: string
  /** What the sign stands for, in words; undefined for text as it is. */
  readonly sign?: string
  /** A line ends after it. */
  readonly breaks?: true
}

const controls: Readonly<Record<string, readonly [sign: string, words: string]>> = {
  '\t': ['⇥', 'tab'],
  '\n': ['⏎', 'line break'],
  '\r': ['␍', 'carriage return'],
  '\u00a0': ['⍽', 'no-break space'],
  '\u200b': ['⟂', 'zero-width space'],
  '\u200c': ['⟂', 'zero-width non-joiner'],
  '\u200d': ['⟂', 'zero-width joiner'],
  '\u2028': ['⏎', 'line separator'],
  '\u2029': ['¶', 'paragraph separator'],
  '\ufeff': ['⟂', 'byte order mark'],
  '\u00ad': ['‧', 'soft hyphen'],
  '\ufffd': ['�', 'part of a character']
}

/** Characters that turn the direction of what follows: shown, never obeyed. */
const directions = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/

const signOf = (character: string, spaces: boolean, hidden: boolean): Stretch | undefined => {
  const known = controls[character]
  if (known !== undefined)
    return { text: known[0], sign: known[1], ...(character === '\n' ? { breaks: true as const } : {}) }
  if (character === ' ') return spaces ? { text: '·', sign: 'space' } : undefined
  const code = character.codePointAt(0)!
  if (code < 0x20 || code === 0x7f) {
    return { text: String.fromCodePoint(code === 0x7f ? 0x2421 : 0x2400 + code), sign: `control character ${code}` }
  }
  if (code < 0xa0 && code > 0x7f) return { text: '␦', sign: `control character ${code}` }
  if (directions.test(character)) return { text: '⇄', sign: 'direction mark' }
  if (!hidden) return undefined
  return { text: visibleText(character), sign: `invisible character U+${code.toString(16).toUpperCase()}` }
}

/** A text in stretches, with signs for control characters, and for spaces where `spaces` asks for it. */
export const visible = (text: string, { spaces = false }: { readonly spaces?: boolean } = {}): Stretch[] => {
  const stretches: Stretch[] = []
  const hidden = new Set(hiddenIn(text))
  let [plain, at] = ['', 0]
  for (const character of text) {
    const sign = signOf(character, spaces, hidden.has(at))
    at += character.length
    if (sign === undefined) {
      plain += character
      continue
    }
    if (plain !== '') stretches.push({ text: plain })
    plain = ''
    stretches.push(sign)
  }
  if (plain !== '') stretches.push({ text: plain })
  return stretches
}

/** A token's text as one string with signs for everything that cannot be seen; "∅" for an empty one. */
export const visibleString = (text: string): string =>
  text === ''
    ? '∅'
    : visible(text, { spaces: true })
        .map((stretch) => stretch.text)
        .join('')
