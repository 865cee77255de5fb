import { expect, it } from 'vitest'
import { isOwnOrigin, isOwnPage } from '../../main/index/protocol'

const own = 'app://spectroscope'

it.each([
  'app://spectroscope.example',
  'app://spectroscope:1',
  'app://spectroscope//',
  'app://',
  'https://spectroscope',
  '',
  'null'
])('takes %s for no origin of the window', (origin) => {
  expect([isOwnOrigin(own), isOwnOrigin(`${own}/`), isOwnOrigin(origin)]).toEqual([true, true, false])
  expect(isOwnPage({ origin, parent: null })).toBe(false)
})

it('takes messages from the page itself alone', () => {
  expect(isOwnPage({ origin: own, parent: null })).toBe(true)
  expect(isOwnPage({ origin: own, parent: {} })).toBe(false)
  expect(isOwnPage(null)).toBe(false)
})
