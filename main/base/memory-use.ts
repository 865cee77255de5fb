import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const childrenOf = (pid: number): number[] =>
  textOf(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((word) => word !== '')
    .map(Number)

const residentBytes = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0)

/** Resident bytes of this process and all its descendants. Without /proc, of this process alone. */
export const memoryUsed = (pid = process.pid): number => {
  const own = pid === process.pid ? process.memoryUsage.rss() : residentBytes(pid)
  return childrenOf(pid).reduce((sum, child) => sum + memoryUsed(child), own)
}

const mebibytes = (text: string | undefined): number =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) * 2 ** 20 : NaN

/**
 * Memory limit of this process in bytes, as set by Slurm (`--mem`, `--mem-per-cpu`) or its control group. Null if
 * neither sets a limit below the machine's memory.
 */
export const memoryLimit = (
  environment: NodeJS.ProcessEnv = process.env,
  ofGroup = process.constrainedMemory()
): number | null => {
  const perNode = mebibytes(environment['SLURM_MEM_PER_NODE'])
  const perProcessor = mebibytes(environment['SLURM_MEM_PER_CPU']) * Number(environment['SLURM_CPUS_ON_NODE'] ?? NaN)
  const limits = [perNode, perProcessor, ofGroup].filter((bytes) => bytes > 0 && bytes < totalmem())
  return limits.length === 0 ? null : Math.min(...limits)
}

/** Files in which the control group of this process may count out-of-memory kills: version 2, then version 1. */
const killFiles = (): string[] => {
  const lines = textOf('/proc/self/cgroup').split('\n')
  const pathIn = (pattern: RegExp): string | undefined =>
    lines.map((line) => pattern.exec(line)?.[1]).find((path) => path !== undefined)
  const [second, first] = [pathIn(/^0::(.*)$/), pathIn(/^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/)]
  return [
    ...(second === undefined ? [] : [join('/sys/fs/cgroup', second, 'memory.events'), '/sys/fs/cgroup/memory.events']),
    ...(first === undefined
      ? []
      : [join('/sys/fs/cgroup/memory', first, 'memory.oom_control'), '/sys/fs/cgroup/memory/memory.oom_control'])
  ]
}

/**
 * Number of processes in this process's control group that the kernel has killed for lack of memory; 0 if unknown.
 */
export const memoryKills = (files = killFiles()): number => {
  for (const file of files) {
    const count = /^oom_kill (\d+)$/m.exec(textOf(file))?.[1]
    if (count !== undefined) return Number(count)
  }
  return 0
}
