/** Characters that a message quotes of what it was given. */
const mostQuoted = 80

/** A text as a message quotes it: its first 80 characters at most. */
export const short = (text: string): string => {
  if (text.length <= mostQuoted) return text
  const cut = text.slice(0, mostQuoted - 1)
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`
}
