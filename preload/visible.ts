/** Scripts that use joiners between letters. */
const joiningScripts = [
  'Arab',
  'Syrc',
  'Nkoo',
  'Mong',
  'Deva',
  'Beng',
  'Guru',
  'Gujr',
  'Orya',
  'Taml',
  'Telu',
  'Knda',
  'Mlym',
  'Sinh',
  'Khmr',
  'Mymr'
]
  .map((script) => `\\p{Script_Extensions=${script}}`)
  .join('')

const shaping = new RegExp(
  [
    `(?<=\\p{Extended_Pictographic}[\\p{Emoji_Modifier}\\ufe0f]?)\\u200d(?=\\p{Extended_Pictographic})`,
    `(?<=(?=[\\p{L}\\p{M}])[${joiningScripts}])[\\u200c\\u200d](?=(?=\\p{L})[${joiningScripts}])`,
    `(?<=\\p{Emoji})[\\ufe0e\\ufe0f]`,
    `(?<=\\p{Script=Han})[\\ufe00-\\ufe02\\u{e0100}-\\u{e01ef}]`,
    `(?<=\\p{Script=Mongolian})[\\u180b-\\u180d\\u180f]`
  ].join('|'),
  'uy'
)

/**
 * Characters to mark: controls, format characters, surrogates, private and unassigned ones, separators, and blank
 * ones.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u
const everyUnsafe = new RegExp(unsafe, 'gu')
const otherSpaces = /(?! )\p{Zs}/gu

const namedControls: Readonly<Record<number, string>> = { 9: '⇥', 10: '⏎', 13: '␍', 127: '␡' }

const mark = (character: string): string => {
  const code = character.codePointAt(0)!
  return namedControls[code] ?? (code < 32 ? String.fromCodePoint(0x2400 + code) : `\\u{${code.toString(16)}}`)
}

const shapes = (text: string, at: number): boolean => {
  shaping.lastIndex = at
  return shaping.test(text)
}

/** Positions of characters that a reader would not see as they are. */
export const hiddenIn = (text: string): number[] =>
  unsafe.test(text) ? [...text.matchAll(everyUnsafe)].map(({ index }) => index).filter((at) => !shapes(text, at)) : []

const withMarks = (text: string): string => {
  const marked = unsafe.test(text)
    ? text.replace(everyUnsafe, (character, at: number) => (shapes(text, at) ? character : mark(character)))
    : text
  return /^\p{M}/u.test(marked) ? `◌${marked}` : marked
}

/**
 * Text on one line, with a mark for every character that a terminal or page would obey, hide or reorder by: ⏎ ⇥ for
 * controls, ␣ for other spaces, `\u{202e}` for the rest. All text from files, databases and messages goes through
 * this function or the two below before it is shown. Applying it again changes nothing.
 *
 * Combining marks stay, and so do invisible characters that affect their neighbours: a joiner within an emoji or
 * between letters of a script that needs it (Arabic, the scripts of India), and a variation selector after a
 * character with variants. Elsewhere these characters get a mark.
 */
export const visibleText = (text: string): string => withMarks(text).replace(otherSpaces, '␣')

/** Like `visibleText`, but keeps spaces of any kind and line breaks. */
export const visibleLines = (text: string): string =>
  text.includes('\n') ? text.split(/\r?\n/).map(withMarks).join('\n') : withMarks(text)

/** A token's text as one word: like `visibleText`, with spaces as · and ∅ for an empty text. */
export const visibleToken = (text: string): string => (text === '' ? '∅' : visibleText(text).replaceAll(' ', '·'))

/** Equivalent JSON with escapes for the characters that `visibleText` marks. */
export const visibleJson = (json: string): string =>
  json.replace(everyUnsafe, (character) =>
    character === '\n'
      ? character
      : Array.from(
          { length: character.length },
          (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`
        ).join('')
  )
