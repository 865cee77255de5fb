import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { hostname, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export { slurmLack } from '../../tools/ensure.mjs'

const execute = promisify(execFile)

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

/** One node of four processors, of whatever the machine has; without systemd and without control groups. */
const configuration = (folder: string, controllerPort: number, nodePort: number): string => `
ClusterName=spectroscope
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmctldPort=${controllerPort}
SlurmdPort=${nodePort}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that is queued again waits for its credentials to expire.
AuthInfo=socket=${join(folder, 'munge.socket')},cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation=${join(folder, 'state')}
SlurmdSpoolDir=${join(folder, 'spool')}
SlurmctldPidFile=${join(folder, 'slurmctld.pid')}
SlurmdPidFile=${join(folder, 'slurmd.pid')}
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
JobRequeue=1
MinJobAge=600
KillWait=5
NodeName=${hostname()} NodeAddr=127.0.0.1 CPUs=4 RealMemory=${Math.floor(totalmem() / 2 ** 20)} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`

export interface Job {
  readonly id: string
  readonly task: string
  readonly state: string
  readonly restarts: number
}

export interface Cluster {
  /** Standard output of a command of Slurm's. */
  readonly slurm: (
    command: string,
    args: readonly string[],
    environment?: Readonly<Record<string, string>>
  ) => Promise<string>
  /** All jobs of an array, also those that have ended. */
  readonly jobs: (array: string) => Promise<readonly Job[]>
  /** What the daemons have said. */
  readonly log: () => string
  readonly stop: () => Promise<void>
}

/** Asks until there is an answer that `holds`; Slurm tells nobody when something changes. */
export const eventually = async <T>(
  ask: () => Promise<T> | T,
  holds: (answer: T) => boolean,
  what: string,
  seconds = 60
): Promise<T> => {
  const end = Date.now() + 1000 * seconds
  let last: unknown = 'nothing'
  while (Date.now() < end) {
    try {
      const answer = await ask()
      if (holds(answer)) return answer
      last = answer
    } catch (error) {
      last = error
    }
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error(
    `Not within ${seconds} s: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`
  )
}

/** Starts Debian's munged, slurmctld and slurmd with files and ports of their own. */
export const startCluster = async (): Promise<Cluster> => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-slurm-'))
  // munged wants its socket to be reachable by all.
  chmodSync(folder, 0o755)
  for (const name of ['state', 'spool']) mkdirSync(join(folder, name))
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('munge.key'), randomBytes(1024), { mode: 0o400 })
  writeFileSync(path('slurm.conf'), configuration(folder, await freePort(), await freePort()))
  // Its start touches no control group, unlike that of version 2, which asks for systemd.
  writeFileSync(path('cgroup.conf'), 'CgroupPlugin=cgroup/v1\n')
  const environment = { ...process.env, SLURM_CONF: path('slurm.conf') }
  const daemons: ChildProcess[] = []
  let said = ''
  const daemon = (program: string, args: readonly string[]): void => {
    const child = spawn(join('/usr/sbin', program), args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (said += `${program}: ${data.toString()}`))
    child.once('error', (error) => (said += `${program}: ${error.message}\n`))
    daemons.push(child)
  }
  const killAll = (): void => daemons.forEach((child) => child.kill('SIGKILL'))
  process.once('exit', killAll)

  const slurm: Cluster['slurm'] = async (command, args, more = {}) =>
    (await execute(join('/usr/bin', command), [...args], { env: { ...environment, ...more } })).stdout
  const jobs: Cluster['jobs'] = async (array) =>
    (await slurm('scontrol', ['show', 'job', array, '--oneliner']))
      .split('\n')
      .filter((line) => line.includes('JobId='))
      .map((line) => {
        const value = (key: string): string => new RegExp(`(?:^| )${key}=(\\S+)`).exec(line)?.[1] ?? ''
        return {
          id: value('JobId'),
          task: value('ArrayTaskId'),
          state: value('JobState'),
          restarts: Number(value('Restarts'))
        }
      })
  const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null
  const stop = async (): Promise<void> => {
    await slurm('scancel', ['--user=root', '--signal=KILL', '--full']).catch(() => undefined)
    await slurm('scancel', ['--user=root']).catch(() => undefined)
    await eventually(
      () => slurm('squeue', ['--noheader']),
      (text) => text.trim() === '',
      'an empty queue',
      15
    ).catch(() => undefined)
    for (const child of daemons.toReversed()) {
      child.kill('SIGTERM')
      await eventually(
        () => ended(child),
        (yes) => yes,
        `the end of ${child.spawnfile}`,
        10
      ).catch(() => child.kill('SIGKILL'))
    }
    process.removeListener('exit', killAll)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  const log = (): string => said

  try {
    daemon('munged', [
      '--foreground',
      `--key-file=${path('munge.key')}`,
      `--socket=${path('munge.socket')}`,
      `--pid-file=${path('munged.pid')}`,
      `--log-file=${path('munged.log')}`,
      `--seed-file=${path('munged.seed')}`
    ])
    await eventually(
      () => existsSync(path('munge.socket')),
      (there) => there,
      'the socket of munged',
      20
    )
    daemon('slurmctld', ['-D', '-f', path('slurm.conf')])
    daemon('slurmd', ['-D', '-f', path('slurm.conf')])
    await eventually(
      () => slurm('sinfo', ['--noheader', '--format=%T']),
      (state) => state.trim() === 'idle',
      'an idle node',
      40
    )
    return { slurm, jobs, log, stop }
  } catch (error) {
    const more = existsSync(path('munged.log')) ? readFileSync(path('munged.log'), 'utf8') : ''
    await stop()
    throw new Error(`Slurm did not start: ${(error as Error).message}\n${said}\n${more}`, { cause: error })
  }
}
