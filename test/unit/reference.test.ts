import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { withReference } from '../../tools/reference'

it('keeps the README reference of CONFIG.json equal to the schema (npm run reference writes it)', () => {
  const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8')
  expect(readme).toBe(withReference(readme))
})

it('gives every key of the schema a description', () => {
  const reference = withReference('<!-- reference: written by `npm run reference` --><!-- end of reference -->')
  const bare = reference.split('\n').filter((line) => line.startsWith('| `') && line.endsWith('|  |'))
  expect(bare).toEqual([])
})
