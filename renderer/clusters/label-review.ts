import type { ClusteringPlace } from '../app/address'

/** What a person decided about a label that was not transferred by itself. */
export type Verdict = 'accepted' | 'refused'

/** Verdicts by the label's target on the source. */
export type Verdicts = Readonly<Record<string, Verdict>>

/** Verdicts of several reviews, by their clusterings; the latest review is last. */
export type Reviews = Readonly<Record<string, Verdicts>>

/** Key of the view that keeps reviews. */
export const reviewView = 'label-review'

/** Limit of the kept verdicts in characters of JSON, below the limit of a saved view. */
const mostCharacters = 200_000

/** Key of the review of labels of one clustering for another. */
export const reviewKey = (from: ClusteringPlace, to: ClusteringPlace): string =>
  `${from.run} ${from.clustering} → ${to.run} ${to.clustering}`

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isVerdict = (value: unknown): value is Verdict => value === 'accepted' || value === 'refused'

/** Kept reviews without what is not a verdict; undefined if it is something else. */
export const readReviews = (kept: unknown): Reviews | undefined =>
  isRecord(kept)
    ? Object.fromEntries(
        Object.entries(kept).map(([key, verdicts]): [string, Verdicts] => [
          key,
          Object.fromEntries(
            Object.entries(isRecord(verdicts) ? verdicts : {}).filter((entry): entry is [string, Verdict] =>
              isVerdict(entry[1])
            )
          )
        ])
      )
    : undefined

/** Reviews with the verdicts of one replaced. It becomes the latest; the oldest are dropped above the limit. */
export const withVerdicts = (reviews: Reviews, key: string, verdicts: Verdicts): Reviews => {
  const entries = Object.entries(reviews).filter(([other]) => other !== key)
  entries.push([key, verdicts])
  while (entries.length > 1 && JSON.stringify(entries).length > mostCharacters) entries.shift()
  return Object.fromEntries(entries)
}

/** Labels without a verdict. Skipped ones come last, in the order in which they were skipped. */
export const openLabels = <T extends { readonly target: string }>(
  labels: readonly T[],
  verdicts: Verdicts,
  skipped: readonly string[]
): readonly T[] =>
  labels
    .filter(({ target }) => !Object.hasOwn(verdicts, target))
    .map((label) => ({ label, turn: skipped.lastIndexOf(label.target) }))
    .sort((a, b) => a.turn - b.turn)
    .map(({ label }) => label)
