import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const nobody = 65_534

/** First user id of a person, as systems give them out. */
const firstOfPeople = process.platform === 'darwin' ? 500 : 1000

/** How many of the owners of processes, a user id a line, are people other than `own`. */
export const othersAmong = (ids: string, own: number): number =>
  new Set(
    ids
      .split(/\s+/)
      .filter((id) => id !== '')
      .map(Number)
      .filter((id) => id >= firstOfPeople && id < nobody && id !== own)
  ).size

/**
 * How many other people have processes on this machine. 0 where that cannot be seen: there is no `ps`, or the system
 * hides the processes of others.
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
