/** The line of a program's output that says what went wrong. */
export const problemIn = (output: string): string => {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const line =
    lines.findLast((each) => /error|ERR!|EACCES|ENOSPC/i.test(each) && !/^at /.test(each)) ??
    lines.at(-1) ??
    'it said nothing'
  return line
    .replace(/^npm ERR! |^node-pre-gyp ERR! |^ERROR: /, '')
    .replace(/[.;]+$/, '')
    .slice(0, 300)
}

/** Kills a process and its children, if it was started in a process group of its own. */
export const endAll = (pid: number | undefined): void => {
  if (pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
  } catch {
    // It has already ended.
  }
}
