import { isUtf8 } from 'node:buffer'

/** Length of the longest valid UTF-8 prefix, in bytes. */
const validBytes = (bytes: Uint8Array): number => {
  let [valid, invalid] = [0, bytes.length + 1]
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >>> 1
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true })
      valid = middle
    } catch {
      invalid = middle
    }
  }
  // The prefix may end within an incomplete character.
  while (!isUtf8(bytes.subarray(0, valid))) valid--
  return valid
}

/**
 * Decodes UTF-8 and drops a leading byte order mark. Throws an `Error` whose message completes "the file is": "not
 * valid UTF-8 (at byte 17)", counted from 0.
 */
export const decodeText = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new Error(`not valid UTF-8 (at byte ${validBytes(bytes)})`, { cause: error })
  }
}

/**
 * Parses JSON from UTF-8 bytes or a decoded text, with or without a leading byte order mark. Throws an `Error` whose
 * message completes "the file is": "not valid UTF-8 (at byte 17)" or "not valid JSON (…)", at most 200 characters.
 */
export const parseJson = (json: Uint8Array | string): unknown => {
  const text = typeof json === 'string' ? json.replace(/^\ufeff/, '') : decodeText(json)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`not valid JSON (${(error as Error).message.slice(0, 160)})`, { cause: error })
  }
}
