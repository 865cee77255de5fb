/**
 * GPT-2's alphabet, by byte. Printable Latin-1 characters stand for themselves, other bytes for characters from
 * U+0100 on.
 */
export const byteCharacters: readonly string[] = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(printable ? byte : next++)
  })
})()

const characterBytes = new Map(byteCharacters.map((character, byte) => [character, byte]))

/** Bytes of a token of the vocabulary. A character outside the alphabet becomes "?". */
export const tokenBytes = (token: string): Buffer =>
  Buffer.from(Array.from(token, (character) => characterBytes.get(character) ?? 63))
