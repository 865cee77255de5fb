import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { quickChains } from '../quick-chains'
import { isBuilt, run, scratch, writeStudy } from './command'
import { eventually, slurmLack, startCluster } from './slurm-cluster'
import type { Cluster, Job } from './slurm-cluster'

const { path, remove } = scratch()
const workspace = path('workspace')
/** The folder is moved after it was made. */
const shards = path('moved shards')
const exported = ['susceptibilities.npy', 'standard_errors.npy', 'components.json', 'tokens.csv', 'clusters.json']

const done = async (args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(args)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return stdout
}

const numbersOf = async (name: string): Promise<Record<string, string>> => {
  await done(['export', name, '--workspace', workspace, '--format', 'npy', '--out', path(`export-${name}`)])
  return Object.fromEntries(
    exported.map((file) => [file, readFileSync(path(`export-${name}`, file)).toString('base64')])
  )
}

const ofShard = (index: number, ...parts: string[]): string => join(shards, 'shards', String(index), ...parts)

/** Waits until a shard is at work and has written checkpoints; gives its process. */
const underWay = async (index: number): Promise<number> => {
  await eventually(
    () => existsSync(ofShard(index)) && readdirSync(ofShard(index)).some((name) => name.endsWith('-1.checkpoint')),
    (there) => there,
    `checkpoints of shard ${index}`
  )
  return (JSON.parse(readFileSync(ofShard(index, 'claim.1'), 'utf8')) as { pid: number }).pid
}

const lack = isBuilt ? slurmLack() : 'the program is not built'

if (lack !== undefined) describe('shards of a run on Slurm', () => it.skip(`is skipped: ${lack}`))
else
  describe('shards of a run on Slurm', () => {
    let cluster: Cluster | undefined

    beforeAll(async () => {
      const study = await writeStudy(path, {
        sampler: { ...quickChains, stepSize: 1e-4, draws: 12, stepsBetweenDraws: 30, estimator: 'two-chain' }
      })
      cluster = await startCluster()
      await done(['shard', study, '--shards', '3', '--threads', '1', '--at-once', '3', '--checkpoint-every', '0.05'])
      renameSync(path('study-shards'), shards)
      await done(['run', study, '--workspace', workspace, '--name', 'whole'])
    })
    afterAll(async () => {
      await cluster?.stop()
      await remove()
    })

    it('killed, queued again and near their time limit go on from their checkpoints, and make the run that was never divided', async () => {
      const { slurm, jobs, log } = cluster!
      const array = /batch job (\d+)/.exec(await slurm('bash', [join(shards, 'submit.sh')]))![1]
      await Promise.all([
        underWay(0).then((pid) => process.kill(pid, 'SIGKILL')),
        underWay(1).then(() => slurm('scontrol', ['requeue', `${array}_1`])),
        underWay(2).then(() => slurm('scancel', ['--batch', '--signal=USR1', `${array}_2`]))
      ])
      const isOver = ({ state }: Job): boolean =>
        !['PENDING', 'RUNNING', 'COMPLETING', 'CONFIGURING', 'REQUEUED'].includes(state)
      const logOf = (task: number): string => readFileSync(join(shards, 'logs', `${task}.log`), 'utf8')
      const logs = (): string => [0, 1, 2].map(logOf).join('\n')
      const over = await eventually(
        () => jobs(array),
        (all) => all.length === 3 && all.every(isOver),
        'an end of all jobs',
        90
      ).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}\n${logs()}\n${log()}`)
      })
      expect(over.map(({ task, state, restarts }) => [task, state, restarts]).sort(), logs()).toEqual([
        ['0', 'COMPLETED', 1],
        ['1', 'COMPLETED', 1],
        ['2', 'COMPLETED', 1]
      ])
      for (const task of [0, 1, 2]) {
        expect(logOf(task)).toMatch(new RegExp(`shard ${task} of 3, 6 chains, 1 thread, from its checkpoint`))
        expect(readdirSync(ofShard(task))).toEqual(['result'])
      }
      expect(logOf(0)).toContain('Shard 0 ended with 137 (killed); it is queued again.')
      expect(logOf(2)).toContain('Shard 2 ended with 130 (limit); it is queued again.')

      await done(['gather', shards, '--workspace', workspace, '--name', 'gathered'])
      const [undivided, gathered] = [await numbersOf('whole'), await numbersOf('gathered')]
      for (const file of exported)
        expect(gathered[file] === undivided[file], `${file} is that of the undivided run`).toBe(true)
    })
  })
