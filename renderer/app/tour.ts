/** One step of the tour: its target, the position of its card, and its text. */
export interface TourStep {
  readonly title: string
  readonly words: string
  /** Selectors of the target; the first that matches is used. */
  readonly anchors: readonly string[]
  /** Position of the card relative to the target, as CSS `position-area`. */
  readonly area: string
  readonly view: 'runs' | 'explore'
  /** Commands whose keys are worth knowing here. */
  readonly commands: readonly string[]
}

export const tourSteps: readonly TourStep[] = [
  {
    title: 'Runs',
    words:
      'A run measures how each part of a model responds when one token of a corpus counts for more. “New ' +
      'run…” starts one of your own; a finished run opens in Explore.',
    anchors: ['section[aria-label="Runs"] [data-run]', 'section[aria-label="Runs"]'],
    area: 'bottom',
    view: 'runs',
    commands: ['runs.new']
  },
  {
    title: 'The map',
    words:
      'Every point is one token in its context. Tokens that the parts of the model respond to alike lie ' +
      'together. Scroll to zoom, drag to move, click a point to open its cluster.',
    anchors: ['section[aria-label="Graph"]'],
    area: 'center',
    view: 'explore',
    commands: ['graph.fit', 'graph.find']
  },
  {
    title: 'The clusters',
    words:
      'Groups of tokens that respond alike, as a tree. Stability says how well a group is found again with ' +
      'half of the draws: read the stable ones first, and be wary of those below 0.5.',
    anchors: ['[role="listbox"][aria-label="Clusters"]'],
    area: 'right',
    view: 'explore',
    commands: ['clusters.next', 'clusters.previous', 'clusters.search']
  },
  {
    title: 'The tokens',
    words:
      'The rule that predicts the cluster best stands on top, then its patterns, top tokens and χ per ' +
      'component, and below them the tokens in their contexts. A “?” explains a term.',
    anchors: ['section[aria-label="Gallery"]'],
    area: 'left',
    view: 'explore',
    commands: []
  },
  {
    title: 'Names',
    words:
      'Name what the tokens have in common. Changes save automatically and can be undone. “Export” takes ' +
      'the named set with you.',
    anchors: ['section[aria-label="Label"]'],
    area: 'right',
    view: 'explore',
    commands: ['labels.name', 'edit.undo', 'exports.open', 'keys.show']
  }
]
