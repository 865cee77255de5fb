import { hiddenIn, visibleText } from '../../preload/contract'

/** Part of a token's text: plain, or a sign that stands for an invisible character. */
export interface Stretch {
  readonly text: string
  /** Name of the character that the sign stands for; undefined for plain text. */
  readonly sign?: string
  /** Whether a line ends after it. */
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

/** Characters that change the text direction: shown as signs, never applied. */
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

/** Splits a text into plain parts and signs for control characters, with `spaces` for spaces too. */
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

/** A token's text with signs for all invisible characters; "∅" if empty. */
export const visibleString = (text: string): string =>
  text === ''
    ? '∅'
    : visible(text, { spaces: true })
        .map((stretch) => stretch.text)
        .join('')
