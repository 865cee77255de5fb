import { keyParts, normaliseKey } from '../app/keys'
import type { KeyName } from '../app/keys'

/** The parts of a command that the key editor needs, as plain JSON to save between sessions. */
export interface KnownCommand {
  readonly id: string
  readonly label: string
  readonly group: string
  readonly keys: readonly KeyName[]
  readonly whileTyping: boolean
}

type Given = Pick<KnownCommand, 'id' | 'label' | 'group'> & {
  readonly keys?: readonly KeyName[]
  readonly whileTyping?: boolean
}
export const knownOf = ({ id, label, group, keys, whileTyping }: Given): KnownCommand => ({
  id,
  label,
  group,
  keys: (keys ?? []).map(normaliseKey),
  whileTyping: whileTyping ?? false
})

/** Commands saved by `views.save`; undefined if invalid. */
export const readKnown = (value: unknown): readonly KnownCommand[] | undefined => {
  if (!Array.isArray(value)) return undefined
  const isKnown = (each: unknown): each is KnownCommand => {
    if (typeof each !== 'object' || each === null) return false
    const { id, label, group, keys, whileTyping } = each as Readonly<Record<keyof KnownCommand, unknown>>
    return (
      [id, label, group].every((text) => typeof text === 'string') &&
      Array.isArray(keys) &&
      keys.every((key) => typeof key === 'string') &&
      typeof whileTyping === 'boolean'
    )
  }
  return value.filter(isKnown)
}

/**
 * Commands known now, then saved ones of views that are not open; by group, in order of first appearance.
 */
export const merged = (
  now: readonly KnownCommand[],
  kept: readonly KnownCommand[]
): readonly (readonly [group: string, commands: readonly KnownCommand[]])[] => {
  const there = new Set(now.map(({ id }) => id))
  const all = [...now, ...kept.filter(({ id }) => !there.has(id))]
  return [...new Set(all.map(({ group }) => group))].map((group) => [
    group,
    all.filter((command) => command.group === group)
  ])
}

const shown = (key: KeyName): string => keyParts(key).join(' ')
const held = (key: KeyName): readonly string[] =>
  normaliseKey(key)
    .split(/(?<=.)\+/)
    .slice(0, -1)
const bare = (key: KeyName): string =>
  normaliseKey(key)
    .split(/(?<=.)\+/)
    .at(-1) ?? ''

const modifierKeys = new Set([
  'control',
  'shift',
  'alt',
  'meta',
  'altgraph',
  'capslock',
  'dead',
  'process',
  'unidentified',
  'fn'
])
/** Whether only a modifier is pressed so far, or a key that programs do not receive. */
export const isUnfinished = (key: KeyName): boolean => modifierKeys.has(bare(key)) || bare(key) === ''

const reserved: Readonly<Record<string, string>> = {
  tab: 'moves between fields',
  'shift+tab': 'moves between fields',
  f5: 'reloads the window',
  'ctrl+r': 'reloads the window',
  'meta+r': 'reloads the window',
  'ctrl+w': 'closes a window',
  'meta+w': 'closes a window',
  'ctrl+t': 'opens a tab',
  'meta+t': 'opens a tab',
  'ctrl+n': 'opens a window',
  'meta+n': 'opens a window',
  'meta+q': 'quits the program',
  'alt+f4': 'closes a window',
  'ctrl+c': 'copies',
  'meta+c': 'copies',
  'ctrl+v': 'pastes',
  'meta+v': 'pastes',
  'ctrl+x': 'cuts',
  'meta+x': 'cuts',
  'ctrl+a': 'selects all',
  'meta+a': 'selects all'
}

/** Why a key cannot be assigned to a command, in a sentence; null if it can. */
export const refusal = (command: KnownCommand, key: KeyName): string | null => {
  const name = normaliseKey(key)
  if (reserved[name] !== undefined) return `${shown(name)} ${reserved[name]} in most programs, so it is reserved.`
  const isFunction = /^f\d{1,2}$/.test(bare(name))
  const types = !held(name).some((modifier) => modifier !== 'shift') && !isFunction
  if (command.whileTyping && types && bare(name) !== 'escape')
    return (
      `“${command.label}” also works in text fields, where ${shown(name)} types or moves the cursor. Add Ctrl, ` +
      'Alt or ⌘, or use a function key.'
    )
  return null
}

const global = new Set(['go', 'theme', 'palette', 'keys', 'edit', 'exports', 'imports', 'window', 'files'])
const apart = new Set(['runs', 'run', 'settings', 'compare'])
/** Where a command is available: everywhere, in one view, or in the panes of Explore. */
const availableIn = ({ id }: KnownCommand): string => {
  const [prefix] = id.split('.')
  return global.has(prefix) ? 'everywhere' : apart.has(prefix) ? prefix : 'explore'
}
const canMeet = (a: KnownCommand, b: KnownCommand): boolean => {
  const [left, right] = [availableIn(a), availableIn(b)]
  return left === right || left === 'everywhere' || right === 'everywhere'
}

export type KeysInForce = (command: KnownCommand) => readonly KeyName[]

/** Commands that share a key with this one in the same place. */
export const conflicts = (
  command: KnownCommand,
  keys: readonly KeyName[],
  all: readonly KnownCommand[],
  inForce: KeysInForce
): readonly { readonly key: KeyName; readonly other: KnownCommand }[] =>
  all
    .filter((other) => other.id !== command.id && canMeet(command, other))
    .flatMap((other) =>
      inForce(other)
        .filter((key) => keys.map(normaliseKey).includes(key))
        .map((key) => ({ key, other }))
    )

export const isSame = (a: readonly KeyName[], b: readonly KeyName[]): boolean =>
  a.length === b.length && a.every((key, index) => normaliseKey(key) === normaliseKey(b[index]))
