import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadTokenizer, type Tokenizer } from '../../main/models/tokenizer'
import { describeWithShared, sharedPath } from '../shared'
import goldens from './tokenizer.json'

interface Reference {
  readonly sequences: readonly { readonly name: string; readonly text: string; readonly token_ids: readonly number[] }[]
}

describeWithShared('token ids', () => {
  it.each(['neox-2m', 'gpt2-2m'])('equal the reference of %s', async (model) => {
    const tokenizer = await loadTokenizer(sharedPath('fixtures', model))
    const { sequences } = JSON.parse(readFileSync(sharedPath('fixtures', model, 'reference.json'), 'utf8')) as Reference
    for (const { name, text, token_ids: ids } of sequences) {
      expect(tokenizer.decode(ids), name).toBe(text)
      // One sequence is of random ids, which are not how its text is tokenised.
      if (!name.includes('random')) expect(tokenizer.encode(text), name).toEqual(ids)
    }
  })

  describe.each(['neox-2m', 'pythia-tokenizer'] as const)('of %s', (name) => {
    const { cases, corpus } = goldens[name]
    let tokenizer: Tokenizer
    beforeAll(async () => {
      tokenizer = await loadTokenizer(sharedPath('fixtures', name))
    })

    it('equal those of an independent implementation on awkward texts', () => {
      for (const { text, ids } of cases) {
        expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids)
        expect(tokenizer.decode(ids)).toBe(text.normalize('NFC'))
      }
    })

    it.each(Object.entries(corpus))('equal them on all of %s', (file, { tokens, sha256 }) => {
      const hash = createHash('sha256')
      let count = 0
      for (const line of readFileSync(sharedPath('fixtures', 'corpus', file), 'utf8').split('\n')) {
        if (line === '') continue
        const ids = tokenizer.encode((JSON.parse(line) as { text: string }).text)
        count += ids.length
        hash.update(Int32Array.from(ids))
      }
      expect([count, hash.digest('hex')]).toEqual([tokens, sha256])
    })
  })
})
