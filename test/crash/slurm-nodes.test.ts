import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SetStatus, ShardStatus } from '../../preload/shards'
import { quickChains } from '../quick-chains'
import { commandLine, isBuilt, numbersOf, run, scratch, writeStudy } from './command'
import { eventually, slurmLack, startCluster } from './slurm-cluster'
import type { Cluster, Job } from './slurm-cluster'

const { path, remove } = scratch()
const workspace = path('workspace')
const shards = path('study-shards')
const nodes = ['node-a', 'node-b']

const done = async (args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(args)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return stdout
}

/** Children of a process; none once it has ended. */
const childrenOf = (pid: number): number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Sends a signal to those processes that have not ended. Gives them. */
const signalAll = (pids: readonly number[], signal: NodeJS.Signals): number[] =>
  pids.filter((pid) => {
    try {
      return process.kill(pid, signal)
    } catch {
      return false
    }
  })

/** What the machine lacks for nodes with names of their own. */
const nodesLack = (): string | undefined =>
  spawnSync('unshare', ['--uts', 'hostname', 'other']).status === 0
    ? undefined
    : 'a process may not have a host name of its own here'
const memoryLack = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes')
  ? undefined
  : 'there are no control groups of version 1 here'
const lack = isBuilt ? (slurmLack() ?? nodesLack()) : 'the program is not built'

