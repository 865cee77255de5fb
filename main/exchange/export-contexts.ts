import type { TokenInContext } from '../../preload/records'
import type { Workspace } from '../store/store'

/** Tokens on each side of a member. */
const contextTokens = 16
/** Members held in memory at once, with their contexts. */
const contextsAtOnce = 2_000

/** Members of a group, ascending, with their strengths in it; no strengths if the draws were not split. */
export interface Members {
  readonly tokens: number[]
  readonly strengths: number[]
}

const contextEntry = (
  { token, row, position, id, text, subset, file, record, before, after }: TokenInContext,
  strength: number | null
): string =>
  JSON.stringify({
    token,
    row,
    position,
    id,
    text,
    subset,
    document: file === null ? null : { file, record },
    strength,
    before: before.join(''),
    after: after.join('')
  })

/** One JSON object for each member, in their order: the token, where it stands, and the text around it. */
export const contexts = async function* (
  workspace: Workspace,
  run: string,
  { tokens, strengths }: Members
): AsyncGenerator<string> {
  for (let first = 0; first < tokens.length; first += contextsAtOnce) {
    const page = await workspace.getTokens(run, tokens.slice(first, first + contextsAtOnce), {
      before: contextTokens,
      after: contextTokens
    })
    for (const [at, token] of page.entries()) yield contextEntry(token, strengths[first + at] ?? null)
  }
}
