import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SettingsFile, WorkbenchEnvironment } from '../../main/api/context'
import { openWorkbench } from '../../main/api/workbench'
import type { Workbench } from '../../main/api/workbench'
import { fromPlain } from '../../preload/errors'
import type { CallInput, CallName, CallResult, NoticeName, Notices } from '../../preload/contract'
import { quickChains, quickClustering } from '../quick-chains'
import { tinyRows, writeTinyModel } from '../tiny-model'

export const memoryFile = (content: Readonly<Record<string, unknown>> = {}): SettingsFile => {
  let kept = content
  return { get: () => structuredClone(kept), set: (value) => (kept = structuredClone(value)) }
}

interface Heard {
  readonly name: NoticeName
  readonly data: unknown
}

/** A workbench as a window sees it: everything passes as it would between processes. */
export interface Bench {
  readonly workbench: Workbench
  /** The result of a call; throws what was answered instead. */
  readonly ask: <M extends CallName>(method: M, parameters: CallInput<M>) => Promise<CallResult<M>>
  readonly notices: Heard[]
  /** The first notice of that name that fits, of those before now too. */
  readonly heard: <N extends NoticeName>(name: N, fits?: (data: Notices[N]) => boolean) => Promise<Notices[N]>
  readonly notified: [title: string, body: string][]
  readonly close: () => Promise<void>
}

export const openBench = async (folder: string, changes: Partial<WorkbenchEnvironment> = {}): Promise<Bench> => {
  const notified: [string, string][] = []
  const workbench = await openWorkbench({
    shell: 'browser',
    settings: memoryFile(),
    views: memoryFile(),
    workspace: folder,
    trust: true,
    notify: (title, body) => void notified.push([title, body]),
    ...changes
  })
  const notices: Heard[] = []
  const listeners = new Set<() => void>()
  workbench.onNotice((name, data) => {
    notices.push({ name, data: structuredClone(data) })
    for (const listener of listeners) listener()
  })
  return {
    workbench,
    notices,
    notified,
    ask: async (method, parameters) => {
      const answer = structuredClone(await workbench.call(method, structuredClone(parameters)))
      if (!answer.ok) throw fromPlain(answer.error)
      return answer.result as never
    },
    heard: (name, fits = () => true) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = notices.find((notice) => notice.name === name && fits(notice.data as never))
          if (found === undefined) return
          listeners.delete(look)
          resolve(found.data as never)
        }
        listeners.add(look)
        look()
      }),
    close: () => workbench.close({ runs: 'checkpoint' })
  }
}

/** A folder with a tiny random model and rows for it. */
export const study = async (): Promise<{
  readonly folder: string
  readonly path: (...parts: string[]) => string
  readonly remove: () => Promise<void>
}> => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
  await writeTinyModel(join(folder, 'model'))
  writeFileSync(
    join(folder, 'rows.json'),
    JSON.stringify(tinyRows({ sampling: 64, observation: 16, probe: 40, length: 24 }))
  )
  return {
    folder,
    path: (...parts) => join(folder, ...parts),
    remove: () => (existsSync(folder) ? rm(folder, { recursive: true, force: true }) : Promise.resolve())
  }
}

/** A run of some seconds through all stages; of `draws` draws, as many as a test needs time. */
export const configuration = (draws = 8, changes: object = {}): object => ({
  model: 'model',
  rows: 'rows.json',
  sampler: { ...quickChains, stepSize: 1e-4, burnIn: 2, draws, stepsBetweenDraws: 6, estimator: 'two-chain' },
  clustering: quickClustering,
  threads: 2,
  ...changes
})
