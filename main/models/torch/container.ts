import { SpectroscopeError } from '../../../preload/errors'
import type { Storage } from './objects'

/** Bytes of a storage's numbers in the file. */
export interface Place {
  readonly start: number
  readonly bytes: number
}

/** A file that torch.save wrote, open. */
export interface Container {
  /** What its pickle holds, as `unpickle` gives it. */
  readonly value: unknown
  readonly placeOf: (storage: Storage) => Promise<Place>
}

/** Limit of a pickle: names and shapes of some 300,000 tensors. */
export const mostPickleBytes = 64 * 2 ** 20

/** An `input` error about a whole file of a kind that is not read. `what` says what it is and what to do. */
export const refused = (path: string, what: string): SpectroscopeError =>
  new SpectroscopeError('input', `${path}: ${what}.`)

export const bigEndian =
  'its numbers are big-endian; load it with torch on a machine like the one that wrote it, and save it as safetensors'
