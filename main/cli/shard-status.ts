import { setTimeout as delay } from 'node:timers/promises'
import { Option } from 'commander'
import { plural } from '../../preload/plural'
import type { SetStatus, ShardStatus } from '../../preload/shards'
import { statusOfShards } from '../api/shards'
import { line, lines, print } from '../base/printed'
import type { Visible } from '../base/printed'
import type { CommandMaker } from './command-maker'
import { renderTable } from './table'
import { page } from './terminal'
import { duration, grouped, percent } from './text'
import type { Page } from './page'

interface StatusOptions {
  readonly workspace: string
  readonly trust?: boolean
  readonly json?: boolean
  readonly watch?: boolean
}

const watchSeconds = 5

const megabytes = (bytes: number): string => grouped(bytes / 1e6)

const memoryCell = ({ memory }: ShardStatus): string => {
  if (memory === null) return ''
  const limit = memory.limitBytes === null ? '' : ` of ${megabytes(memory.limitBytes)}`
  return `${megabytes(memory.mostBytes)}${limit} MB${memory.ranOut ? ', ran out' : ''}`
}

const stateCell = ({ state, silentSeconds }: ShardStatus): string =>
  state === 'lost' && silentSeconds !== null ? `lost, silent for ${duration(silentSeconds)}` : state

const counted = (shards: readonly ShardStatus[]): string => {
  const counts = new Map<string, number>()
  for (const { state } of shards) counts.set(state, (counts.get(state) ?? 0) + 1)
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ')
}

const nextLines = ({ folder, shards, commands, here }: SetStatus): string[] => {
  if (shards.every(({ state }) => state === 'done')) return [`Next: spectroscope gather ${folder}`]
  if (here === null) return []
  if (commands.length === 0) return ['The others wait for those that are running. Here:', `  ${here}`]
  return [
    'The others are not running. On Slurm:',
    ...commands.map((command) => `  ${command}`),
    'or here:',
    `  ${here}`
  ]
}

/** State of a divided run by shard, and commands for the remaining ones. */
export const statusText = (status: SetStatus, { width, bold }: Page): Visible => {
  const { shards, fraction, secondsLeft } = status
  const columns = [
    { title: 'shard', align: 'right' as const },
    { title: 'state' },
    { title: 'done', align: 'right' as const },
    { title: 'left', align: 'right' as const },
    { title: 'host', flexible: true },
    { title: 'job', flexible: true },
    { title: 'memory' }
  ]
  const rows = shards.map((shard) => [
    String(shard.index),
    stateCell(shard),
    percent(shard.fraction),
    shard.secondsLeft !== null ? duration(shard.secondsLeft) : shard.detail === null ? '' : 'unknown',
    shard.host ?? '',
    shard.job ?? '',
    memoryCell(shard)
  ])
  const left = secondsLeft === null || secondsLeft === 0 ? '' : `, ${duration(secondsLeft)} left`
  return lines(
    renderTable(columns, rows, width, bold),
    '',
    `${plural(shards.length, 'shard')}: ${counted(shards)}. ${percent(fraction)} of the work is done${left}.`,
    shards.flatMap(({ index, detail }) => (detail === null ? [] : [`Shard ${index}: ${detail}.`])),
    nextLines(status)
  )
}

/** Prints the status repeatedly until all shards are done. */
const watchStatus = async (folder: string): Promise<SetStatus> => {
  for (;;) {
    const status = await statusOfShards(folder)
    if (status.shards.every(({ state }) => state === 'done')) return status
    if (process.stdout.isTTY) print(line`\u001b[H\u001b[2J`)
    print(statusText(status, page()))
    await delay(1000 * watchSeconds)
  }
}

export const addShardStatus = ({ command, answer }: Pick<CommandMaker, 'command' | 'answer'>): void => {
  command(
    'status <folder>',
    'Show the progress of a divided run: state, host, job, memory, time left, and commands to run.',
    'shards status study-shards',
    'shards status /scratch/study --watch',
    'shards status study-shards --json'
  )
    .addOption(new Option('--watch', `refresh every ${watchSeconds} seconds until all are done`).conflicts('json'))
    .action((folder: string, { watch, ...options }: StatusOptions) =>
      answer(options, async () => {
        const status = await (watch === true ? watchStatus(folder) : statusOfShards(folder))
        return { json: status, text: statusText(status, page()) }
      })
    )
}
