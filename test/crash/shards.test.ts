import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasProc, isBuilt, numbersOf as keptNumbers, run, scratch, start, until, writeStudy } from './command'
import type { Finished, RunNumbers, Started } from './command'
import type { ShardSet } from '../../main/pipeline/shard-set'
import type { SetStatus } from '../../preload/shards'

const { path, remove } = scratch()
const workspace = path('workspace')
const folder = path('study-shards')
const often = ['--checkpoint-every', '0.05']

const ok = async (finished: Promise<Finished>): Promise<Finished> => {
  const { code, stdout, stderr, signal } = await finished
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return { code, stdout, stderr, signal }
}

const answerOf = async (args: readonly string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await ok(run([...args, '--json']))).stdout) as Record<string, unknown>

const numbersOf = (name: string): Promise<RunNumbers> => keptNumbers(name, workspace)

const shard = (index: number, ...more: readonly string[]): Started =>
  start(['shards', 'run', folder, String(index), ...often, ...more])
const filesOf = (index: number): string[] =>
  existsSync(path('study-shards', 'shards', String(index)))
    ? readdirSync(path('study-shards', 'shards', String(index)))
    : []
const fractionOf = (index: number): number => {
  const report = path('study-shards', 'shards', String(index), 'progress.json')
  return existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as { fraction: number }).fraction : 0
}
const hasCheckpoint = (index: number): boolean => filesOf(index).some((file) => file.endsWith('-1.checkpoint'))
const gather = (...more: readonly string[]): Started =>
  start(['gather', folder, '--workspace', workspace, '--name', 'gathered', ...more])
const runs = async (): Promise<{ id: string; name: string; status: string }[]> =>
  (await answerOf(['runs', '--workspace', workspace]))['runs'] as { id: string; name: string; status: string }[]

