import { basename } from 'node:path/posix'
import type { StudyRecord } from '../../preload/records'

/** A study whose tokens have texts. */
export interface SpelledStudy {
  readonly study: Pick<StudyRecord, 'probe' | 'targets' | 'provenance' | 'documents'>
  /** Text of a token id, with "\xE2" for bytes that are no whole character; undefined if unknown. */
  readonly textOf: (id: number) => string | undefined
}

/** Part of a row that comes from one document, as bytes of its text. */
interface Piece {
  readonly bytes: Buffer
  /** Index in the document of its first token. */
  readonly offset: number
  /** Where each token's bytes end. A token begins where the one before ends. */
  readonly ends: Int32Array
  /** Number of each token in the study; -1 for tokens that are not studied. */
  readonly tokens: Int32Array
}

/** Least bytes that two pieces must share for their places in the document to be told. */
const leastShared = 24
/** How far a piece may be from where its first token's index puts it: a share of that distance, and bytes. */
const [slackShare, slackBytes] = [0.3, 256]

const escaped = /\\x([0-9A-F]{2})/

/** Bytes of a token's text. */
const bytesOf = (text: string): Buffer =>
  Buffer.concat(
    text.split(escaped).map((part, at) => (at % 2 === 1 ? Buffer.from(part, 'hex') : Buffer.from(part, 'utf8')))
  )

/** Pieces of every document, by the file's name and the record in it. */
const piecesOf = ({ study, textOf }: SpelledStudy): Map<string, Piece[]> => {
  const names = new Map(study.documents.map(({ id, file, record }) => [id, `${record} ${basename(file)}`]))
  const known = new Map<number, Buffer>()
  const spelled = (id: number): Buffer => {
    const bytes = known.get(id) ?? bytesOf(textOf(id) ?? '')
    known.set(id, bytes)
    return bytes
  }
  const pieces = new Map<string, Piece[]>()
  let first = 0
  study.probe.forEach((ids, row) => {
    const numbers = new Int32Array(ids.length).fill(-1)
    study.targets[row].forEach((position, at) => (numbers[position] = first + at))
    first += study.targets[row].length
    const { segments } = study.provenance[row]
    segments.forEach(({ start, document, offset }, at) => {
      const name = names.get(document)
      if (name === undefined) return
      const end = segments[at + 1]?.start ?? ids.length
      const parts = Array.from(ids.subarray(start, end), spelled)
      let length = 0
      const ends = Int32Array.from(parts, (part) => (length += part.length))
      const piece = { bytes: Buffer.concat(parts), offset, ends, tokens: numbers.slice(start, end) }
      const known = pieces.get(name)
      if (known === undefined) pieces.set(name, [piece])
      else known.push(piece)
    })
  })
  return pieces
}

/** Whether two pieces are the same where they overlap, if the right begins `shift` bytes after the left. */
const agree = (left: Buffer, right: Buffer, shift: number): boolean => {
  const [from, to] = [Math.max(0, shift), Math.min(left.length, shift + right.length)]
  const least = Math.min(leastShared, left.length, right.length)
  return to - from >= least && left.subarray(from, to).equals(right.subarray(from - shift, to - shift))
}

/** Places at which the beginning of `part` is found in `whole`. */
const placesIn = (whole: Buffer, part: Buffer): number[] => {
  const beginning = part.subarray(0, leastShared)
  const places: number[] = []
  if (beginning.length === 0) return places
  for (let at = whole.indexOf(beginning); at >= 0; at = whole.indexOf(beginning, at + 1)) places.push(at)
  return places
}

/**
 * Bytes by which the right piece begins after the left in their document; undefined if they do not overlap. Of several
 * possible places, as in text that repeats itself, the one nearest to where the tokens' indices put it.
 */
const shiftOf = (left: Piece, right: Piece, [leftRate, rightRate]: readonly [number, number]): number | undefined => {
  const [leftAt, rightAt] = [left.offset * leftRate, right.offset * rightRate]
  const expected = rightAt - leftAt
  const slack = left.offset === 0 && right.offset === 0 ? 0 : slackBytes + slackShare * Math.max(leftAt, rightAt)
  if (expected > left.bytes.length + slack || -expected > right.bytes.length + slack) return undefined
  if (slack === 0) return agree(left.bytes, right.bytes, 0) ? 0 : undefined
  const inLeft = placesIn(left.bytes, right.bytes)
  const inRight = placesIn(right.bytes, left.bytes).map((place) => -place)
  return [...inLeft, ...inRight]
    .filter((shift) => Math.abs(shift - expected) <= slack && agree(left.bytes, right.bytes, shift))
    .sort((a, b) => Math.abs(a - expected) - Math.abs(b - expected))
    .at(0)
}

interface Overlap {
  readonly left: number
  readonly right: number
  readonly bytes: number
}

/** Pairs of studied tokens that share bytes, in order. */
const overlapsOf = (left: Piece, right: Piece, shift: number): Overlap[] => {
  const overlaps: Overlap[] = []
  for (let i = 0, j = 0; i < left.ends.length && j < right.ends.length;) {
    const [leftStart, rightStart] = [i === 0 ? 0 : left.ends[i - 1], shift + (j === 0 ? 0 : right.ends[j - 1])]
    const [leftEnd, rightEnd] = [left.ends[i], shift + right.ends[j]]
    const bytes = Math.min(leftEnd, rightEnd) - Math.max(leftStart, rightStart)
    if (bytes > 0 && left.tokens[i] >= 0 && right.tokens[j] >= 0)
      overlaps.push({ left: left.tokens[i], right: right.tokens[j], bytes })
    if (leftEnd <= rightEnd) i++
    if (rightEnd <= leftEnd) j++
  }
  return overlaps
}

/** Bytes of a token for each token of its document, over all pieces. */
const rateOf = (pieces: Iterable<readonly Piece[]>): number => {
  let [bytes, tokens] = [0, 0]
  for (const piece of [...pieces].flat()) {
    bytes += piece.bytes.length
    tokens += piece.ends.length
  }
  return tokens === 0 ? 0 : bytes / tokens
}

/**
 * Matches tokens of two studies of the same documents whatever their tokenizers and rows are. For every token of the
 * left study: the token of the right study that shares most of its bytes in the document, if that token shares most
 * with it as well; else -1. Tokens of the same bytes always match. Documents are known by the name of their file and
 * their record.
 */
export const matchSpans = (left: SpelledStudy, right: SpelledStudy): Int32Array => {
  const [leftPieces, rightPieces] = [piecesOf(left), piecesOf(right)]
  const rates = [rateOf(leftPieces.values()), rateOf(rightPieces.values())] as const
  const tokens = left.study.targets.reduce((sum, { length }) => sum + length, 0)
  const best = { left: new Map<number, Overlap>(), right: new Map<number, Overlap>() }
  for (const [name, mine] of leftPieces) {
    for (const piece of mine) {
      for (const other of rightPieces.get(name) ?? []) {
        const shift = shiftOf(piece, other, rates)
        if (shift === undefined) continue
        for (const overlap of overlapsOf(piece, other, shift)) {
          for (const side of ['left', 'right'] as const) {
            const known = best[side].get(overlap[side])
            if (known === undefined || known.bytes < overlap.bytes) best[side].set(overlap[side], overlap)
          }
        }
      }
    }
  }
  const matched = new Int32Array(tokens).fill(-1)
  for (const [token, overlap] of best.left)
    if (best.right.get(overlap.right) === overlap) matched[token] = overlap.right
  return matched
}
