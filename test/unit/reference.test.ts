import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { withReference } from '../../tools/reference'

it('keeps the tables of CONFIG.json equal to the schema (npm run reference writes it)', () => {
  const page = readFileSync(join(projectRoot, 'docs', 'reference.md'), 'utf8')
  expect(page).toBe(withReference(page))
})

it('gives every key of the schema a description', () => {
  const reference = withReference('<!-- reference: written by `npm run reference` --><!-- end of reference -->')
  const bare = reference.split('\n').filter((line) => line.startsWith('| `') && line.endsWith('|  |'))
  expect(bare).toEqual([])
})
