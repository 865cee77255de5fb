import util from 'node:util'

/** Restores functions of Node's util that were removed in Node 23, but which @tensorflow/tfjs-node-gpu 4.22 calls. */
export const restoreUtil = (): void => {
  const functions = util as unknown as Record<string, unknown>
  functions['isNullOrUndefined'] ??= (value: unknown): boolean => value === null || value === undefined
  functions['isArray'] ??= Array.isArray
}
