import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeStored } from '../../main/pipeline/describe'
import { layOut } from '../../main/pipeline/lay-out'
import { previewCorpus } from '../../main/pipeline/preview'
import { recluster, resumeRun, startRun } from '../../main/pipeline/run'
import type { RunOptions } from '../../main/pipeline/run-options'
import { openWorkspace, type Workspace } from '../../main/store/store'
import { parseConfiguration } from '../../preload/configuration'
import type { RunEvent } from '../../preload/contract'
import type { RunRecord } from '../../preload/records'
import { hasProc, isBuilt, scratch, writeStudy } from './command'

const { path, remove } = scratch()

/** The compute processes that this one has started and that are at work. */
const computing = (): number[] =>
  readdirSync('/proc')
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        return (
          Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === process.pid &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('spectroscope compute')
        )
      } catch {
        return false
      }
    })
    .map(Number)

/** The workspace, but that `before` comes first the first time that `method` is called. */
const once = (workspace: Workspace, method: keyof Workspace, before: () => void): Workspace => {
  let first = true
  return new Proxy(workspace, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key)
      if (key !== method || typeof value !== 'function') return value
      return (...parameters: unknown[]) => {
        if (first) before()
        first = false
        return (value as (...given: unknown[]) => unknown).apply(target, parameters)
      }
    }
  })
}

const optionsOf = (controller = new AbortController(), events: RunEvent[] = []): RunOptions => ({
  checkpointSeconds: 30,
  onEvent: (event) => events.push(event),
  signal: controller.signal
})

/** Everything that a description was stored for. */
const described = async (workspace: Workspace, run: string, clustering: number): Promise<unknown> => {
  const { clusters } = await workspace.getOverview(run, clustering)
  return {
    clusters,
    layout: await workspace.getClusterLayout(run, clustering),
    heatMap: await workspace.getHeatMap(run, clustering, 100),
    details: await Promise.all(clusters.map(({ cluster }) => workspace.getClusterDetails(run, clustering, cluster))),
    galleries: await Promise.all(
      clusters.map(({ cluster }) =>
        workspace.getGallery(run, clustering, cluster, {
          stratum: 'central',
          seed: 1,
          offset: 0,
          limit: 1000,
          before: 2,
          after: 2
        })
      )
    )
  }
}

