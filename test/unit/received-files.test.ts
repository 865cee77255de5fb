import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, it } from 'vitest'
import { ReceivedFiles } from '../../main/api/received-files'

const content = new TextEncoder().encode('{}')

it('keeps what was received until it is removed, others have come, or the program closes', async () => {
  const received = new ReceivedFiles()
  const paths: string[] = []
  for (const name of ['a.json', 'b.json', 'c.json', 'd.json', 'e.json'])
    paths.push(await received.receive(name, content))
  expect(paths.map(existsSync)).toEqual([false, true, true, true, true])
  expect(await readFile(paths[4], 'utf8')).toBe('{}')
  await received.remove(paths[2])
  expect(existsSync(dirname(paths[2]))).toBe(false)
  await received.close()
  expect(paths.map((path) => existsSync(dirname(path)))).toEqual([false, false, false, false, false])
})

it('removes nothing that it did not receive', async () => {
  const received = new ReceivedFiles()
  const path = await received.receive('a.json', content)
  await new ReceivedFiles().remove(path)
  expect(existsSync(path)).toBe(true)
  await received.close()
})
