export { visibleText, visibleToken } from '../../preload/visible'

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u

const characterWidth = (character: string): number =>
  /^[\p{Mn}\p{Me}]/u.test(character) ? 0 : wide.test(character) ? 2 : 1

/** Width of a text without escape sequences, in terminal columns. */
export const textWidth = (text: string): number => {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

/** Cuts a text to at most `width` columns. A cut text ends with an ellipsis. */
export const clip = (text: string, width: number): string => {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  let kept = ''
  let room = width - 1
  for (const character of text) {
    room -= characterWidth(character)
    if (room < 0) break
    kept += character
  }
  return `${kept}…`
}

/** Cuts a text to at most `width` columns, keeping its end. */
export const clipStart = (text: string, width: number): string => {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  const characters = Array.from(text)
  let first = characters.length
  let room = width - 1
  while (first > 0 && (room -= characterWidth(characters[first - 1])) >= 0) first--
  return `…${characters.slice(first).join('')}`
}

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - textWidth(text)))
export const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - textWidth(text))) + text

/** Breaks a sentence at spaces into lines of at most `width` columns. */
export const wrap = (text: string, width: number, indent = ''): string[] => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) > width) {
      lines.push(line)
      line = indent + word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** 1234567 → "1,234,567". */
export const grouped = (count: number): string =>
  Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')

/**
 * Formats a number for a table with `digits` significant digits, avoiding exponents. A dash if it is missing or not
 * finite.
 */
export const figure = (value: number | null | undefined, digits = 3): string => {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(Math.max(0, digits - 1))
  const whole = Math.floor(Math.log10(size === 0 ? 1 : size)) + 1
  return value.toFixed(Math.max(0, digits - whole))
}

export const fixed = (value: number | null | undefined, decimals: number): string =>
  value === null || value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(decimals)

export const percent = (share: number, decimals = 0): string => `${(100 * share).toFixed(decimals)} %`

/** Formats seconds: "8 s", "3 min 05 s", "2 h 07 min", "1 d 4 h". */
export const duration = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds))
  const two = (value: number): string => String(value).padStart(2, '0')
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`
}
