/** Limits on what is translated, far above any tokenizer's pattern. */
const most = { length: 4000, depth: 20 } as const

/**
 * Unicode's White_Space, as in the reference implementation; JavaScript's \s differs at U+0085 and U+FEFF. A digit is a
 * decimal one there.
 */
const escapes: Readonly<Record<string, string>> = {
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  r: '\\r',
  n: '\\n',
  t: '\\t'
}

const category =
  /^(?:C[cfnos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?|Letter|Number|Punctuation|Symbol)$/

const literal = (character: string): string => ('^$\\.*+?()[]{}|/-'.includes(character) ? `\\${character}` : character)

/** Letters that a case-insensitive "s" and "k" match besides their capitals. */
const furtherCases: Readonly<Record<string, string>> = { s: '\u017f', k: '\u212a' }

class NotTranslated extends Error {}

/** The characters that a character matches if case is ignored, for a set. */
const anyCase = (character: string): string => {
  if (character > '\x7f') throw new NotTranslated()
  const lower = character.toLowerCase()
  const upper = character.toUpperCase()
  return lower === upper ? literal(character) : lower + upper + (furtherCases[lower] ?? '')
}

/** What an atom, or a sequence of them, became. `repeats` says whether it holds a quantifier without a small limit. */
interface Translated {
  readonly text: string
  readonly repeats: boolean
}

/** A recursive descent through a pattern of Oniguruma's Ruby syntax. */
class Translation {
  #at = 0
  #groups = 0

  constructor(private readonly source: readonly string[]) {}

  whole(): string {
    const { text } = this.#alternatives(false, 0)
    if (this.#at < this.source.length) throw new NotTranslated()
    return text
  }

  #next(): string | undefined {
    return this.source[this.#at]
  }

  #take(text: string): boolean {
    const found = this.source.slice(this.#at, this.#at + text.length).join('') === text
    if (found) this.#at += text.length
    return found
  }

  #alternatives(ignoreCase: boolean, depth: number): Translated {
    if (depth > most.depth) throw new NotTranslated()
    let [text, repeats] = ['', false]
    for (let next = this.#next(); next !== undefined && next !== ')'; next = this.#next()) {
      if (this.#take('|')) text += '|'
      else {
        const one = this.#quantified(ignoreCase, depth)
        text += one.text
        repeats ||= one.repeats
      }
    }
    return { text, repeats }
  }

  #quantified(ignoreCase: boolean, depth: number): Translated {
    const place = this.#at
    const atom = this.#atom(ignoreCase, depth)
    const isAssertion = this.source[place] === '$' || /^\(\?[=!]/.test(this.source.slice(place, place + 3).join(''))
    const quantifier = /^(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})/.exec(
      this.source.slice(this.#at, this.#at + 10).join('')
    )?.[0]
    if (quantifier === undefined) return atom
    // A repeated repetition can take time that is exponential in the length of a text.
    if (isAssertion || (atom.repeats && quantifier !== '?')) throw new NotTranslated()
    this.#at += quantifier.length
    const repeats = quantifier !== '?'
    const isSimple = quantifier.length === 1
    if (this.#take('+')) {
      if (!isSimple) throw new NotTranslated()
      // JavaScript has no possessive quantifiers. What a lookahead captures is not given back either.
      const group = ++this.#groups
      return { text: `(?:(?=(${atom.text}${quantifier}))\\${group})`, repeats }
    }
    const lazy = (isSimple || quantifier.includes(',')) && this.#take('?') ? '?' : ''
    if ('*+?{'.includes(this.#next() ?? ' ')) throw new NotTranslated()
    return { text: atom.text + quantifier + lazy, repeats }
  }

  #atom(ignoreCase: boolean, depth: number): Translated {
    for (const [opening, inner] of [
      ['(?:', ignoreCase],
      ['(?i:', true],
      ['(?=', ignoreCase],
      ['(?!', ignoreCase]
    ] as const) {
      if (!this.#take(opening)) continue
      const groups = this.#groups
      const { text, repeats } = this.#alternatives(inner, depth + 1)
      if (!this.#take(')') || (opening === '(?!' && this.#groups > groups)) throw new NotTranslated()
      return { text: `${opening === '(?i:' ? '(?:' : opening}${text})`, repeats }
    }
    const character = this.source[this.#at++]
    if (character === '[') return { text: this.#set(ignoreCase), repeats: false }
    if (character === '.') return { text: '[^\\n]', repeats: false }
    // In Ruby's syntax the end of a line is one too.
    if (character === '$') return { text: '(?=\\n|$)', repeats: false }
    if (character === '\\') {
      return { text: this.#escaped(ignoreCase), repeats: false }
    }
    if ('*+?()[]{}^'.includes(character)) throw new NotTranslated()
    return { text: ignoreCase ? `[${anyCase(character)}]` : literal(character), repeats: false }
  }

  /** Translates what stands after a backslash. */
  #escaped(ignoreCase: boolean): string {
    const character = this.source[this.#at++]
    if (character === undefined) throw new NotTranslated()
    if (character === 'p' || character === 'P') {
      const end = this.source.indexOf('}', this.#at)
      const name = this.source.slice(this.#at + 1, end).join('')
      if (ignoreCase || this.#next() !== '{' || !category.test(name)) throw new NotTranslated()
      this.#at = end + 1
      return `\\${character}{${name}}`
    }
    const known = escapes[character]
    if (known !== undefined) return known
    if (/[\p{L}\p{N}]/u.test(character)) throw new NotTranslated()
    return literal(character)
  }

  /** Translates a set of characters after its opening bracket. */
  #set(ignoreCase: boolean): string {
    let text = this.#take('^') ? '[^' : '['
    for (let count = 0; !this.#take(']'); count++) {
      const character = this.source[this.#at++]
      // An inner bracket begins a nested set there, and "&&" an intersection.
      if (character === undefined || character === '[' || (character === '&' && this.#next() === '&'))
        throw new NotTranslated()
      const isRange = character === '-' && count > 0 && this.#next() !== ']'
      if (isRange && ignoreCase) throw new NotTranslated()
      const one = ignoreCase ? anyCase : literal
      text += isRange ? '-' : character === '\\' ? this.#escaped(ignoreCase) : one(character)
    }
    if (text === '[' || text === '[^') throw new NotTranslated()
    return `${text}]`
  }
}

/**
 * Translates a pattern of a tokenizer.json, which is in Oniguruma's Ruby syntax, into a global regular expression that
 * matches the same. Returns null for anything whose equivalence is not certain, such as \w, named groups, nested sets,
 * or a repeated repetition.
 */
export const wordPattern = (source: string): RegExp | null => {
  if (source.length > most.length) return null
  try {
    return new RegExp(new Translation(Array.from(source)).whole(), 'gu')
  } catch (error) {
    if (error instanceof NotTranslated || error instanceof SyntaxError) return null
    throw error
  }
}
