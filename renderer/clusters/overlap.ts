/** Jaccard overlap below which clusters count as unrelated: *Compare* hides them, and a review does not offer them. */
export const leastOverlap = 0.05
