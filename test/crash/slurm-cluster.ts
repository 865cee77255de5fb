import { execFile, spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync
} from 'node:fs'
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

/** A node of the cluster, with its own host name unless it is the machine itself. */
interface Node {
  readonly name: string
  readonly port: number
}

export interface ClusterOptions {
  /** Host names of the nodes, each in its own namespace; the machine itself by default. */
  readonly nodes?: readonly string[]
  /** Limits tasks to the memory they request, by control groups. */
  readonly limitMemory?: boolean
}

/** Processors of each node, regardless of the machine's. */
const processors = 4

const memoryOf = (nodes: readonly Node[]): number => Math.floor(totalmem() / 2 ** 20 / nodes.length)

/**
 * Configuration of nodes without systemd. KillWait, and the lifetime of credentials, for which a requeued job waits,
 * are shorter than Slurm's defaults (30 and 120 s).
 */
const configuration = (
  folder: string,
  controllerPort: number,
  nodes: readonly Node[],
  limitMemory: boolean
): string => `
ClusterName=spectroscope
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmctldPort=${controllerPort}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=${join(folder, 'munge.socket')},cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=${limitMemory ? 'task/cgroup' : 'task/none'}
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=${limitMemory ? 'CR_CPU_Memory' : 'CR_CPU'}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
StateSaveLocation=${join(folder, 'state')}
SlurmdSpoolDir=${join(folder, 'spool-%n')}
SlurmctldPidFile=${join(folder, 'slurmctld.pid')}
SlurmdPidFile=${join(folder, 'slurmd-%n.pid')}
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
JobRequeue=1
MinJobAge=600
KillWait=5
${nodes
  .map(
    ({ name, port }) =>
      `NodeName=${name} NodeHostname=${name} NodeAddr=127.0.0.1 Port=${port} CPUs=${processors} ` +
      `RealMemory=${memoryOf(nodes)} State=UNKNOWN`
  )
  .join('\n')}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 State=UP
PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=10 State=UP
`

export interface Job {
  readonly id: string
  readonly task: string
  readonly state: string
  readonly restarts: number
}

export interface Cluster {
  /** Standard output of a Slurm command. */
  readonly slurm: (
    command: string,
    args: readonly string[],
    environment?: Readonly<Record<string, string>>
  ) => Promise<string>
  /** All jobs of an array, including ended ones. */
  readonly jobs: (array: string) => Promise<readonly Job[]>
  /** Kills a node's daemon and everything running on it, as a power cut would, and reports it to Slurm. */
  readonly loseNode: (name: string) => Promise<void>
  /** Output of the daemons. */
  readonly log: () => string
  readonly stop: () => Promise<void>
}

/** Polls until an answer `holds`, because Slurm does not announce changes. */
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

const linkOf = (path: string): string | null => {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

/** Processes in the namespace of a host name. */
const processesOn = (name: string): number[] => {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  const spaces = new Map(pids.map((pid) => [pid, linkOf(`/proc/${pid}/ns/uts`)]))
  const isDaemon = (pid: string): boolean => {
    try {
      const { stdout } = spawnSync('nsenter', ['--uts', '--target', pid, 'hostname'])
      return stdout.toString().trim() === name
    } catch {
      return false
    }
  }
  const own = linkOf('/proc/self/ns/uts')
  const others = [...new Set(spaces.values())].filter((space) => space !== null && space !== own)
  const space = others.find((each) => isDaemon(pids.find((pid) => spaces.get(pid) === each)!))
  return space === undefined ? [] : pids.filter((pid) => spaces.get(pid) === space).map(Number)
}

const killIfThere = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Starts Debian's munged, slurmctld and slurmd with their own files and ports. */
export const startCluster = async ({
  nodes: names = [hostname()],
  limitMemory = false
}: ClusterOptions = {}): Promise<Cluster> => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-slurm-'))
  // munged requires its socket to be accessible to all.
  chmodSync(folder, 0o755)
  for (const name of ['state', ...names.map((name) => `spool-${name}`)]) mkdirSync(join(folder, name))
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('munge.key'), randomBytes(1024), { mode: 0o400 })
  const nodes = await Promise.all(names.map(async (name): Promise<Node> => ({ name, port: await freePort() })))
  writeFileSync(path('slurm.conf'), configuration(folder, await freePort(), nodes, limitMemory))
  // Version 1 touches no control group at start; version 2 requires systemd.
  const limits = limitMemory ? 'ConstrainRAMSpace=yes\nAllowedSwapSpace=0\nConstrainSwapSpace=no\n' : ''
  writeFileSync(path('cgroup.conf'), `CgroupPlugin=cgroup/v1\n${limits}`)
  const environment = { ...process.env, SLURM_CONF: path('slurm.conf') }
  const daemons: ChildProcess[] = []
  const slurmds = new Map<string, ChildProcess>()
  let said = ''
  const daemon = (program: string, args: readonly string[], host?: string): ChildProcess => {
    const own = [join('/usr/sbin', program), ...args]
    const [first, ...rest] =
      host === undefined ? own : ['unshare', '--uts', 'sh', '-c', 'hostname "$0" && exec "$@"', host, ...own]
    const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (said += `${program}: ${data.toString()}`))
    child.once('error', (error) => (said += `${program}: ${error.message}\n`))
    daemons.push(child)
    return child
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
  const loseNode = async (name: string): Promise<void> => {
    slurmds.get(name)!.kill('SIGKILL')
    for (const pid of processesOn(name)) killIfThere(pid)
    await slurm('scontrol', ['update', `nodename=${name}`, 'state=down', 'reason=lost'])
  }
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
    for (const { name } of nodes)
      slurmds.set(name, daemon('slurmd', ['-D', '-f', path('slurm.conf')], name === hostname() ? undefined : name))
    await eventually(
      () => slurm('sinfo', ['--noheader', '--format=%T']),
      (state) => state.trim() === 'idle',
      'idle nodes',
      40
    )
    return { slurm, jobs, loseNode, log, stop }
  } catch (error) {
    const more = existsSync(path('munged.log')) ? readFileSync(path('munged.log'), 'utf8') : ''
    await stop()
    throw new Error(`Slurm did not start: ${(error as Error).message}\n${said}\n${more}`, { cause: error })
  }
}
