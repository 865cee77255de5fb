import { existsSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasProc, isBuilt, numbersOf, run, runOf, sampler, scratch, start, until, writeStudy } from './command'
import type { Finished, RunNumbers } from './command'
import type { RunRecord } from '../../preload/records'

const { path, remove } = scratch()
const workspace = path('workspace')
const often = ['--checkpoint-every', '0.05']

const runFiles = (id: string): string[] =>
  existsSync(path('workspace', 'runs', id)) ? readdirSync(path('workspace', 'runs', id)) : []

const idOf = (stderr: string): string => /Run (\S+) /.exec(stderr)![1]

let study = ''
let reference: RunNumbers

const expectSameNumbers = async (name: string): Promise<void> => {
  const found = await numbersOf(name, workspace)
  for (const [file, bytes] of Object.entries(reference.files)) {
    expect(found.files[file] === bytes, `${file} is that of the uninterrupted run`).toBe(true)
  }
  expect(found).toEqual(reference)
}
const kept = (name: string): Promise<RunRecord> => runOf(name, workspace)

const begin = (name: string) => start(['run', study, '--workspace', workspace, '--name', name, '--json', ...often])
const resume = (name: string): Promise<Finished> => run(['resume', name, '--workspace', workspace, '--json', ...often])

describe.skipIf(!isBuilt)('an interrupted run', () => {
  beforeAll(async () => {
    study = await writeStudy(path)
    const { code, stdout, stderr } = await begin('reference').finished
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(JSON.parse(stdout)).toMatchObject({ tokens: 920, components: 8, status: 'finished' })
    reference = await numbersOf('reference', workspace)
    const files = ['susceptibilities.npy', 'clusters.json', 'tokens.csv']
    expect(Object.keys(reference.files)).toEqual(expect.arrayContaining(files))
  })
  afterAll(remove)

  it('leaves no checkpoint behind once it is finished', async () => {
    expect(runFiles((await kept('reference')).id)).toEqual([])
  })

  it('killed with all its processes in every stage and resumed each time, has the numbers of an uninterrupted one', async () => {
    const killed = async (
      name: string,
      stage: RegExp,
      started = start(['resume', name, '--workspace', workspace, ...often])
    ): Promise<string> => {
      await started.said(stage)
      started.killAll()
      const { signal, stderr } = await started.finished
      expect(signal).toBe('SIGKILL')
      return idOf(stderr)
    }
    const id = await killed('victim', /Preparing rows…/, begin('victim'))
    expect(await kept('victim')).toMatchObject({ id, status: 'interrupted', stage: 'prepare' })

    const sampling = start(['resume', id, '--workspace', workspace, ...often])
    await until(() => runFiles(id).some((file) => file.endsWith('-1.checkpoint')), 'a checkpoint of the sampling')
    sampling.killAll()
    await sampling.finished
    expect(await kept('victim')).toMatchObject({ status: 'interrupted', stage: 'sample' })

    await killed('victim', /Finding neighbours…/)
    await killed('victim', /Clustering/)
    const { code, stdout } = await resume('victim')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ run: id, status: 'finished', tokens: 920 })
    expect(runFiles(id)).toEqual([])
    await expectSameNumbers('victim')
  })

  it('killed while halves of the draws are clustered, has the tree and the stabilities of an uninterrupted one', async () => {
    const tree = { method: 'communities', neighbours: 8, minSize: 5, seeds: 2 }
    const communities = await writeStudy(
      path,
      { clustering: tree, sampler: { ...sampler, draws: 2, stepsBetweenDraws: 1 } },
      'tree.json'
    )
    const beginTree = (name: string) => start(['run', communities, '--workspace', workspace, '--name', name, ...often])
    expect((await beginTree('whole tree').finished).code).toBe(0)
    const whole = await numbersOf('whole tree', workspace)
    expect(Buffer.from(whole.files['clusters.json'], 'base64').toString()).toContain('"stability"')
    let started = beginTree('felled')
    const folders = (): string[] =>
      readdirSync(path('workspace', 'runs')).filter((folder) =>
        runFiles(folder).some((each) => each.startsWith('half-0-0-'))
      )
    await until(() => folders().length > 0, 'a half is clustered')
    const [id] = folders()
    for (const file of ['half-0-0', 'shapeless-whole']) {
      await until(() => runFiles(id).some((each) => each.startsWith(`${file}-`)), `${file} is clustered`)
      started.killAll()
      await started.finished
      expect(await kept('felled')).toMatchObject({ status: 'interrupted', stage: 'cluster' })
      started = start(['resume', id, '--workspace', workspace, ...often])
    }
    expect((await started.finished).code).toBe(0)
    expect(await numbersOf('felled', workspace)).toEqual(whole)
    expect(runFiles(id)).toEqual([])
  })

  it('stopped by SIGINT writes a checkpoint, says how to go on, exits with 130, and has the same numbers when resumed', async () => {
    const started = begin('stopped')
    await started.said(/Sampling: \d+ %.*draw [2-6] of 6/)
    process.kill(-started.child.pid!, 'SIGINT')
    const { code, stdout, stderr } = await started.finished
    expect(code).toBe(130)
    const id = idOf(stderr)
    expect(stderr).toContain(`resume with: spectroscope resume ${id} --workspace ${workspace}`)
    expect(JSON.parse(stdout)).toMatchObject({ error: { kind: 'interrupted' } })
    expect(runFiles(id).some((file) => file.endsWith('.checkpoint'))).toBe(true)
    expect(await kept('stopped')).toMatchObject({ status: 'interrupted', stage: 'sample' })
    expect((await resume(id.slice(0, -1))).code).toBe(0)
    await expectSameNumbers('stopped')
  })

  it('stopped by SIGTERM while it reads its files can be resumed too', async () => {
    const started = begin('early')
    await started.said(/Preparing rows…/)
    started.child.kill('SIGTERM')
    expect((await started.finished).code).toBe(130)
    expect(await kept('early')).toMatchObject({ status: 'interrupted', stage: 'prepare' })
  })

  it('exits at once upon a second SIGINT', async () => {
    const started = begin('impatient')
    await started.said(/Sampling: \d+ %/)
    started.child.kill('SIGINT')
    await started.said(/again to stop at once/)
    started.child.kill('SIGINT')
    expect((await started.finished).code).toBe(130)
    await until(() => !hasProc || started.childOf('store') === undefined, 'an end of the store process')
    expect(await kept('impatient')).toMatchObject({ status: 'interrupted' })
  })

  it.skipIf(!hasProc)('whose compute process is killed twice ends with a sentence and can be resumed', async () => {
    const started = begin('unlucky')
    await started.said(/Sampling: \d+ %/)
    const first = started.childOf('compute')!
    process.kill(first, 'SIGKILL')
    await until(() => ![undefined, first].includes(started.childOf('compute')), 'a new compute process')
    process.kill(started.childOf('compute')!, 'SIGKILL')
    const { code, stderr } = await started.finished
    expect(code).toBe(9)
    expect(stderr).toContain('The compute process died twice')
    expect(stderr).toMatch(/is paused; to use another engine than onnx-cpu, run `resume --engine NAME`\./)
    expect((await run(['runs', '--workspace', workspace])).stdout).toContain('device lost (sample)')
    expect((await resume('unlucky')).code).toBe(0)
    await expectSameNumbers('unlucky')
  })

  it.skipIf(!hasProc)(
    'goes on when its compute process is killed, ends with a sentence when its store process is, and loses nothing',
    async () => {
      const started = begin('twice')
      await started.said(/Sampling: \d+ %.*draw [2-6] of 6/)
      process.kill(started.childOf('compute')!, 'SIGKILL')
      await started.said(/died \(killed by SIGKILL\) while it sampled; a new one continues from the last checkpoint\./)
      process.kill(started.childOf('store')!, 'SIGKILL')
      const { code, stderr } = await started.finished
      expect(code).toBe(6)
      expect(stderr).toMatch(/the store process ended unexpectedly/)
      expect(await kept('twice')).toMatchObject({ status: 'interrupted', stage: 'sample' })
      expect((await resume('twice')).code).toBe(0)
      await expectSameNumbers('twice')
    }
  )

  it('whose matrix is clustered anew keeps the earlier clustering beside the new one', async () => {
    const { code, stdout } = await run([
      'cluster',
      'reference',
      '--workspace',
      workspace,
      '--neighbours',
      '6',
      '--json'
    ])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      tokens: 920,
      clustering: { number: 2, configuration: { neighbours: 6, minSize: 5 } }
    })
    const shown = JSON.parse(
      (await run(['show', 'reference', '--workspace', workspace, '--clustering', '1', '--json'])).stdout
    ) as { clustering: { number: number }; run: { clusterings: object[] } }
    expect(shown).toMatchObject({ clustering: { number: 1 } })
    expect(shown.run.clusterings).toHaveLength(2)
  })
})
