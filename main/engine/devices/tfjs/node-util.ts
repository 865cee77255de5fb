import util from 'node:util'

/** Gives Node's util back what it no longer has, from 23 on, and @tensorflow/tfjs-node-gpu 4.22 calls. */
export const restoreUtil = (): void => {
  const functions = util as unknown as Record<string, unknown>
  functions['isNullOrUndefined'] ??= (value: unknown): boolean => value === null || value === undefined
  functions['isArray'] ??= Array.isArray
}
