import type { Visible } from '../base/printed'
import { wrap, visibleText } from './text'

/** Where text goes: its width in columns (Infinity where it is no terminal), and how to make it stand out there. */
export interface Page {
  readonly width: number
  readonly bold: (text: string) => Visible
}

export const paragraph = (text: string, { width }: Page, indent = ''): string[] =>
  width === Infinity ? [text] : wrap(visibleText(text), width, indent)