describe.skipIf(!isBuilt)('a run in shards', () => {
  let whole: RunNumbers

  beforeAll(async () => {
    const study = await writeStudy(path, { threads: 1 })
    await ok(run(['run', study, '--workspace', workspace, '--name', 'whole']))
    whole = await numbersOf('whole')
    expect(whole.parts).toHaveLength(2)
    expect(whole.diagnostics).toHaveLength(9)
    expect(
      await answerOf(['shard', study, '--shards', '3', '--at-once', '2', '--sbatch=--partition=long'])
    ).toMatchObject({ folder, tokens: 920, components: 8 })
  })
  afterAll(remove)

  it('is one folder with all that a shard needs', () => {
    const set = JSON.parse(readFileSync(path('study-shards', 'shards.json'), 'utf8')) as {
      shards: { index: number; chains: object[]; share: number }[]
    }
    expect(set.shards.map(({ chains }) => chains.length).reduce((a, b) => a + b)).toBe(18)
    expect(Math.max(...set.shards.map(({ share }) => share))).toBeLessThan(0.36)
    expect(readdirSync(path('study-shards', 'model')).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json'
    ])
    const script = readFileSync(path('study-shards', 'sbatch.sh'), 'utf8')
    expect(script).toMatch(/^#SBATCH --array=0-2%2$/m)
    expect(script).toMatch(/^#SBATCH --partition=long$/m)
  })

  it('cannot be gathered before all shards are done, and says which are not', async () => {
    const { code, stderr } = await gather().finished
    expect(code).toBe(2)
    const remedy = `start those not running with \`sbatch --array=0-2 ${folder}/sbatch.sh\``
    expect(stderr).toContain(`3 of 3 shards of ${folder} are not done (waiting: 0-2); ${remedy}`)
    expect((await runs()).map(({ name }) => name)).toEqual(['whole'])
  })

  it('goes on from a checkpoint after SIGKILL, and is refused to a second process while it is at work', async () => {
    const killed = shard(0)
    await until(() => hasCheckpoint(0) && fractionOf(0) > 0, 'a checkpoint of shard 0, and its progress')
    process.kill(-killed.child.pid!, 'SIGSTOP')
    const second = await shard(0, '--no-wait').finished
    expect(second.code).toBe(5)
    expect(second.stderr).toMatch(/Shard 0 of .* is held by process \d+ on .* since .*; wait for it/)
    expect((await gather().finished).stderr).toContain('running: 0; waiting: 1-2')
    killed.killAll()
    await killed.finished
    expect(filesOf(0)).toContain('claim.1')
    expect(filesOf(0)).not.toContain('result')
    expect((await gather().finished).stderr).toContain('lost: 0; waiting: 1-2')
    const { shards } = (await answerOf(['shards', 'status', folder])) as unknown as SetStatus
    expect(shards.map(({ state }) => state)).toEqual(['lost', 'waiting', 'waiting'])
    expect(shards[0].fraction).toBeGreaterThan(0)
    expect(shards[0].memory!.mostBytes).toBeGreaterThan(2e7)
    const { stderr } = await ok(shard(0).finished)
    expect(stderr).toMatch(/Sampling \(shard 0 of 3, 6 chains, 1 thread, from its checkpoint\)/)
    expect(filesOf(0)).toEqual(['result'])
  })

  it('stops with a checkpoint upon SIGTERM and says how to go on', async () => {
    const stopped = shard(1)
    await stopped.said(/Sampling: \d+ %/)
    stopped.child.kill('SIGTERM')
    const { code, stderr } = await stopped.finished
    expect(code).toBe(130)
    expect(stderr).toContain(`Shard 1 was interrupted; resume with: spectroscope shards run ${folder} 1`)
    expect(filesOf(1).some((file) => file.endsWith('.checkpoint'))).toBe(true)
    expect(filesOf(1)).not.toContain('claim.1')
    await ok(shard(1, '--threads', '2').finished)
  })

  const claimElsewhere = (index: number, changes: object = {}): void => {
    mkdirSync(path('study-shards', 'shards', String(index)), { recursive: true })
    const holder = {
      host: `not-${hostname()}`,
      pid: 1,
      space: '',
      token: 'other',
      since: '2026-01-01T00:00:00Z',
      ...changes
    }
    writeFileSync(path('study-shards', 'shards', String(index), 'claim.1'), JSON.stringify(holder))
  }

  it('is left alone while another machine gives signs of life, waited for, and taken over where that is asked for', async () => {
    claimElsewhere(2)
    const refused = await shard(2, '--no-wait').finished
    expect(refused.code).toBe(5)
    expect(refused.stderr).toContain(`by process 1 on not-${hostname()}`)
    const waiting = shard(2)
    await waiting.said(/Shard 2 is held by process 1 on .*; this process waits/)
    await ok(shard(2, '--take-over').finished)
    expect(filesOf(2)).toEqual(['result'])
    expect((await ok(waiting.finished)).stdout).toContain('was already done')
  })

  it('goes on at once in the next attempt of a scheduler on another machine, and stops waiting when it is told to', async () => {
    const result = path('study-shards', 'shards', '2', 'result')
    const before = readFileSync(result)
    rmSync(result)
    claimElsewhere(2, { attempt: { task: 'slurm  7_2', number: 0 } })
    const attempt = { SLURM_ARRAY_JOB_ID: '7', SLURM_ARRAY_TASK_ID: '2', SLURM_JOB_ID: '9' }
    const same = start(['shards', 'run', folder, '2'], { ...attempt, SLURM_RESTART_COUNT: '0' })
    await same.said(/this process waits/)
    same.child.kill('SIGTERM')
    expect((await same.finished).code).toBe(130)
    await ok(start(['shards', 'run', folder, '2'], { ...attempt, SLURM_RESTART_COUNT: '1' }).finished)
    expect(filesOf(2)).toEqual(['result'])
    expect(readFileSync(result).subarray(-1004, -4).equals(before.subarray(-1004, -4))).toBe(true)
  })

  it.skipIf(!hasProc)('killed for memory says how much it used, and the line with more', async () => {
    const result = path('study-shards', 'shards', '2', 'result')
    const before = readFileSync(result)
    rmSync(result)
    const limit = { SLURM_MEM_PER_NODE: '60' }
    const starved = start(['shards', 'run', folder, '2', '--json', ...often], limit)
    await starved.said(/Sampling: \d+ %/)
    process.kill(starved.childOf('compute')!, 'SIGKILL')
    await starved.said(/a new one continues from the last checkpoint/)
    await until(() => starved.childOf('compute') !== undefined, 'another compute process')
    process.kill(starved.childOf('compute')!, 'SIGKILL')
    const { code, stdout, stderr } = await starved.finished
    expect(code).toBe(9)
    expect(stderr).toMatch(/Shard 2 ran out of memory: it used \d+ MB of the 63 MB that it may use; /)
    expect(stderr).toMatch(/`sbatch --array=2 --mem=\d+M .*sbatch\.sh`/)
    expect((JSON.parse(stdout) as { error: { limitBytes: number } }).error.limitBytes).toBe(60 * 2 ** 20)
    const said = (await gather().finished).stderr
    expect(said).toMatch(/ are not done \((interrupted|waiting): 2\); Shard 2 ran out of memory: it used \d+ MB /)
    expect(said).toMatch(/`sbatch --array=2 --mem=\d+M /)

    const silent = start(['shards', 'run', folder, '2', ...often], limit)
    await silent.said(/Sampling: \d+ %/)
    const progress = path('study-shards', 'shards', '2', 'progress.json')
    const used = (): number => {
      const { memory } = JSON.parse(readFileSync(progress, 'utf8')) as { memory: { mostBytes: number } }
      return memory.mostBytes
    }
    await until(() => existsSync(progress) && used() > 60 * 2 ** 20, 'a report of memory near the limit')
    silent.killAll()
    await silent.finished
    const { shards } = (await answerOf(['shards', 'status', folder])) as unknown as SetStatus
    expect(shards[2]).toMatchObject({ state: 'lost', memory: { ranOut: true } })
    writeFileSync(result, before)
    const rest = filesOf(2).filter((each) => each !== 'result')
    for (const name of rest) rmSync(path('study-shards', 'shards', '2', name))
  })

  it.skipIf(!hasProc)('stopped by a person at once lets go of what it had', async () => {
    const result = path('study-shards', 'shards', '2', 'result')
    const before = readFileSync(result)
    rmSync(result)
    const impatient = shard(2)
    await impatient.said(/Sampling: \d+ %/)
    process.kill(impatient.childOf('compute')!, 'SIGSTOP')
    impatient.child.kill('SIGINT')
    await impatient.said(/Saving a checkpoint/)
    expect(filesOf(2)).toContain('claim.1')
    const ended = once(impatient.child, 'exit')
    impatient.child.kill('SIGINT')
    expect(await ended).toEqual([130, null])
    expect(filesOf(2)).not.toContain('claim.1')
    impatient.killAll()
    await impatient.finished
    writeFileSync(result, before)
  })

  it('is worked on by two scripts beside each other, both of which end well', async () => {
    const folder = path('both')
    await ok(run(['shard', path('study.json'), '--shards', '2', '--into', folder]))
    const script = (): Promise<unknown> => promisify(execFile)(join(folder, 'run-all.sh'))
    await Promise.all([script(), script()])
    expect([0, 1].map((index) => readdirSync(join(folder, 'shards', String(index))))).toEqual([['result'], ['result']])
  })

  it('does nothing for a shard that is done, and refuses one that there is not', async () => {
    expect(await answerOf(['shards', 'run', folder, '2'])).toMatchObject({ shard: 2, already: true })
    const { code, stderr } = await shard(3).finished
    expect(code).toBe(2)
    expect(stderr).toContain('its shards are 0 to 2')
  })

  it('is refused where a result is damaged, which is sampled again', async () => {
    const result = path('study-shards', 'shards', '1', 'result')
    const before = readFileSync(result)
    const changed = Buffer.from(before)
    changed[changed.length >> 1] ^= 1
    writeFileSync(result, changed)
    const { code, stdout, stderr } = await gather('--json').finished
    expect(code).toBe(4)
    const command = `sbatch --array=1 ${folder}/sbatch.sh`
    const what = `1 of 3 results in ${folder} are damaged (shards 1)`
    expect(stderr).toContain(`${what}; start those not running with \`${command}\``)
    const error = { kind: 'input', states: { damaged: [1] }, missing: [1], commands: [command] }
    expect(JSON.parse(stdout)).toMatchObject({ error })
    expect(await answerOf(['shards', 'run', folder, '1'])).toMatchObject({ already: false })
    expect(readFileSync(result).subarray(-1004, -4).equals(before.subarray(-1004, -4))).toBe(true)
    expect((await runs()).filter(({ name, status }) => name === 'gathered' && status === 'finished')).toEqual([])
  })

  it('gathered, with a kill in between, is the run that was never divided, to the last bit', async () => {
    const killed = gather()
    await killed.said(/Sampling .*gathered from/)
    killed.killAll()
    await killed.finished
    await ok(gather('--json').finished)
    expect(await numbersOf('gathered')).toEqual(whole)
    expect((await runs()).map(({ name, status }) => [name, status])).toEqual([
      ['whole', 'finished'],
      ['gathered', 'finished']
    ])
  })

  it('is gathered once only', async () => {
    const { stderr } = await ok(gather().finished)
    expect(stderr).toMatch(/are already gathered as run /)
    expect(await runs()).toHaveLength(2)
  })

  it('is planned before anything is written, on an engine of other machines too', async () => {
    const plan = await answerOf(['shard', path('study.json'), '--plan', '--shards', '2', '--engine', 'onnx-cpu'])
    expect(plan).toMatchObject({ engine: 'onnx-cpu', shards: 2, tokens: 920, chains: 18, perTask: 1 })
    expect(plan['nodeSeconds']).toBeGreaterThan(40)
    const missing = await run(['shard', path('study.json')])
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('--plan for a suggestion')])
    const address = await run(['shard', path('study.json'), '--shards', '2', '--into', 's3://bucket/study'])
    expect([address.code, address.stderr]).toEqual([2, expect.stringContaining('"s3://bucket/study" is an address')])
    expect(existsSync('s3:')).toBe(false)
    await ok(run(['shard', path('study.json'), '--shards', '2', '--engine', 'onnx-cuda', '--into', path('elsewhere')]))
    const { engine } = JSON.parse(readFileSync(path('elsewhere', 'shards.json'), 'utf8')) as ShardSet
    expect(engine.name).toBe('onnx-cuda')
  })

  it('is refused to another build of the program', async () => {
    const file = path('study-shards', 'shards.json')
    const before = readFileSync(file, 'utf8')
    const { program } = JSON.parse(before) as ShardSet
    expect(program).toMatch(/^\d+\.\d+\.\d+\+[0-9a-f]{16}$/)
    writeFileSync(file, before.replace(program, '0.1.0+0123456789abcdef'))
    rmSync(path('study-shards', 'shards', '2', 'result'), { force: true })
    const { code, stderr } = await shard(2).finished
    const again = await run(['shard', path('study.json'), '--shards', '3'])
    writeFileSync(file, before)
    expect([code, stderr]).toEqual([2, expect.stringContaining('by build 0.1.0+0123456789abcdef of')])
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('by build 0.1.0+0123456789abcdef of')])
    await ok(shard(2).finished)
  })

  it('is divided once only, in as many shards as there are chains at most', async () => {
    const study = path('study.json')
    await ok(run(['shard', study, '--shards', '3']))
    expect(filesOf(1)).toEqual(['result'])
    const other = await run(['shard', study, '--shards', '2'])
    expect(other.code).toBe(2)
    expect(other.stderr).toContain('or the same run in 3 shards; choose another folder.')
    const many = await run(['shard', study, '--shards', '19', '--into', path('many')])
    expect(many.code).toBe(2)
    expect(many.stderr).toContain(
      'The run has only 18 chains or blocks to divide, not into 19 shards; ask for at most 18.'
    )
    expect(existsSync(path('many'))).toBe(false)
    const foreign = await run(['shard', study, '--shards', '2', '--into', path('model')])
    expect(foreign.code).toBe(2)
    expect(foreign.stderr).toContain('is not empty')
  })
})
