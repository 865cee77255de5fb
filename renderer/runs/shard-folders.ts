import type { ShardFolder, ShardState, ShardStatus } from '../../preload/contract'
import { bytes, duration, percent, plural } from '../ui/format'

/** Key of the view state that holds the shard folders of each workspace. */
export const foldersKey = 'shards.folders'

/** Folders by workspace, the newest first. */
export type KeptFolders = Readonly<Record<string, readonly string[]>>

const isList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((folder) => typeof folder === 'string')

export const readFolders = (value: unknown): KeptFolders | undefined => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return Object.fromEntries(Object.entries(value).filter(([, folders]) => isList(folders)))
}

/** Most folders kept for a workspace. */
const mostFolders = 20

export const withFolder = (kept: KeptFolders, workspace: string, folder: string): KeptFolders => {
  const others = (kept[workspace] ?? []).filter((other) => other !== folder)
  return { ...kept, [workspace]: [folder, ...others].slice(0, mostFolders) }
}

export const withoutFolder = (kept: KeptFolders, workspace: string, folder: string): KeptFolders => ({
  ...kept,
  [workspace]: (kept[workspace] ?? []).filter((other) => other !== folder)
})

export const stateSigns: Readonly<Record<ShardState, string>> = {
  waiting: '○',
  running: '●',
  interrupted: '❚❚',
  lost: '▲',
  done: '✓',
  damaged: '✕'
}

export const stateWords = ({ state, silentSeconds }: ShardStatus): string =>
  state === 'lost' && silentSeconds !== null ? `lost, silent for ${duration(silentSeconds)}` : state

export const memoryWords = ({ memory }: ShardStatus): string => {
  if (memory === null) return ''
  const limit = memory.limitBytes === null ? '' : ` of ${bytes(memory.limitBytes)}`
  return `${bytes(memory.mostBytes)}${limit}${memory.ranOut ? ', ran out' : ''}`
}

export const isDone = ({ shards }: Pick<ShardFolder, 'shards'>): boolean =>
  shards.every(({ state }) => state === 'done')

/** "12 shards: 4 running, 8 done. 40 % of the work is done, 12 min left" */
export const wholeWords = ({ shards, fraction, secondsLeft }: ShardFolder): string => {
  const counts = new Map<string, number>()
  for (const { state } of shards) counts.set(state, (counts.get(state) ?? 0) + 1)
  const counted = [...counts].map(([word, count]) => `${count} ${word}`).join(', ')
  const left = secondsLeft === null || secondsLeft === 0 ? '' : `, ${duration(secondsLeft)} left`
  return `${plural(shards.length, 'shard')}: ${counted}. ${percent(fraction)} of the work is done${left}`
}
