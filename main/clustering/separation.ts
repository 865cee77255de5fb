/** Means and population standard deviations of columns, each [columns], in one unit. */
interface Moments {
  readonly means: ArrayLike<number>
  readonly deviations: ArrayLike<number>
}

/**
 * Functional separation of a cluster of `size` out of `tokens` tokens, 0 to 1: of the mean squared distance of its
 * tokens from the mean of the rest, the share that all of them have in common (docs/method.md, section 5.7). Columns
 * count in units of their deviation; constant ones do not count. 0 for a cluster of all tokens.
 */
export const separationOf = (cluster: Moments, all: Moments, size: number, tokens: number): number => {
  if (size >= tokens) return 0
  let [between, within] = [0, 0]
  for (let column = 0; column < all.means.length; column++) {
    const unit = all.deviations[column]
    if (!(unit > 0)) continue
    const own = (cluster.means[column] - all.means[column]) / unit
    // The mean of the rest lies on the other side of the mean of all, nearer by the ratio of their sizes.
    between += (own * (1 + size / (tokens - size))) ** 2
    within += (cluster.deviations[column] / unit) ** 2
  }
  return between + within === 0 ? 0 : between / (between + within)
}
