import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { projectRoot } from '../../main/base/entries'

const page = readFileSync(join(projectRoot, 'docs', 'security.md'), 'utf8')
const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| threat |'))
const named = [...page.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file)

test('every test that the page about security names is there', () => {
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((file) => !existsSync(join(projectRoot, file)))).toEqual([])
})

test('every row about folders and texts from elsewhere names a test', () => {
  const start = page.indexOf('## A folder from elsewhere')
  const sections = page.slice(start, page.indexOf('## A page from elsewhere'))
  const own = rows.filter((row) => sections.includes(row))
  expect(own.length).toBeGreaterThan(8)
  expect(own.filter((row) => !row.includes('`test/'))).toEqual([])
})
