import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { configuration, openBench, study } from '../unit/workbench-fixture'
import type { Bench } from '../unit/workbench-fixture'
import { hasProc, isBuilt } from './command'

/** This process's child of that name. */
const childOf = (entry: 'store' | 'compute'): number => {
  const pids = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
        return (
          parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`spectroscope ${entry}`)
        )
      } catch {
        return false
      }
    })
  expect(pids).toHaveLength(1)
  return Number(pids[0])
}

const kill = (entry: 'store' | 'compute'): void => void process.kill(childOf(entry), 'SIGKILL')

let place: Awaited<ReturnType<typeof study>>
let bench: Bench
let count = 0
let labelled = ''

const finished = async (run: string): Promise<string> => {
  for (;;) {
    const seen = bench.notices.length
    const { status } = await bench.ask('runs.get', { run })
    if (status !== 'running' && status !== 'pending') return status
    await bench.heard('runs-changed', () => bench.notices.slice(seen).some(({ name }) => name === 'runs-changed'))
  }
}

const start = async (name: string, draws?: number, changes?: object): Promise<string> =>
  (await bench.ask('runs.start', { name, configuration: configuration(draws, changes), baseFolder: place.folder })).run

describe.skipIf(!isBuilt || !hasProc)('the workbench', () => {
  beforeAll(async () => {
    vi.stubEnv('SPECTROSCOPE_CHECKPOINT_SECONDS', '0.2')
    place = await study()
    bench = await openBench(place.path('labelled'))
    labelled = await start('labelled')
    expect(await finished(labelled)).toBe('finished')
    await bench.close()
  })
  afterEach(() => bench.close())
  afterAll(() => place.remove())

  it('opens its store again when that is killed, and answers what was asked meanwhile', async () => {
    bench = await openBench(place.path(`workspace-${count++}`))
    const asked = bench.ask('runs.list', {})
    kill('store')
    expect(await asked).toEqual([])
    expect(await bench.heard('workspace')).toEqual({ folder: place.path('workspace-0'), reopened: true })
    expect(await bench.heard('problem')).toMatchObject({
      kind: 'storage',
      message: expect.stringContaining('was restarted')
    })
    expect(await bench.ask('runs.list', {})).toEqual([])
    kill('store')
    expect(await bench.ask('runs.list', {})).toEqual([])
  })

  it('answers what was asked when the stores after the first are killed too, as soon as each is there', async () => {
    bench = await openBench(place.path(`workspace-${count++}`))
    const asked = bench.ask('runs.list', {})
    for (let killed = 0; killed < 3; killed++) {
      const seen = bench.notices.length
      kill('store')
      // The call that was lost is asked of the next store by the time that this is heard.
      await bench.heard('workspace', () => bench.notices.slice(seen).some(({ name }) => name === 'workspace'))
    }
    expect(await asked).toEqual([])
  })

  it('loses no label and writes none twice when its store is killed between them, again and again', async () => {
    bench = await openBench(place.path('labelled'))
    const label = (i: number) =>
      bench.ask('labels.apply', {
        run: labelled,
        clustering: 1,
        words: `note ${i}`,
        changes: [{ do: 'set', targets: ['cluster:-1'], label: { note: `note ${i}` } }]
      })
    const answers: string[] = []
    for (let i = 0; i < 60; i++) {
      const answer = label(i)
      if (i % 20 === 7) kill('store')
      answers.push((await answer).changed[0].annotation?.note ?? '')
      if (i % 20 === 17) kill('store')
    }
    expect(answers).toEqual(Array.from({ length: 60 }, (_, i) => `note ${i}`))
    const history = await bench.ask('labels.history', { limit: 1000 })
    expect(history.map(({ words }) => words)).toEqual(Array.from({ length: 60 }, (_, i) => `note ${59 - i}`))
    kill('store')
    expect((await bench.ask('labels.undo', {})).redo).toMatchObject({ words: 'note 59' })
    await bench.close()
    bench = await openBench(place.path('labelled'))
    expect((await bench.ask('clusters.overview', { run: labelled, clustering: 1 })).annotations).toMatchObject([
      { target: 'cluster:-1', note: 'note 58' }
    ])
  })

  it('goes on with a run from its last checkpoint when the store, or compute, is killed under it', async () => {
    bench = await openBench(place.path(`workspace-${count++}`))
    const run = await start('victim', 12)
    await bench.heard('trace')
    kill('store')
    await bench.heard('run-event', ({ event }) => event.type === 'note' && event.message.includes('store process died'))
    kill('compute')
    await bench.heard(
      'run-event',
      ({ event }) => event.type === 'note' && event.message.includes('compute process died')
    )
    await bench.heard('run-event', ({ event }) => event.type === 'stage' && event.stage === 'neighbours')
    kill('store')
    expect(await finished(run)).toBe('finished')
    const whole = await start('whole', 12, { clustering: false })
    expect(await finished(whole)).toBe('finished')
    expect(await bench.ask('tokens.column', { run, component: 'head:1.0' })).toEqual(
      await bench.ask('tokens.column', { run: whole, component: 'head:1.0' })
    )
  })
})
