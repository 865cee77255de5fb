import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunEvent } from '../../preload/contract'
import { matricesFolder, writeMatrix } from '../../main/pipeline/cluster-matrices'
import { WritingProgress } from '../../main/pipeline/writing-progress'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'writing-progress-'))
  mkdirSync(join(folder, matricesFolder))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the writing of files', () => {
  const set = { fingerprint: 'f' }
  const block = new Float32Array(250_000)
  const blocks = async function* (count: number, before: (at: number) => void = () => undefined) {
    for (let at = 0; at < count; at++) {
      before(at)
      yield block
    }
  }
  const progressFor = (bytes: number, signal = new AbortController().signal) => {
    const events: RunEvent[] = []
    return {
      events,
      progress: new WritingProgress('cluster', bytes, { signal, onEvent: (event) => events.push(event) })
    }
  }

  it('tells its bytes over all files, which file, and when it ends', async () => {
    const { events, progress } = progressFor(4e6)
    for (const name of ['whole', 'half']) await writeMatrix(folder, set, name, progress.counted(name, blocks(2)))
    const told = events.map((event) => (event.type === 'progress' ? event.progress : undefined))
    expect(told[0]).toEqual({ stage: 'cluster', done: 0, total: 4, unit: 'MB', detail: 'whole' })
    expect(told.at(-1)).toEqual({ stage: 'cluster', done: 4, total: 4, unit: 'MB', detail: 'half', secondsLeft: 0 })
  })

  it('leaves nothing of a file when it is cancelled, and what was there before', async () => {
    const { progress } = progressFor(4e6)
    await writeMatrix(folder, set, 'whole', progress.counted('whole', blocks(2)))
    const controller = new AbortController()
    const cancelled = progressFor(8e6, controller.signal).progress
    const cancelAt = (at: number): void => (at === 1 ? controller.abort() : undefined)
    for (const name of ['whole', 'half']) {
      await expect(writeMatrix(folder, set, name, cancelled.counted(name, blocks(4, cancelAt)))).rejects.toMatchObject({
        kind: 'interrupted'
      })
    }
    expect(readdirSync(join(folder, matricesFolder))).toEqual(['whole'])
  })
})
