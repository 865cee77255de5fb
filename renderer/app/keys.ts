/**
 * A key with its modifiers, in one spelling: "ctrl+shift+p", "alt+1", "space", "arrowdown", "?", "g". "mod" is ctrl,
 * or cmd on a Mac.
 */
export type KeyName = string

const isMac = (): boolean =>
  /mac/i.test((globalThis as { readonly navigator?: { readonly platform?: string } }).navigator?.platform ?? '')

const modifiers = ['ctrl', 'alt', 'shift', 'meta'] as const

/** Canonical spelling of a key from a person or a settings file. */
export const normaliseKey = (text: string): KeyName => {
  const parts = text
    .trim()
    .toLowerCase()
    .split(/(?<=.)\+/)
  const key = parts.at(-1) ?? ''
  const held = new Set(
    parts.slice(0, -1).map((part) => (part === 'mod' ? (isMac() ? 'meta' : 'ctrl') : part === 'cmd' ? 'meta' : part))
  )
  return [...modifiers.filter((modifier) => held.has(modifier)), key === ' ' ? 'space' : key].join('+')
}

/** The parts of a keyboard event that tell its key. */
export interface KeyPress {
  readonly key: string
  readonly ctrlKey: boolean
  readonly altKey: boolean
  readonly shiftKey: boolean
  readonly metaKey: boolean
}

/**
 * The key of an event. Shift is only named where it does not already show in the character ("?" rather than
 * "shift+?").
 */
export const keyOfEvent = (event: KeyPress): KeyName => {
  const key = event.key === ' ' ? 'space' : event.key.toLowerCase()
  const shows = event.key.length === 1 && event.key.toLowerCase() === event.key.toUpperCase()
  const held = [
    event.ctrlKey && 'ctrl',
    event.altKey && 'alt',
    event.shiftKey && !shows && 'shift',
    event.metaKey && 'meta'
  ].filter((part) => part !== false)
  return [...held, key].join('+')
}

const words: Readonly<Record<string, string>> = {
  ctrl: 'Ctrl',
  alt: 'Alt',
  shift: 'Shift',
  meta: '⌘',
  arrowdown: '↓',
  arrowup: '↑',
  arrowleft: '←',
  arrowright: '→',
  enter: 'Enter',
  escape: 'Esc',
  space: 'Space',
  delete: 'Del',
  backspace: '⌫',
  home: 'Home',
  end: 'End',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  tab: 'Tab'
}

/** Parts of a key, each shown in a box of its own. */
export const keyParts = (key: KeyName): string[] =>
  normaliseKey(key)
    .split(/(?<=.)\+/)
    .map((part) => words[part] ?? (part.length === 1 || /^f\d{1,2}$/.test(part) ? part.toUpperCase() : part))

const fields =
  'input:not([type=checkbox]):not([type=radio]):not([type=range]):not([type=button]), textarea, select, ' +
  '[contenteditable=""], [contenteditable="true"]'

/** Whether an event's keys go to a text field. */
export const isTyping = ({ target }: { readonly target: unknown }): boolean => {
  const element = target as { closest?(selector: string): unknown } | null
  return typeof element?.closest === 'function' && element.closest(fields) !== null
}
