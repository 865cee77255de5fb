import { homedir } from 'node:os'
import { join } from 'node:path'
import { SpectroscopeError } from '../preload/errors'
import type { PlannedInstallation } from '../main/engine/devices/installing'
import { planTfjs } from '../main/engine/devices/tfjs/install'
import { addonPath } from '../main/engine/devices/tfjs/installation'
import { installedPackage } from '../main/engine/devices/tfjs/package'

/** Shared by all checkouts of this user, because it is a large download. */
const cache = join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'spectroscope', 'test-engines')

const never = new AbortController().signal

/** Why it cannot be installed here; undefined after installing it. Other errors are thrown. */
const lackAfterInstalling = async (): Promise<string | undefined> => {
  let plan: PlannedInstallation
  try {
    plan = await planTfjs(never)
  } catch (error) {
    if (error instanceof SpectroscopeError) return error.message
    throw error
  }
  if (plan.whole) return undefined
  process.stderr.write(`Installing TensorFlow for the tests of tfjs-gpu. ${plan.words}\n`)
  try {
    await plan.install({ signal: never, onProgress: () => {}, onNote: () => {} })
  } catch (error) {
    if (error instanceof SpectroscopeError && error.kind === 'network') return error.message
    throw error
  }
  return undefined
}

const restore = (name: 'SPECTROSCOPE_ENGINES' | 'SPECTROSCOPE_TFJS_DEVICE', before: NodeJS.ProcessEnv): void => {
  if (before[name] === undefined) Reflect.deleteProperty(process.env, name)
  else process.env[name] = before[name]
}

/**
 * Installs TensorFlow for the CPU if its tests are requested, and tells the tests by environment variables where it
 * is, or why they are skipped. With SPECTROSCOPE_TEST_TFJS, any obstacle is an error.
 */
export default async (): Promise<void> => {
  const asked = process.env['SPECTROSCOPE_TEST_TFJS'] === '1'
  if (!asked && process.env['CI'] !== 'true') return
  const before = { ...process.env }
  Object.assign(process.env, { SPECTROSCOPE_ENGINES: cache, SPECTROSCOPE_TFJS_DEVICE: 'cpu' })
  try {
    const lack = await lackAfterInstalling()
    if (lack === undefined) {
      // For tests that load it in their own process.
      process.env['TF_CPP_MIN_LOG_LEVEL'] = '3'
      process.env['SPECTROSCOPE_TESTED_TFJS'] = addonPath(installedPackage())
      return
    }
    if (asked) throw new Error(`The tests with TensorFlow can't be run: ${lack}`)
    process.env['SPECTROSCOPE_UNTESTED_TFJS'] = lack
    process.stderr.write(`The tests with TensorFlow are skipped: ${lack}\n`)
  } finally {
    restore('SPECTROSCOPE_ENGINES', before)
    restore('SPECTROSCOPE_TFJS_DEVICE', before)
  }
}
