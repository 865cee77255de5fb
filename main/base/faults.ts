/** A system fault in a word, for a message: its code ("ENOENT"), the code of its cause ("ECONNREFUSED"), or its words. */
export const faultCode = (error: unknown): string => {
  const fault = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return fault instanceof Error ? ((fault as NodeJS.ErrnoException).code ?? fault.message) : String(fault)
}

/** Why a file cannot be read, after its path: "does not exist". */
export const readingFault = (error: unknown): string => {
  const code = faultCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? 'does not exist'
    : code === 'EISDIR'
      ? 'is a folder'
      : `cannot be read (${code})`
}
