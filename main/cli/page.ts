import type { Visible } from '../base/printed'
import { wrap, visibleText } from './text'

/** Layout of the output: its width in columns (Infinity if it is not a terminal), and how to emphasise text. */
export interface Page {
  readonly width: number
  readonly bold: (text: string) => Visible
}

export const paragraph = (text: string, { width }: Page, indent = ''): string[] =>
  width === Infinity ? [text] : wrap(visibleText(text), width, indent)
