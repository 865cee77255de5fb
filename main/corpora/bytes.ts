import { createReadStream } from 'node:fs'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream'
import * as zlib from 'node:zlib'
import { SpectroscopeError } from '../../preload/errors'
import type { Compression, CorpusFile } from './corpus-file'

/** Longest text or record in bytes. A compressed file can expand to any size. */
export const mostBytes = 256 * 2 ** 20

/** Node 20's types do not include zstd. */
const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: () => Transform }

/** Whether this Node can decompress zstd. */
export const readsZstd = createZstdDecompress !== undefined

const unpacking = (compression: Compression): Transform =>
  compression === 'zstd' ? createZstdDecompress!() : zlib.createGunzip()

/** Yields a file's decompressed bytes. `onBytes` gets the bytes read from the file itself. */
export async function* readBytes(
  { path, compression }: CorpusFile,
  onBytes: (bytes: number) => void
): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: 2 ** 20 })
  // An error of either stream ends the iteration below, which throws it.
  const blocks = compression === null ? file : pipeline(file, unpacking(compression), () => {})
  for await (const block of blocks as AsyncIterable<Buffer>) {
    yield block
    onBytes(file.bytesRead)
  }
}

export const tooLong = (place: string, remedy: string): SpectroscopeError =>
  new SpectroscopeError(
    'input',
    `${place} is longer than ${mostBytes / 2 ** 20} MiB, more than one document may have; ${remedy}.`
  )

/** Yields lines as bytes. Splits at line feeds only, because JSON may contain other line separators literally. */
export async function* readLines(file: CorpusFile, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let [length, line] = [0, 1]
  for await (const block of readBytes(file, onBytes)) {
    let start = 0
    for (let end = block.indexOf(10); end >= 0; end = block.indexOf(10, start)) {
      yield Buffer.concat([...held, block.subarray(start, end)])
      held = []
      ;[length, line] = [0, line + 1]
      start = end + 1
    }
    if (start < block.length) held.push(block.subarray(start))
    length += block.length - start
    if (length > mostBytes) throw tooLong(`${file.path}:${line}: the line`, 'divide it')
  }
  if (held.length > 0) yield Buffer.concat(held)
}
