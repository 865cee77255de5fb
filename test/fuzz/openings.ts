import { execFile, fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryPath } from '../../main/base/entries'
import { planSweep } from '../../main/api/sweep-plan'
import { SweepRecords } from '../../main/api/sweep-records'
import { KeptNames } from '../../main/naming/kept-names'
import { openDatabase } from '../../main/store/database'
import { openWorkspace } from '../../main/store/store'
import { namesFolderOf } from '../../main/store/workspace-paths'
import { temporaryFolder, labelBody, labelEdits, storeRun, treeDescription, treeOf } from '../unit/store-fixture'
import { drawsOf, mutate } from './mutations'
import type { Seen, Visit } from './visitor'

export interface Opening {
  readonly place: number
  readonly mutation: string
  readonly seconds: number
  readonly seen: Seen
  /** What must not be: something outside changed, an internal error, too much time; undefined where all is well. */
  readonly fault: string | undefined
  /** The store process died, and its parent said so. */
  readonly died: boolean
}

/** A workspace with a described and labelled run, suggested names, and a sweep. */
const makeWorkspace = async (folder: string): Promise<void> => {
  const workspace = await openWorkspace(folder, { create: true })
  const run = await storeRun(workspace, 4, treeOf(20))
  await workspace.saveDescription(run, 1, treeDescription(20))
  await workspace.saveLayout(run, false, { method: 'edges', positions: new Float32Array(40) })
  const edits = labelEdits({
    'cluster:0': labelBody('commas', { note: 'a note', tags: ['t'] }),
    'merge:1': labelBody('both', { clusters: [0, 1] }),
    'selection:1': labelBody('a lasso', { tokens: [3, 11, 17] })
  })
  await workspace.applyAnnotations({ run, clustering: 1, words: 'label 2 clusters', author: 'Ada', edits })
  await workspace.backUpLabels()
  const at = new Date(0).toISOString()
  const suggested = { cluster: 1, name: 'full stops', description: 'A sentence ends', model: 'm', at, score: null }
  await new KeptNames(namesFolderOf(folder, run), 1).keep({ ...suggested, repeated: false, dismissed: false })
  const record = await workspace.getRun(run)
  const base = { configuration: record.configuration, baseFolder: folder, run: record }
  await new SweepRecords(folder).keep(planSweep(base, { k: [30, 45] }, 'two sizes'))
  await workspace.close()
}

const makeHome = async (home: string): Promise<void> => {
  mkdirSync(join(home, 'folder'), { recursive: true })
  writeFileSync(join(home, 'diary.txt'), 'no end of line')
  writeFileSync(join(home, 'folder', 'letter.txt'), 'Dear reader\n')
  const instance = await openDatabase(join(home, 'workspace'), { create: true, readOnly: false })
  instance.closeSync()
  cpSync(join(home, 'workspace', 'workspace.duckdb'), join(home, 'other.duckdb'))
}

/** Everything below a folder, with hashes. */
const listing = (folder: string): string =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(folder, name)
      const hash = lstatSync(path).isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
      return `${name} ${hash}`
    })
    .join('\n')

const ended = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`)))

const readingCommands = (exports: string): readonly (readonly string[])[] => [
  ['runs'],
  ['show', 'latest'],
  ['clusters', 'latest'],
  ['sweep', 'status'],
  ['show', 'two sizes'],
  ['export', 'latest', '--format', 'csv', '--out', join(exports, 'terminal')]
]

/** What a terminal must not be sent: controls but for tabs and ends of lines, and marks that turn text around. */
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

/** Has the built program read a workspace. Says what must not be: an internal error, no end, or text that hides. */
const readInTerminal = async (
  workspace: string,
  exports: string,
  env: NodeJS.ProcessEnv,
  seconds: number
): Promise<string | undefined> => {
  for (const command of readingCommands(exports)) {
    const given = [entryPath('cli'), ...command, '--workspace', workspace]
    const options = { env, timeout: seconds * 1000, maxBuffer: 2 ** 28 }
    const fault = await new Promise<string | undefined>((resolve) => {
      execFile(process.execPath, given, options, (error, stdout, stderr) => {
        const isBad = error !== null && (typeof error.code !== 'number' || error.code === 1)
        if (isBad) resolve(`ended by ${error.code ?? error.signal}: ${stderr}`)
        else if (hidden.test(stdout) || hidden.test(stderr)) resolve(`printed ${JSON.stringify(stdout + stderr)}`)
        else resolve(undefined)
      })
    })
    if (fault !== undefined) return `spectroscope ${command.join(' ')} ${fault}`
  }
  return undefined
}

export interface FuzzOptions {
  readonly seed: number
  readonly first: number
  readonly count: number
  /** Path of visitor.ts, built. */
  readonly visitor: string
  readonly links: boolean
  /** Most seconds of an opening. */
  readonly limit: number
  /** One opening in so many is read by the commands of the built program too. */
  readonly terminal: number
}

/** Opens workspaces that were made hostile, one after another, in a process that is ended at the limit. */
export async function* openings({
  seed,
  first,
  count,
  visitor,
  links,
  limit,
  terminal
}: FuzzOptions): AsyncGenerator<Opening> {
  const place = await temporaryFolder()
  const [original, home, homeBefore, workspace, exports] = ['original', 'home', 'home-before', 'w', 'exports'].map(
    (name) => join(place.folder, name)
  )
  await makeWorkspace(original)
  await makeHome(homeBefore)
  cpSync(homeBefore, home, { recursive: true })
  const before = listing(home)
  const environment = { ...process.env, HOME: home, TMPDIR: tmpdir() }
  const start = (): ChildProcess =>
    fork(visitor, {
      env: environment,
      detached: true,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc']
    })
  let child = start()
  const answer = async (visit: Visit): Promise<Seen | string> => {
    const said = new Promise<Seen | string>((resolve) => {
      const timer = setTimeout(() => resolve(`more than ${limit} seconds`), limit * 1000)
      child.once('message', (message) => {
        clearTimeout(timer)
        resolve(message as Seen)
      })
    })
    child.send(visit)
    const result = await Promise.race([said, ended(child)])
    if (typeof result === 'string') {
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
      child = start()
    }
    child.removeAllListeners()
    return result
  }
  try {
    for (let at = first; at < first + count; at++) {
      for (const folder of [workspace, exports]) rmSync(folder, { recursive: true, force: true })
      cpSync(original, workspace, { recursive: true })
      mkdirSync(exports)
      const draw = drawsOf(seed, at)
      const mutation = await mutate(draw, { workspace, home }, links)
      const began = performance.now()
      const result = await answer({ folder: workspace, exports, readOnly: draw(4) === 0 })
      const seconds = (performance.now() - began) / 1000
      const said = at % terminal === 0 ? await readInTerminal(workspace, exports, environment, limit) : undefined
      const isChanged = listing(home) !== before
      if (isChanged) {
        rmSync(home, { recursive: true, force: true })
        cpSync(homeBefore, home, { recursive: true })
      }
      const seen = typeof result === 'string' ? [] : result
      const internal = seen.find(({ error }) => error.kind === 'internal')
      const faults = [
        isChanged ? 'a file outside the workspace was changed' : undefined,
        typeof result === 'string' ? result : undefined,
        said,
        internal === undefined ? undefined : `${internal.asked}: ${internal.error.stack ?? internal.error.message}`
      ]
      const fault = faults.find((each) => each !== undefined)
      const died = seen.some(({ error }) => /store process ended/.test(error.message))
      yield { place: at, mutation, seconds, seen, fault, died }
    }
  } finally {
    child.kill()
    await place.remove()
  }
}
