import { sweepSettingNames, sweepSettings } from '../../preload/contract'
import type { MemberState, Sweep, SweepEntry, SweepSetting } from '../../preload/contract'

/** States of a sweep or a member, as the list of runs words and marks those of runs. */
export const stateSigns: Readonly<Record<MemberState, { readonly word: string; readonly sign: string }>> = {
  waiting: { word: 'waiting', sign: '◷' },
  running: { word: 'running', sign: '●' },
  paused: { word: 'paused', sign: '❚❚' },
  failed: { word: 'failed', sign: '✕' },
  done: { word: 'finished', sign: '✓' }
}

export const doneShare = ({ members }: SweepEntry): number =>
  members.filter(({ state }) => state === 'done').length / members.length

/** Settings that a person can vary in the form, with the words for them. */
export const sweepChoices: readonly { readonly name: SweepSetting; readonly words: string }[] = sweepSettingNames.map(
  (name) => ({ name, words: sweepSettings[name].words })
)

/** Values of one setting, typed with commas between them. Null if there are none. */
export const sweepTyped = (name: SweepSetting, text: string): Sweep | null => {
  const values = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => (Number.isFinite(Number(part)) ? Number(part) : part))
  return values.length === 0 ? null : { [name]: values }
}
