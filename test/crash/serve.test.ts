import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { decode, encode } from '../../preload/wire'
import { quickChains } from '../quick-chains'
import { pageSocket, secretFor } from '../served-page'
import { isBuilt, run, scratch, start, until, writeStudy } from './command'

const { path, remove } = scratch()
const environment = { SPECTROSCOPE_SETTINGS: path('settings'), SPECTROSCOPE_CHECKPOINT_SECONDS: '0.2' }

interface Window {
  readonly ask: (call: string, parameters: object) => Promise<unknown>
  readonly heard: (notice: string) => Promise<void>
  readonly closed: Promise<void>
}

/** What a browser does with the address that was printed. */
const visit = async (address: string): Promise<Window> => {
  const socket = await pageSocket(new URL(address).origin, await secretFor(address))
  const answers = new Map<number, (answer: unknown) => void>()
  const notices = new Map<string, () => void>()
  socket.on('message', (data: Buffer) => {
    const frame = decode(data) as { id: number; answer: unknown } | { notice: string }
    if ('notice' in frame) notices.get(frame.notice)?.()
    else answers.get(frame.id)?.(frame.answer)
  })
  await new Promise<void>((done, fail) => {
    socket.once('open', () => done())
    socket.once('error', fail)
  })
  let id = 0
  return {
    ask: async (call, parameters) => {
      const mine = ++id
      const answered = new Promise((done) => answers.set(mine, done))
      socket.send(encode({ id: mine, call, parameters }))
      const { ok, result, error } = (await answered) as { ok: boolean; result: unknown; error?: { message: string } }
      if (!ok) throw new Error(error?.message)
      return result
    },
    heard: (notice) => new Promise((done) => notices.set(notice, done)),
    closed: new Promise((done) => socket.once('close', () => done()))
  }
}

describe.skipIf(!isBuilt)('spectroscope serve', () => {
  afterAll(remove)

  it('works on without a browser, and stops at a signal with a checkpoint', async () => {
    const study = await writeStudy(path, {
      sampler: { ...quickChains, stepSize: 1e-4, draws: 2000, stepsBetweenDraws: 6 },
      threads: 1
    })
    const served = start(
      ['serve', '--workspace', path('workspace'), '--folder', path(), '--no-open', '--json'],
      environment
    )
    let printed = ''
    served.child.stdout!.on('data', (data: Buffer) => (printed += data.toString()))
    await until(() => printed.trimEnd().endsWith('}'), 'the address is printed')
    const { address, workspace, problem } = JSON.parse(printed) as {
      address: string
      workspace: string
      problem: string | null
    }
    expect({ workspace, problem }).toEqual({ workspace: path('workspace'), problem: null })

    const window = await visit(address)
    await window.ask('settings.change', { changes: { author: 'Ada' } })
    expect(JSON.parse(readFileSync(path('settings', 'settings.json'), 'utf8'))).toMatchObject({ author: 'Ada' })
    const traced = window.heard('trace')
    await window.ask('runs.start', {
      name: 'served',
      configuration: JSON.parse(readFileSync(study, 'utf8')) as object,
      baseFolder: path()
    })
    await traced

    served.child.kill('SIGINT')
    const { code, signal, stderr } = await served.finished
    await window.closed
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    expect(stderr).toContain('Saving a checkpoint')
    const { stdout } = await run(['runs', '--workspace', path('workspace'), '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ runs: [{ name: 'served', status: 'interrupted', stage: 'sample' }] })
  })

  it('says why it cannot open a workspace, and is there for another one', async () => {
    writeFileSync(path('a-file'), '')
    const served = start(
      ['serve', '--workspace', path('a-file'), '--folder', path(), '--no-open', '--json'],
      environment
    )
    let printed = ''
    served.child.stdout!.on('data', (data: Buffer) => (printed += data.toString()))
    await until(() => printed.trimEnd().endsWith('}'), 'the address is printed')
    const { address, workspace, problem } = JSON.parse(printed) as {
      address: string
      workspace: string | null
      problem: string | null
    }
    expect(workspace).toBeNull()
    expect(problem).toContain('a-file')
    const window = await visit(address)
    expect(await window.ask('workspace.open', { folder: path('another'), create: true })).toMatchObject({
      workspace: path('another'),
      problem: null
    })
    served.child.kill('SIGTERM')
    expect(await served.finished).toMatchObject({ code: 0 })
  })

  it('warns of an address that lets other machines in, and refuses one that it cannot have', async () => {
    const served = start(['serve', '--workspace', path('open'), '--no-open', '--host', '0.0.0.0'], environment)
    await served.said(/Press Ctrl-C to stop/)
    served.child.kill('SIGINT')
    expect((await served.finished).stderr).toContain('other machines can reach this program')
    expect(
      await run(['serve', '--workspace', path('open'), '--no-open', '--host', '203.0.113.7'], environment)
    ).toMatchObject({ code: 10, stderr: expect.stringContaining('--host') })
  })
})