if (lack !== undefined) describe('shards on a Slurm of two nodes', () => it.skip(`is skipped: ${lack}`))
else
  describe('shards on a Slurm of two nodes', () => {
    let cluster: Cluster | undefined
    const script = join(shards, 'sbatch.sh')

    const queue = async (index: number, ...options: readonly string[]): Promise<string> => {
      const said = await cluster!.slurm('sbatch', [`--array=${index}`, ...options, script])
      return /batch job (\d+)/.exec(said)![1]
    }
    const statusOf = async (index: number): Promise<ShardStatus> => {
      const status = JSON.parse(await done(['shards', 'status', shards, '--json'])) as SetStatus
      return status.shards[index]
    }
    const filesOf = (index: number): readonly string[] => {
      const folder = join(shards, 'shards', String(index))
      return existsSync(folder) ? readdirSync(folder) : []
    }
    const underWay = (index: number): Promise<unknown> =>
      eventually(
        () => filesOf(index),
        (files) => files.includes('claim.1') && files.some((name) => name.endsWith('-1.checkpoint')),
        `checkpoints of shard ${index}`
      )
    /** Processes that compute a shard. There are none once its program was told to end. */
    const computing = (index: number): number[] => {
      const isItsProgram = (pid: string): boolean => commandLine(pid).includes(` shards run ${shards} ${index} `)
      const programs = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isItsProgram(pid))
      return programs.flatMap((pid) => childrenOf(Number(pid)))
    }
    const logOf = (index: number): string => {
      const file = join(shards, 'logs', `${index}.log`)
      return existsSync(file) ? readFileSync(file, 'utf8') : ''
    }
    const isOver = ({ state }: Job): boolean =>
      !['PENDING', 'RUNNING', 'COMPLETING', 'CONFIGURING', 'REQUEUED', 'PREEMPTED'].includes(state)
    const over = async (job: string, index: number): Promise<Job> => {
      const [ended] = await eventually(
        () => cluster!.jobs(job),
        (all) => all.length === 1 && all.every(isOver),
        `the end of shard ${index}`,
        180
      ).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}\n${logOf(index)}\n${cluster!.log()}`)
      })
      return ended
    }
    const goesOn = (index: number): void => {
      expect(logOf(index)).toMatch(/threads?, from its checkpoint/)
      expect(filesOf(index)).toEqual(['result'])
    }

    beforeAll(async () => {
      const study = await writeStudy(path, {
        sampler: { ...quickChains, stepSize: 1e-4, draws: 40, stepsBetweenDraws: 30, estimator: 'two-chain' }
      })
      cluster = await startCluster({ nodes, limitMemory: memoryLack === undefined })
      await done(['shard', study, '--shards', '5', '--threads', '1', '--checkpoint-every', '0.05'])
      await done(['run', study, '--workspace', workspace, '--name', 'whole'])
    })
    afterAll(async () => {
      await cluster?.stop()
      await remove()
    })

    it('go on when a partition of a higher tier takes their node', async () => {
      const job = await queue(0, '--nodelist=node-a', '--cpus-per-task=4')
      await underWay(0)
      expect(await statusOf(0)).toMatchObject({ state: 'running', host: 'node-a' })
      const urgent = ['--partition=urgent', '--nodelist=node-a', '--cpus-per-task=4', '--output=/dev/null']
      await cluster!.slurm('sbatch', [...urgent, '--mem=50M', '--wrap=true'])
      expect(await over(job, 0)).toMatchObject({ state: 'COMPLETED', restarts: 1 })
      goesOn(0)
    })

    it('that are cancelled are interrupted, and go on by the command that the status names', async () => {
      const job = await queue(1)
      await underWay(1)
      await cluster!.slurm('scancel', [job])
      expect(await over(job, 1)).toMatchObject({ state: 'CANCELLED' })
      expect(['interrupted', 'lost']).toContain((await statusOf(1)).state)
      expect(await over(await queue(1), 1)).toMatchObject({ state: 'COMPLETED' })
      goesOn(1)
    })

    it('go on after they were told of their time limit', async () => {
      const job = await queue(2, '--time=2')
      await underWay(2)
      // Slurm looks at limits now and then, so the shard is held until it is told, unless it has been told already.
      const held = signalAll(computing(2), 'SIGSTOP')
      const told = /Saving a checkpoint|\(limit\); it is queued again/
      await eventually(
        () => logOf(2),
        (log) => told.test(log),
        'a signal before the time limit',
        120
      )
      signalAll(held, 'SIGCONT')
      const ended = await over(job, 2)
      expect(ended.state, `${logOf(2)}\n${cluster!.log()}`).toBe('COMPLETED')
      expect(ended.restarts, logOf(2)).toBeGreaterThan(0)
      expect(logOf(2)).toContain('(limit); it is queued again.')
      goesOn(2)
    })

    if (memoryLack !== undefined) it.skip(`that run out of memory are skipped: ${memoryLack}`)
    else
      it('that run out of memory say so, and are done with what the status asks for', async () => {
        const job = await queue(3, '--mem=110M')
        expect((await over(job, 3)).state).not.toBe('COMPLETED')
        const status = JSON.parse(await done(['shards', 'status', shards, '--json'])) as SetStatus
        expect(status.shards[3], logOf(3)).toMatchObject({ memory: { ranOut: true } })
        const command = status.commands.find((each) => each.includes('--array=3 '))!
        const [, memory] = /--mem=(\d+)M/.exec(command)!
        expect(Number(memory)).toBeGreaterThanOrEqual(220)
        const again = await queue(3, `--mem=${memory}M`)
        expect(await over(again, 3)).toMatchObject({ state: 'COMPLETED' })
        expect(filesOf(3)).toEqual(['result'])
      })

    it('go on elsewhere when their node is lost', async () => {
      const job = await queue(4)
      await underWay(4)
      const { host, pid } = await statusOf(4)
      expect(nodes).toContain(host)
      // Held, so that it is not done before its node is lost, which takes it along.
      const held = [pid!, ...childrenOf(pid!)]
      signalAll(held, 'SIGSTOP')
      await cluster!.loseNode(host!)
      signalAll(held, 'SIGKILL')
      expect(await over(job, 4)).toMatchObject({ state: 'COMPLETED', restarts: 1 })
      goesOn(4)
    })

    it('come to the run that was never divided', async () => {
      if (memoryLack !== undefined) await over(await queue(3), 3)
      await done(['gather', shards, '--workspace', workspace, '--name', 'gathered'])
      expect(await numbersOf('gathered', workspace)).toEqual(await numbersOf('whole', workspace))
    })
  })
