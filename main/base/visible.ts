import { short } from './short'

const namedControls: Readonly<Record<number, string>> = { 9: '⇥', 10: '⏎', 13: '␍', 127: '␡' }

/** Characters that a terminal or a page obeys, hides or reorders by: controls, format characters, separators, surrogates, unassigned. */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u

const visibleCharacter = (character: string, space: string): string => {
  const code = character.codePointAt(0)!
  if (character === ' ') return space
  if (code in namedControls) return namedControls[code]
  if (code < 32) return String.fromCodePoint(0x2400 + code)
  if (unsafe.test(character)) return `\\u{${code.toString(16)}}`
  if (/\p{Zs}/u.test(character)) return '␣'
  return character
}

const visible = (text: string, space: string): string => {
  const shown = Array.from(text, (character) => visibleCharacter(character, space)).join('')
  return /^\p{M}/u.test(shown) ? `◌${shown}` : shown
}

/** A token's text as one word: spaces, line ends and tabs as · ⏎ ⇥, everything that a terminal or a page would obey as a visible sign. */
export const visibleToken = (text: string): string => (text === '' ? '∅' : visible(text, '·'))

/** Running text on one line: as visibleToken, but spaces stay. */
export const visibleText = (text: string): string => visible(text, ' ')

/** What a message quotes of something given: on one line, and at most 80 characters of it. */
export const excerpt = (text: string): string => visibleText(short(text))
