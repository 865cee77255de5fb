import type { RawData } from 'ws'
import { messageOf } from '../../preload/errors'
import { decodeStrictly, idOf } from '../../preload/wire'

/** A message from a browser: a call, a call with only a readable id, a close request, or an unknown message. */
export type Frame =
  | { readonly kind: 'call'; readonly id: number; readonly call: unknown; readonly parameters: unknown }
  | { readonly kind: 'broken'; readonly id: number; readonly reason: string }
  | { readonly kind: 'closing'; readonly closing: string }
  | { readonly kind: 'foreign' }

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)

export const bytesOf = (data: RawData): Uint8Array =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data

const parsed = (value: unknown): Frame => {
  if (!isObject(value)) return { kind: 'foreign' }
  if (typeof value['closing'] === 'string') return { kind: 'closing', closing: value['closing'] }
  const { id, call, parameters } = value
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return { kind: 'foreign' }
  return { kind: 'call', id, call, parameters }
}

/** Parses a message, in time and memory proportional to its length. Never throws. */
export const readFrame = (bytes: Uint8Array, mostValues: number): Frame => {
  try {
    return parsed(decodeStrictly(bytes, mostValues))
  } catch (error) {
    const id = idOf(bytes)
    return id === undefined ? { kind: 'foreign' } : { kind: 'broken', id, reason: messageOf(error) }
  }
}