describe.skipIf(!isBuilt || !hasProc)('beside and after the stages of a run', () => {
  let workspace: Workspace
  let configuration: ReturnType<typeof parseConfiguration>
  let reference: RunRecord
  let expected: unknown

  const begin = (name: string, through: Workspace, options: RunOptions): Promise<RunRecord> =>
    startRun(through, configuration, path(), { ...options, name })

  beforeAll(async () => {
    const file = await writeStudy(path)
    configuration = parseConfiguration(JSON.parse(readFileSync(file, 'utf8')), file)
    workspace = await openWorkspace(path('workspace'), { create: true })
    const events: RunEvent[] = []
    reference = await begin('reference', workspace, optionsOf(undefined, events))
    expected = await described(workspace, reference.id, 1)
    const details = events.flatMap((event) => (event.type === 'progress' ? [event.progress.detail] : []))
    expect(details).toContain('saving descriptions')
  })

  afterAll(async () => {
    await workspace.close()
    await remove()
  })

  it('a run describes its clusters', async () => {
    expect(reference.status).toBe('finished')
    expect(await workspace.isDescribed(reference.id, 1)).toBe(true)
    expect((await workspace.getOverview(reference.id, 1)).clusters.length).toBeGreaterThan(1)
  })

  it('the description goes on in a new compute process when the one at it is killed, to the same numbers', async () => {
    const events: RunEvent[] = []
    const killing = once(workspace, 'getMembership', () => computing().forEach((pid) => process.kill(pid, 'SIGKILL')))
    const run = await begin('killed', killing, optionsOf(undefined, events))
    expect(run.status).toBe('finished')
    const notes = events.flatMap((event) => (event.type === 'note' ? [event.message] : []))
    expect(notes).toEqual([
      'The compute process died (killed by SIGKILL) while it described the clusters; a new one continues from the ' +
        'last checkpoint.'
    ])
    expect(run.clusterings).toHaveLength(1)
    expect(await described(workspace, run.id, 1)).toEqual(expected)
  })

  it('it is made by the resumed run where it was stopped, and leaves one clustering', async () => {
    const controller = new AbortController()
    await expect(
      begin(
        'stopped',
        once(workspace, 'getMembership', () => controller.abort()),
        optionsOf(controller)
      )
    ).rejects.toMatchObject({ kind: 'interrupted' })
    const stopped = (await workspace.listRuns()).find(({ name }) => name === 'stopped')!
    expect(stopped).toMatchObject({ status: 'interrupted', stage: 'cluster' })
    expect(stopped.clusterings).toHaveLength(1)
    expect(await workspace.isDescribed(stopped.id, 1)).toBe(false)
    const run = await resumeRun(workspace, stopped, optionsOf())
    expect(run).toMatchObject({ status: 'finished', stage: null })
    expect(await described(workspace, run.id, 1)).toEqual(expected)
    expect(existsSync(workspace.runFolder(run.id))).toBe(false)
  })

  it('it is made for one more clustering, and for one that is kept without it', async () => {
    const { clustering } = configuration
    if (clustering === false) throw new Error('the study asks for no clustering')
    const record = await recluster(workspace, reference, { ...clustering, neighbours: 6 }, optionsOf())
    expect(await workspace.isDescribed(reference.id, record.number)).toBe(true)
    const controller = new AbortController()
    const stopping = once(workspace, 'getMembership', () => controller.abort())
    await expect(
      recluster(stopping, reference, { ...clustering, neighbours: 6 }, optionsOf(controller))
    ).rejects.toMatchObject({ kind: 'interrupted' })
    const run = await workspace.getRun(reference.id)
    const left = run.clusterings.at(-1)!
    expect(left.number).toBe(record.number + 1)
    expect(await workspace.isDescribed(run.id, left.number)).toBe(false)
    const told: number[] = []
    await describeStored(workspace, run, left.number, {
      signal: new AbortController().signal,
      onProgress: ({ fraction }) => told.push(fraction)
    })
    expect(told[0]).toBe(0)
    expect(told.at(-1)).toBe(1)
    expect(await described(workspace, run.id, left.number)).toEqual(await described(workspace, run.id, record.number))
  })

  it('it is refused for a clustering that is not there', async () => {
    await expect(
      describeStored(workspace, reference, 99, { signal: new AbortController().signal })
    ).rejects.toMatchObject({ kind: 'input' })
  })

  it('a layout places the tokens, is kept, and is the same once more', async () => {
    const options = { whiten: false, signal: new AbortController().signal }
    const { method, positions } = await layOut(workspace, reference, options)
    expect(method).toBe('neighbour graph, 8 nearest of each token, 400 epochs')
    expect(positions).toHaveLength(2 * reference.tokens)
    const kept = await workspace.getLayout(reference.id, false)
    expect(kept?.method).toBe(method)
    expect(Array.from(kept?.positions ?? [])).toEqual(Array.from(positions))
    expect(Array.from((await layOut(workspace, reference, options)).positions)).toEqual(Array.from(positions))
  })

  it('a layout falls back to principal components where no neighbours are kept', async () => {
    expect((await layOut(workspace, reference, { whiten: true, signal: new AbortController().signal })).method).toBe(
      'principal components'
    )
  })

  it('a layout starts a new process when one is killed, and says so', async () => {
    const notes: string[] = []
    const killing = once(workspace, 'getNeighbours', () => computing().forEach((pid) => process.kill(pid, 'SIGKILL')))
    const { positions } = await layOut(killing, reference, {
      whiten: false,
      signal: new AbortController().signal,
      onNote: (message) => notes.push(message)
    })
    expect(positions).toHaveLength(2 * reference.tokens)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain('while it laid out the tokens')
  })

  it('a layout ends its process at once when it is stopped, and starts no other', async () => {
    const controller = new AbortController()
    const notes: string[] = []
    const stopping = once(workspace, 'getNeighbours', () => controller.abort())
    await expect(
      layOut(stopping, reference, {
        whiten: false,
        signal: controller.signal,
        onNote: (message) => notes.push(message)
      })
    ).rejects.toMatchObject({ kind: 'interrupted' })
    expect(notes).toEqual([])
    expect(computing()).toEqual([])
    await expect(previewCorpus(configuration, path(), 3, { signal: controller.signal })).rejects.toMatchObject({
      kind: 'interrupted'
    })
  })

  it('a preview reads rows in a process of its own', async () => {
    const { rows, rowsThere } = await previewCorpus(configuration, path(), 3, { signal: new AbortController().signal })
    expect(rowsThere).toBe(64 + 16 + 40)
    expect(rows).toHaveLength(3)
    expect(computing()).toEqual([])
  })
})
