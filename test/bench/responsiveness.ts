import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { parseConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { startRun } from '../../main/pipeline/run'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { quickChains } from '../quick-chains'
import { tinyRows, writeTinyModel } from '../tiny-model'

const pause = 20

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
const words = (values: readonly number[]): string => {
  const sorted = [...values].sort((a, b) => a - b)
  return (
    `median ${at(sorted, 0.5).toFixed(1)}, p95 ${at(sorted, 0.95).toFixed(1)}, p99 ` +
    `${at(sorted, 0.99).toFixed(1)}, longest ${at(sorted, 1).toFixed(1)} ms`
  )
}

/** How late this process's event loop is, and how long calls of the store take, for so many seconds. */
const watch = async (what: string, workspace: Workspace, seconds: number): Promise<void> => {
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const trips: number[] = []
  for (const end = performance.now() + 1000 * seconds; performance.now() < end; await wait(pause)) {
    const start = performance.now()
    await workspace.listRuns()
    trips.push(performance.now() - start)
  }
  delay.disable()
  const late = (percentile: number): string => Math.max(0, delay.percentile(percentile) / 1e6 - 5).toFixed(1)
  console.log(
    `  ${what.padEnd(28)} calls of the store: ${words(trips)} (${trips.length}); shell late by: median ` +
      `${late(50)}, p95 ${late(95)}, p99 ${late(99)}, longest ${late(100)} ms`
  )
}

/**
 * The shell's side while nothing happens, then while compute samples on so many threads: what a person at the window
 * would wait for.
 */
export const benchResponsiveness = async (threads: number, seconds: number): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'spectroscope-responsiveness-'))
  const workspace = await openWorkspace(join(folder, 'work'), { create: true })
  try {
    await writeTinyModel(join(folder, 'model'), { layers: 4, heads: 4, hidden: 64 })
    await writeFile(
      join(folder, 'rows.json'),
      JSON.stringify(tinyRows({ sampling: 64, observation: 32, probe: 400, length: 64 }))
    )
    const configuration = parseConfiguration(
      {
        model: 'model',
        rows: 'rows.json',
        clustering: false,
        threads,
        sampler: { ...quickChains, batchSize: 16, draws: 100, stepsBetweenDraws: 50 }
      },
      'responsiveness'
    )
    console.log(`\nresponsiveness: sampling on ${threads} threads`)
    await watch('at rest', workspace, seconds)
    const controller = new AbortController()
    let sampling: () => void = () => {}
    const begun = new Promise<void>((resolve) => (sampling = resolve))
    const run = startRun(workspace, configuration, folder, {
      checkpointSeconds: 1000,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'progress' && event.progress.component !== undefined) sampling()
      }
    }).catch((error: unknown) => {
      if (!(error instanceof SpectroscopeError && error.kind === 'interrupted')) throw error
    })
    await Promise.race([begun, run])
    await watch('sampling', workspace, seconds)
    controller.abort()
    await run
  } finally {
    await workspace.close()
    await rm(folder, { recursive: true, force: true })
  }
}
