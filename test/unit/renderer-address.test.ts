import { describe, expect, it } from 'vitest'
import { fragmentOf, routeAt } from '../../renderer/app/address'
import type { Route } from '../../renderer/app/address'

const routes: readonly Route[] = [
  { view: 'runs' },
  { view: 'new-run' },
  { view: 'settings' },
  { view: 'run', run: 'a1b2', tab: 'heat-map' },
  { view: 'explore', run: 'a run/of #2 % “names”', clustering: 2 },
  { view: 'explore', run: 'a1b2', clustering: 2, cluster: 17 },
  { view: 'explore', run: 'a1b2', clustering: 2, cluster: -1 },
  { view: 'compare' },
  { view: 'compare', left: { run: 'a', clustering: 1 }, right: { run: 'b', clustering: 3 } },
  { view: 'compare', left: { run: 'a', clustering: 1 } },
  { view: 'compare', right: { run: 'b', clustering: 3 } }
]

describe('the address of a view', () => {
  it.each(routes)('leads back to it: %j', (route) => {
    expect(routeAt(fragmentOf(route))).toEqual(route)
  })

  it('leaves out what a form was filled in from', () => {
    expect(routeAt(fragmentOf({ view: 'new-run', from: 'a1b2', dropped: '/some/file' }))).toEqual({ view: 'new-run' })
  })

  it.each([
    '',
    '#main',
    '#token=abc',
    '#/',
    '#/nowhere',
    '#/runs/more',
    '#/run/a1b2',
    '#/run/a1b2/nothing',
    '#/run/a1b2/progress/more',
    '#/explore/a1b2',
    '#/explore/a1b2/first',
    '#/explore/a1b2/1/-2',
    '#/explore/a1b2/1/2/3',
    '#/explore//1',
    '#/explore/a1b2/1e3',
    '#/explore/%E0%A4%A/1',
    '#/compare/a/1',
    '#/compare/a/1/b',
    '#/compare/-/-/-'
  ])('leads nowhere: %s', (fragment) => {
    expect(routeAt(fragment)).toBeUndefined()
  })
})
