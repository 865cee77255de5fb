import { createSubscriber } from 'svelte/reactivity'
import { age } from './format'

const secondsBetween = 10

/** Updates readers of the time regularly, and when the window becomes visible. */
const follow = createSubscriber((update) => {
  const timer = window.setInterval(update, 1000 * secondsBetween)
  document.addEventListener('visibilitychange', update)
  return () => {
    window.clearInterval(timer)
    document.removeEventListener('visibilitychange', update)
  }
})

/** Age of a time, formatted by `age`; updates itself where it is shown. */
export const ago = (time: string): string => {
  follow()
  return age(time, Date.now())
}
