/** Meanings of the window's terms, for somebody who has not read the paper. */
export const terms = {
  susceptibility: {
    word: 'Susceptibility χ',
    meaning:
      'How a part of the model (the embedding, a head, an MLP, the unembedding) responds when one token ' +
      'counts for more in the loss: a covariance over weights near the trained ones. Negative values mean ' +
      'that the part expresses the token, positive values that it suppresses it. Unit: nats².'
  },
  component: {
    word: 'Component',
    meaning:
      'A part of the model whose weights vary while the others stay fixed: the embedding, one attention ' +
      'head, one MLP, or the unembedding. Each component gives one column of χ.'
  },
  reliability: {
    word: 'Reliability',
    meaning:
      'How much of a column would come out the same with new draws: 1 is all signal, 0 is all noise. It is ' +
      'the correlation between two halves of the draws, stepped up to all of them (Spearman–Brown). Below ' +
      '0.5 a column is mostly noise; more rounds raise it.'
  },
  rHat: {
    word: 'R̂',
    meaning:
      'Compares the spread between chains with the spread within them. Near 1, the chains agree; above 1.1 ' +
      'they have not mixed, and their average cannot be trusted yet.'
  },
  learningCoefficient: {
    word: 'λ̂, local learning coefficient',
    meaning:
      'How quickly the loss rises around the trained weights, nβ (E[L] − L(w*)): the effective number of ' +
      'parameters that a component uses there, halved.'
  },
  effectiveShare: {
    word: 'Effective share',
    meaning:
      'How evenly the draws count after they are weighted to the posterior. Near 1, the data hardly move ' +
      'the posterior away from its Gaussian prior. Below 0.3 the estimate does not hold.'
  },
  conductance: {
    word: 'Conductance',
    meaning:
      'The share of a cluster’s edges, by weight, that lead out of it. Near 0, the cluster stands apart ' +
      'from all other tokens; near 1, it is no more connected within than to the rest.'
  },
  stability: {
    word: 'Stability',
    meaning:
      'How well a cluster is found again when only half of the draws is clustered: the overlap (Jaccard ' +
      'index) with its match, averaged over the ways to halve. Below 0.5 the cluster may be noise.'
  },
  stableShare: {
    word: 'Stable share',
    meaning:
      'The share of tokens in clusters with a stability of at least 0.5. “By chance” is the same for a ' +
      'cloud without clusters that has the same covariance and noise.'
  },
  strength: {
    word: 'Strength',
    meaning:
      'The share of halves in which a token is found in the match of its cluster. Core tokens are strong; ' +
      'edge tokens change clusters with the draws.'
  },
  lift: {
    word: 'Lift',
    meaning:
      'How many times as frequent something is in the cluster as in all tokens of the run. A lift of 1 is ' +
      'what chance gives.'
  },
  seed: {
    word: 'Seed',
    meaning:
      'The token from which the search for a local cluster started. The cluster is the group of tokens ' +
      'around it with the lowest conductance.'
  },
  unclustered: {
    word: 'Unclustered',
    meaning:
      'Tokens in no cluster. Where they are many, they are those that no cluster could be separated from: a ' +
      'gradient without borders, or noise.'
  },
  resolution: {
    word: 'Resolution',
    meaning:
      'How fine a division is: a higher resolution gives more and smaller clusters. “auto” takes the one ' +
      'whose stable clusters say most about a token.'
  },
  regions: {
    word: 'Regions, neighbourhoods, clusters',
    meaning:
      'Three levels of one tree. Regions are the coarsest; every neighbourhood lies within one region, and ' +
      'every cluster within one neighbourhood.'
  },
  precision: {
    word: 'Rule: precision and recall',
    meaning:
      'A rule predicts membership from the text, such as “is preceded by Multiply”. Recall is the share of ' +
      'the cluster that it selects, precision the share of what it selects that is in the cluster.'
  }
} as const satisfies Readonly<Record<string, { readonly word: string; readonly meaning: string }>>

export type TermName = keyof typeof terms
