import type { FileHandle } from 'node:fs/promises'

/** How a Git LFS pointer begins (git-lfs specification, version 1; "hawser" was its earlier name). */
const beginnings = ['version https://git-lfs.github.com/spec/', 'version https://hawser.github.com/spec/']

/** Pointers are shorter than this, by the specification. */
export const pointerBound = 1024

/** Remedy for a pointer in a file's place. */
export const pointerRemedy = 'a Git LFS pointer, not the file itself; run "git lfs pull" in its repository'

/**
 * Whether a file is a Git LFS pointer: a few lines of text that stand for a large file which a clone has not fetched.
 * @param head first bytes of the file, at least 64 if it has as many
 * @param size bytes of the whole file
 */
export const isLfsPointer = (head: Uint8Array, size: number): boolean => {
  if (size >= pointerBound) return false
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 64)).toString('latin1')
  return beginnings.some((beginning) => text.startsWith(beginning))
}

/** Whether an open file of this size is a Git LFS pointer. Reads it only if the size allows that. */
export const isLfsPointerFile = async (handle: FileHandle, size: number): Promise<boolean> => {
  if (size >= pointerBound) return false
  const head = Buffer.alloc(64)
  const { bytesRead } = await handle.read(head, 0, head.length, 0)
  return isLfsPointer(head.subarray(0, bytesRead), size)
}
