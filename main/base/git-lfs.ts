import type { FileHandle } from 'node:fs/promises'

/** How a Git LFS pointer begins (git-lfs specification, version 1; hawser is what it was called before). */
const beginnings = ['version https://git-lfs.github.com/spec/', 'version https://hawser.github.com/spec/']

/** No pointer is as long, by the specification. */
export const pointerBound = 1024

/** What is to be done where a pointer lies in a file's place. */
export const pointerRemedy = 'a Git LFS pointer, not the file itself; run "git lfs pull" in its repository'

/**
 * Whether a file is a Git LFS pointer: a few lines of text that stand in a clone for a large file that was not fetched.
 *
 * @param head the file's first bytes, at least 64 where it has them
 * @param size bytes of the whole file
 */
export const isLfsPointer = (head: Uint8Array, size: number): boolean => {
  if (size >= pointerBound) return false
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 64)).toString('latin1')
  return beginnings.some((beginning) => text.startsWith(beginning))
}

/** Whether an open file of so many bytes is a Git LFS pointer. Only what could be one is read. */
export const isLfsPointerFile = async (handle: FileHandle, size: number): Promise<boolean> => {
  if (size >= pointerBound) return false
  const head = Buffer.alloc(64)
  const { bytesRead } = await handle.read(head, 0, head.length, 0)
  return isLfsPointer(head.subarray(0, bytesRead), size)
}
