import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const nobody = 65_534

/** First user id given to people by the system. */
const firstOfPeople = process.platform === 'darwin' ? 500 : 1000

/** Number of people other than `own` who own processes. `ids` has one user id per line. */
export const othersAmong = (ids: string, own: number): number =>
  new Set(
    ids
      .split(/\s+/)
      .filter((id) => id !== '')
      .map(Number)
      .filter((id) => id >= firstOfPeople && id < nobody && id !== own)
  ).size

/**
 * Number of other people with processes on this machine. Returns 0 if unknown: without `ps`, or on systems that hide
 * other users' processes.
 */
export const otherUsers = async (): Promise<number> => {
  const own = process.getuid?.()
  if (own === undefined) return 0
  try {
    return othersAmong((await promisify(execFile)('ps', ['-axo', 'uid='])).stdout, own)
  } catch {
    return 0
  }
}
