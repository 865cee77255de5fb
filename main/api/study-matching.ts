import type { StudyRecord } from '../../preload/records'
import { matchTokens } from '../labels/carry'
import { matchSpans } from '../labels/spans'
import type { SpelledStudy } from '../labels/spans'
import type { Workspace } from '../store/store'

/** How tokens of two studies were matched: by equal rows, or by their place in the text of the same documents. */
export type MatchedBy = 'rows' | 'text'

export interface StudyMatch {
  /** For every token of the left study, a token of the right one, or -1. */
  readonly matched: Int32Array
  readonly by: MatchedBy
}

const spelled = async (workspace: Workspace, run: string, study: StudyRecord): Promise<SpelledStudy> => {
  const { ids, texts } = await workspace.getTexts(run)
  const known = new Map(Array.from(ids, (id, at) => [id, texts[at]]))
  return { study, textOf: (id) => known.get(id) }
}

/** A run whose study has been read. */
interface RunStudy {
  readonly run: string
  readonly study: StudyRecord
}

/** For every token of the left study, the token at the same position of a row with the same ids, or -1. */
export const matchRows = (left: StudyRecord, right: StudyRecord): Int32Array => {
  const [rows, others] = [left, right].map(({ probe, targets }) => ({ rows: probe, targets }))
  return matchTokens(rows, others)
}

/** Matches the tokens of two runs whose studies have been read, as `matchStudies` does. */
export const matchKnown = async (workspace: Workspace, left: RunStudy, right: RunStudy): Promise<StudyMatch> => {
  const matched = matchRows(left.study, right.study)
  if (matched.some((token) => token >= 0)) return { matched, by: 'rows' }
  const [here, there] = [
    await spelled(workspace, left.run, left.study),
    await spelled(workspace, right.run, right.study)
  ]
  return { matched: matchSpans(here, there), by: 'text' }
}

/**
 * Matches the tokens of two runs: those at the same positions of rows with the same ids; if there are none, as where
 * the tokenizers or the lengths of rows differ, those at the same place in the text of the same documents.
 */
export const matchStudies = async (workspace: Workspace, left: string, right: string): Promise<StudyMatch> => {
  const study = await workspace.getStudy(left)
  const other = left === right ? study : await workspace.getStudy(right)
  return matchKnown(workspace, { run: left, study }, { run: right, study: other })
}
