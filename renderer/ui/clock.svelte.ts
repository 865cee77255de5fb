import { createSubscriber } from 'svelte/reactivity'
import { age } from './format'

const secondsBetween = 10

/** Has those that read the time read it again, now and then and when the window comes into sight. */
const follow = createSubscriber((update) => {
  const timer = window.setInterval(update, 1000 * secondsBetween)
  document.addEventListener('visibilitychange', update)
  return () => {
    window.clearInterval(timer)
    document.removeEventListener('visibilitychange', update)
  }
})

/** How long ago a time was, as `age` says it; goes on where it is shown. */
export const ago = (time: string): string => {
  follow()
  return age(time, Date.now())
}
