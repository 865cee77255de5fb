import { z } from 'zod'
import { entryPaths, linkHeader, linkPrefix } from '../preload/contract-entry'
import { entryAddress } from './bridge'

/** In the tab's own storage: a reload keeps it, a duplicate of the tab has it, and no other address sees it. */
const key = 'spectroscope.secret'
/** The view that an address led to before this tab had a link. */
const placeKey = 'spectroscope.place'

const answerSchema = z.object({ secret: z.string().min(1) })

export type Entry =
  | { readonly secret: string }
  /** `void`: the link was used or is too old. `none`: there was no link. `lost`: nobody answered. */
  | { readonly missing: 'void' | 'none' | 'lost' }

const exchanged = async (token: string): Promise<Entry> => {
  try {
    const headers = { [linkHeader]: token }
    const response = await fetch(entryAddress(entryPaths.exchange), { method: 'POST', headers })
    if (!response.ok) return { missing: 'void' }
    return answerSchema.parse(await response.json())
  } catch {
    return { missing: 'lost' }
  }
}

/** Takes the link out of the address, and exchanges it for the secret that lets this tab in; or has one already. */
export const enter = async (): Promise<Entry> => {
  const { hash, pathname, search } = window.location
  const kept = sessionStorage.getItem(key)
  const before: Entry = kept === null ? { missing: 'none' } : { secret: kept }
  if (!hash.startsWith(linkPrefix)) {
    if (kept === null && hash.startsWith('#/')) sessionStorage.setItem(placeKey, hash)
    return before
  }
  const entry = await exchanged(hash.slice(linkPrefix.length))
  // A link that nobody took is still good: loading the page again uses it.
  if (!('missing' in entry && entry.missing === 'lost')) {
    history.replaceState(null, '', pathname + search + (sessionStorage.getItem(placeKey) ?? ''))
    sessionStorage.removeItem(placeKey)
  }
  if ('secret' in entry) sessionStorage.setItem(key, entry.secret)
  return 'secret' in entry || kept === null ? entry : before
}

/** A link that is opened in a tab of the same address loads no page by itself. */
export const followLinks = (): void =>
  window.addEventListener('hashchange', () => window.location.hash.startsWith(linkPrefix) && window.location.reload())
