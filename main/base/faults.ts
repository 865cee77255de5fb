/**
 * Short form of a system error for a message: its code ("ENOENT"), its cause's code ("ECONNREFUSED"), or its message.
 */
export const faultCode = (error: unknown): string => {
  const fault = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return fault instanceof Error ? ((fault as NodeJS.ErrnoException).code ?? fault.message) : String(fault)
}

/** Reason why a file cannot be read, to follow its path: "does not exist". */
export const readingFault = (error: unknown): string => {
  const code = faultCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? 'does not exist'
    : code === 'EISDIR'
      ? 'is a folder'
      : `cannot be read (${code})`
}
