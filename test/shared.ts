import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'vitest'

/**
 * The development data beside a maintainer's checkout; a user's clone has none, and the tests that use it are skipped.
 */
export const sharedPath = (...parts: string[]): string =>
  fileURLToPath(new URL(`../../shared/${parts.join('/')}`, import.meta.url))

export const hasShared = existsSync(sharedPath('fixtures'))

export const describeWithShared = (name: string, body: () => void): void => {
  if (hasShared) describe(name, body)
  else describe(name, () => it.skip('is skipped: the development data is not beside this checkout'))
}
