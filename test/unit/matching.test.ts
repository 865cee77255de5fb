import { describe, expect, it } from 'vitest'
import { matching } from '../../main/base/matching'

describe('a regular expression of a person', () => {
  it('finds the texts that it matches', async () => {
    expect([...(await matching('^\\p{Lu}', ['Ab', 'ab', 'Ä', '']))]).toEqual([0, 2])
    expect([...(await matching('(?=x)', []))]).toEqual([])
  })

  it('is stopped where it takes too long, while this thread goes on, and the next one is answered', async () => {
    const slow = matching('(\\w+ ?)+:', ['word '.repeat(200)], 0.2)
    await new Promise((resolve) => setImmediate(resolve))
    const message = expect.stringContaining('took more than 0.2 s')
    await expect(slow).rejects.toMatchObject({ kind: 'input', message })
    expect([...(await matching('a', ['a']))]).toEqual([0])
  })

  it.each(['(', '[a', '(?<n>a)\\k<m>', '\\'])('is refused in a sentence where it is %s', async (source) => {
    const message = expect.stringMatching(/cannot be read \(.+\); correct it/)
    await expect(matching(source, ['a'])).rejects.toMatchObject({ kind: 'input', message })
  })
})
