import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { healthOf, settled } from '../../main/api/runs'
import { withWorkspace } from '../../main/api/workspaces'
import { entryPath } from '../../main/base/entries'
import { exportRun } from '../../main/exchange/export'
import type { Workspace } from '../../main/store/store'
import type { RunHealth } from '../../preload/contract'
import type { RunRecord } from '../../preload/records'
import { quickChains, quickClustering } from '../quick-chains'
import { tinyRows, writeTinyModel } from '../tiny-model'

/** Whether the program is built. Tests that start it need that. */
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
  /** Process id of the program's current child with that entry, or of a child of `parent`. */
  readonly childOf: (entry: 'compute' | 'store' | 'webgpu', parent?: number) => number | undefined
  /** Kills the program and all its children. */
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

/** A process's program and arguments, separated by spaces; empty once it has ended. */
export const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

const passedOn = new Set(['SPECTROSCOPE_SETTINGS', 'SPECTROSCOPE_TEST_ENGINES'])
const isPassedOn = (name: string): boolean => !name.startsWith('SPECTROSCOPE_') || passedOn.has(name)

/**
 * Starts the built program in its own process group. Of SPECTROSCOPE_… variables, only those for all tests are passed
 * on.
 */
export const start = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Started => {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => isPassedOn(name)))
  const child = spawn(process.execPath, [entryPath('cli'), ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, SPECTROSCOPE_PROGRESS_SECONDS: '0.1', ...environment }
  })
  let [stdout, stderr] = ['', '']
  const listeners = new Set<() => void>()
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString()
    for (const listener of listeners) listener()
  })
  const finished = new Promise<Finished>((done) =>
    child.once('close', (code, signal) => done({ code, signal, stdout, stderr }))
  )
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
        void finished.then(() =>
          pattern.test(stderr)
            ? done()
            : fail(new Error(`The program ended before it said ${String(pattern)}:\n${stderr}`))
        )
      }),
    childOf: (entry, parent = child.pid) => {
      const found = readdirSync('/proc').find(
        (pid) => /^\d+$/.test(pid) && parentOf(pid) === parent && commandLine(pid).startsWith(`spectroscope ${entry}`)
      )
      return found === undefined ? undefined : Number(found)
    },
    killAll: () => process.kill(-child.pid!, 'SIGKILL')
  }
}

export const run = (args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Finished> =>
  start(args, environment).finished

/** Waits until `condition` holds. Rejects after `seconds`. */
export const until = async (condition: () => boolean, what: string, seconds = 300): Promise<void> => {
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

export const sampler = {
  ...quickChains,
  stepSize: 1e-4,
  burnIn: 2,
  draws: 6,
  stepsBetweenDraws: 6,
  estimator: 'two-chain'
}
/**
 * Writes a tiny random model, rows and a configuration that goes through all stages in some seconds; gives the
 * configuration's path.
 */
export const writeStudy = async (
  path: (...parts: string[]) => string,
  changes: object = {},
  name = 'study.json'
): Promise<string> => {
  if (!existsSync(path('model'))) await writeTinyModel(path('model'))
  if (!existsSync(path('rows.json')))
    writeFileSync(path('rows.json'), JSON.stringify(tinyRows({ sampling: 64, observation: 16, probe: 40, length: 24 })))
  writeFileSync(
    path(name),
    JSON.stringify({ model: 'model', rows: 'rows.json', sampler, clustering: quickClustering, ...changes })
  )
  return path(name)
}

/** Results of a run: the files of `export --format npy` in base64, the answer of `diagnose`, and its parts. */
export interface RunNumbers extends Pick<RunHealth, 'initialLoss' | 'diagnostics' | 'findings' | 'columns'> {
  readonly files: Readonly<Record<string, string>>
  /** χ̂ from each part of the run's draws. */
  readonly parts: readonly Float32Array[]
}

const keptParts = async (workspace: Workspace, { id, tokens }: RunRecord): Promise<Float32Array[]> => {
  const parts = Array.from({ length: await workspace.countParts(id) }, (_, part) => part)
  return Promise.all(parts.map((part) => workspace.readHalf(id, [part], 0, tokens)))
}

/** Files of an export with numbers. Its `run.json` has times and sources. */
const filesIn = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((file) => file !== 'run.json')
      .map((file) => [file, readFileSync(join(folder, file)).toString('base64')])
  )

/** All numbers of a run, read in this process, because each start of the program takes longer. */
export const numbersOf = (name: string, folder: string): Promise<RunNumbers> =>
  withWorkspace(folder, 'read', async (workspace) => {
    const run = await workspace.findRun(name)
    const out = `${folder}-export-${name}`
    await exportRun(workspace, run.id, { format: 'npy', folder: out, overwrite: true })
    const { initialLoss, diagnostics, findings, columns } = await healthOf(workspace, run)
    return { files: filesIn(out), initialLoss, diagnostics, findings, columns, parts: await keptParts(workspace, run) }
  })

/** Files exported by the command line. */
export const exportedFiles = async (name: string, folder: string): Promise<Record<string, string>> => {
  const out = `${folder}-terminal-${name}`
  const finished = await run(['export', name, '--workspace', folder, '--format', 'npy', '--out', out, '--overwrite'])
  expect(finished).toMatchObject({ code: 0 })
  return filesIn(out)
}

/** The float32 values of one of a run's NPY files. */
export const valuesOf = ({ files }: RunNumbers, name: string): Float32Array => {
  const file = Buffer.from(files[name], 'base64')
  return new Float32Array(file.buffer.slice(file.byteOffset + 10 + file.readUInt16LE(8), file.byteOffset + file.length))
}

/** χ̂ of a run, [tokens × components]. */
export const susceptibilitiesOf = (name: string, folder: string): Promise<Float32Array> =>
  withWorkspace(folder, 'read', async (workspace) => {
    const { id } = await workspace.findRun(name)
    return (await workspace.getSusceptibilities(id)).susceptibilities
  })

/** Record of a run. A run that nothing works on is not running. */
export const runOf = (name: string, folder: string): Promise<RunRecord> =>
  withWorkspace(folder, 'read', async (workspace) => settled(await workspace.findRun(name)))

/** Largest difference, relative to the largest expected value. */
export const deviation = (values: Float32Array, expected: Float32Array): number => {
  expect(values).toHaveLength(expected.length)
  const [apart, largest] = [values.map((value, at) => Math.abs(value - expected[at])), expected.map(Math.abs)].map(
    (each) => each.reduce((most, value) => Math.max(most, value), 0)
  )
  expect(largest).toBeGreaterThan(0)
  return apart / largest
}
