/** "3.2×", "0.4×", "120×": how many times as frequent. */
export const times = (lift: number): string =>
  Number.isFinite(lift) ? `${lift >= 99.5 ? Math.round(lift).toLocaleString('en') : lift.toPrecision(2)}×` : '–'

/** Strength of a token in words: "strength 0.83: in the group in 5 of 6 split halves of the draws". */
export const strengthWords = (strength: number, halves: number): string => {
  const often =
    halves > 0 ? `: in the group in ${Math.round(strength * halves)} of ${halves} split halves of the draws` : ''
  return `strength ${strength.toFixed(2)}${often}`
}

/** "3.2 times as often as in the corpus", "a third as often", "about as often". */
export const liftWords = (lift: number): string => {
  if (!Number.isFinite(lift)) return 'not elsewhere in the corpus'
  if (lift === 0) return 'never here'
  if (lift >= 0.9 && lift <= 1.1) return 'about as often as in the corpus'
  return lift > 1
    ? `${times(lift).slice(0, -1)} times as often as in the corpus`
    : `${(1 / lift).toPrecision(2)} times as rarely as in the corpus`
}
