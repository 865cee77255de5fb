import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { entryPath } from '../../main/base/entries'
import { openWorkspace } from '../../main/store/store'
import { quickChains } from '../quick-chains'
import { tinyRows, writeTinyModel } from '../tiny-model'

/** Whether the program is built; tests that start it need that. */
export const isBuilt = existsSync(entryPath('cli'))
/** Whether child processes can be found in /proc. */
export const hasProc = existsSync('/proc/self/stat')

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  /** Resolves once standard error matches, rejects if the program ends before. */
  readonly said: (pattern: RegExp) => Promise<void>
  /** Process id of the program's child of that entry, now; of `parent`'s where one is given. */
  readonly childOf: (entry: 'compute' | 'store' | 'webgpu', parent?: number) => number | undefined
  /** Kills the program and all its children at once. */
  readonly killAll: () => void
}

const parentOf = (pid: string): number | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** Starts the built program in a process group of its own; SPECTROSCOPE_… settings of the caller do not reach it. */
export const start = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Started => {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SPECTROSCOPE_')))
  const child = spawn(process.execPath, [entryPath('cli'), ...args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, SPECTROSCOPE_PROGRESS_SECONDS: '0.1', ...environment } })
  let [stdout, stderr] = ['', '']
  const listeners = new Set<() => void>()
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString()
    for (const listener of listeners) listener()
  })
  const finished = new Promise<Finished>((done) => child.once('close', (code, signal) => done({ code, signal, stdout, stderr })))
  return {
    child,
    finished,
    said: (pattern) =>
      new Promise((done, fail) => {
        const look = (): void => {
          if (!pattern.test(stderr)) return
          listeners.delete(look)
          done()
        }
        listeners.add(look)
        look()
        void finished.then(() => (pattern.test(stderr) ? done() : fail(new Error(`The program ended before it said ${String(pattern)}:\n${stderr}`))))
      }),
    childOf: (entry, parent = child.pid) => {
      const found = readdirSync('/proc').find((pid) => /^\d+$/.test(pid) && parentOf(pid) === parent && commandLine(pid).startsWith(`spectroscope ${entry}`))
      return found === undefined ? undefined : Number(found)
    },
    killAll: () => process.kill(-child.pid!, 'SIGKILL')
  }
}

export const run = (args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Finished> => start(args, environment).finished

/** Waits until `condition` holds; rejects after `seconds`. */
export const until = async (condition: () => boolean, what: string, seconds = 60): Promise<void> => {
  const end = Date.now() + 1000 * seconds
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Not within ${seconds} s: ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** A new folder for one test file, removed by `remove`. */
export const scratch = (): { readonly path: (...parts: string[]) => string; readonly remove: () => Promise<void> } => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
  return { path: (...parts) => join(folder, ...parts), remove: () => rm(folder, { recursive: true, force: true }) }
}

export const sampler = { ...quickChains, stepSize: 1e-4, burnIn: 2, draws: 6, stepsBetweenDraws: 6, estimator: 'two-chain' }
export const clustering = { method: 'acl', neighbours: 8, minSize: 5, maxRejections: 30, alpha: 0.05, epsilon: 1e-5 }

/** Writes a tiny random model, rows and a configuration that goes through all stages in some seconds; gives the configuration's path. */
export const writeStudy = async (path: (...parts: string[]) => string, changes: object = {}, name = 'study.json'): Promise<string> => {
  if (!existsSync(path('model'))) await writeTinyModel(path('model'))
  if (!existsSync(path('rows.json'))) writeFileSync(path('rows.json'), JSON.stringify(tinyRows({ sampling: 64, observation: 16, probe: 40, length: 24 })))
  writeFileSync(path(name), JSON.stringify({ model: 'model', rows: 'rows.json', sampler, clustering, ...changes }))
  return path(name)
}

/** χ̂ of a run as exported beside the workspace, [tokens × components]. */
export const exportedSusceptibilities = async (name: string, workspace: string): Promise<Float32Array> => {
  const folder = `${workspace}-export-${name}`
  expect(await run(['export', name, '--workspace', workspace, '--format', 'npy', '--out', folder])).toMatchObject({ code: 0 })
  const file = readFileSync(join(folder, 'susceptibilities.npy'))
  return new Float32Array(file.buffer.slice(file.byteOffset + 10 + file.readUInt16LE(8), file.byteOffset + file.length))
}

/** χ̂ from each part of a run's draws, as the workspace keeps it. */
export const keptParts = async (name: string, folder: string): Promise<Float32Array[]> => {
  const workspace = await openWorkspace(folder, { readOnly: true })
  try {
    const { id, tokens } = await workspace.findRun(name)
    const parts = Array.from({ length: await workspace.countParts(id) }, (_, part) => part)
    return await Promise.all(parts.map((part) => workspace.readHalf(id, [part], 0, tokens)))
  } finally {
    await workspace.close()
  }
}

/** Of what `show` says of a run, what tests of engines look at. */
export interface Shown {
  readonly run: { readonly id: string; readonly status: string; readonly provenance: { readonly engine: { readonly name: string }; readonly enginesBefore?: readonly { readonly name: string }[]; readonly engineLost?: object | null } }
}
export const shownRun = async (name: string, workspace: string): Promise<Shown> => JSON.parse((await run(['show', name, '--workspace', workspace, '--json'])).stdout) as Shown

/** Largest difference, over the largest value that is expected. */
export const deviation = (values: Float32Array, expected: Float32Array): number => {
  expect(values).toHaveLength(expected.length)
  const [apart, largest] = [values.map((value, at) => Math.abs(value - expected[at])), expected.map(Math.abs)].map((each) => each.reduce((most, value) => Math.max(most, value), 0))
  expect(largest).toBeGreaterThan(0)
  return apart / largest
}
