import { afterEach, describe, expect, test } from 'vitest'
import type { SuggestedName } from '../../preload/contract-naming'
import { SpectroscopeError } from '../../preload/errors'
import type { TokenInContext } from '../../preload/records'
import { completionsUrl, modelAt } from '../../main/naming/client'
import type { ModelAccess } from '../../main/naming/client'
import { nameClusters, scoreName } from '../../main/naming/name-clusters'
import type { NamingOrder, NamingSource } from '../../main/naming/name-clusters'
import { nameIn, namingMessages, oddIn, testMessages } from '../../main/naming/prompt'
import { completion, startModelServer } from '../model-server'
import type { ModelServer, Reply } from '../model-server'

const key = 'sk-secret-0123456789'
const { signal } = new AbortController()
const hello = [{ role: 'user', content: 'hello' }] as const
let server: ModelServer | undefined

afterEach(async () => {
  await server?.close()
  server = undefined
})

const serve = async (reply: Parameters<typeof startModelServer>[0]): Promise<ModelServer> =>
  (server = await startModelServer(reply))
const accessTo = ({ address }: ModelServer, changes: Partial<ModelAccess> = {}): ModelAccess => ({
  address,
  model: 'tiny',
  key,
  delay: 1,
  ...changes
})
const failureOf = async (work: Promise<unknown>): Promise<SpectroscopeError> => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason
  )
  if (error instanceof SpectroscopeError) return error
  throw new Error('it did not fail with a sentence')
}

describe('the address of a server', () => {
  test('is of http or https, and nothing is in it but a place', () => {
    expect(completionsUrl(' http://127.0.0.1:11434/v1/ ')).toBe('http://127.0.0.1:11434/v1/chat/completions')
    expect(completionsUrl('https://models.example')).toBe('https://models.example/chat/completions')
    for (const address of ['', 'localhost:80', 'file:///etc/passwd', 'http://me:word@host/v1', 'http://host/?a=1'])
      expect(() => completionsUrl(address)).toThrow('is no address of a model server')
  })
})

describe('asking a server', () => {
  test('sends the model, the messages and the key, and gives what the model says', async () => {
    const one = await serve(() => completion('yes'))
    expect(await modelAt(accessTo(one))(hello, signal)).toBe('yes')
    const [{ url, headers, body }] = one.asked
    expect([url, headers.authorization]).toEqual(['/v1/chat/completions', `Bearer ${key}`])
    expect(JSON.parse(body)).toMatchObject({ model: 'tiny', messages: hello, stream: false })
    await modelAt(accessTo(one, { key: '' }))(hello, signal)
    expect(one.asked[1].headers.authorization).toBeUndefined()
  })

  test.each<[string, Reply, string, number]>([
    ['a web page', { body: '<html>' }, 'answered with a web page', 1],
    ['nothing', { body: '' }, 'answered with nothing', 1],
    ['text', { body: 'nope' }, 'answered with text that is not JSON', 1],
    ['another shape', { body: '{"choices":[]}' }, 'answered without a message', 1],
    ['an empty message', completion(' \n'), 'answered with an empty message', 1],
    ['too much', completion('x'.repeat(2 ** 20)), 'answered with more than 1 MiB', 1],
    ['a redirect', { status: 307, headers: { Location: 'http://127.0.0.1:1/' } }, 'is not followed', 1],
    ['no permission', { status: 401 }, 'refused the key', 1],
    ['no such model', { status: 404, body: '{}' }, 'has no such model', 1],
    ['that it is busy', { status: 503 }, 'cannot be reached (HTTP 503)', 3]
  ])('fails with one sentence, without the key, where it answers %s', async (_, reply, words, times) => {
    const one = await serve(() => reply)
    const { kind, message } = await failureOf(modelAt(accessTo(one))(hello, signal))
    expect(kind).toBe('network')
    expect(message).toContain(words)
    expect(message).not.toContain(key)
    expect(one.asked).toHaveLength(times)
  })

  test('asks a busy server again', async () => {
    const one = await serve((_, number) => (number < 2 ? { status: 429 } : completion('at last')))
    expect(await modelAt(accessTo(one))(hello, signal)).toBe('at last')
  })

  test('gives a slow server up in time, one that is away after three attempts, and both when it is told to', async () => {
    const one = await serve(() => ({ silent: true }))
    const slow = await failureOf(modelAt(accessTo(one, { seconds: 0.05 }))(hello, signal))
    expect(slow.message).toContain('did not answer within 0.05 s')
    const stop = new AbortController()
    const stopped = failureOf(modelAt(accessTo(one))(hello, stop.signal))
    stop.abort()
    expect((await stopped).kind).toBe('interrupted')
    const access = accessTo(one)
    await one.close()
    server = undefined
    expect((await failureOf(modelAt(access)(hello, signal))).message).toContain('cannot be reached (ECONNREFUSED)')
  })
})

const context = (text: string): TokenInContext => ({
  token: 1,
  id: 1,
  text,
  row: 0,
  position: 3,
  subset: 'law',
  file: null,
  record: null,
  before: ['a', '\n', 'b '],
  after: [' c']
})

describe('what is sent and what comes back', () => {
  const evidence = { cluster: 4, size: 9, topTokens: [{ text: ')', count: 9 }], rule: 'the token is )' }
  const own = { ...evidence, contexts: [context(')')], nearest: [] }

  test('a request has the contexts, the nearest clusters, and taken names from the second time on', () => {
    const near = { ...evidence, cluster: 5, contexts: [context(']')], name: 'square brackets' }
    const said = (taken?: readonly string[]): string => namingMessages({ ...own, nearest: [near] }, taken)[1].content
    expect(said()).toContain(JSON.stringify('a\nb ⟦)⟧ c'))
    expect(said()).toContain('named "square brackets"')
    expect(said()).not.toContain('taken')
    expect(said(['brackets'])).toContain('["brackets"]')
  })

  test('a blind test has the name and numbered contexts', () => {
    const [, { content }] = testMessages('brackets', [context(')'), context('the')])
    expect(content).toBe(['Cluster: brackets', '1. "a\\nb ⟦)⟧ c"', '2. "a\\nb ⟦the⟧ c"'].join('\n'))
  })

  test('a name may stand in a fence or after thoughts, and ends on one line', () => {
    const said =
      '<think>{"name": "no"}</think>\n```json\n{"name": " closing\\nbrackets ", "description": "they close"}\n```'
    expect(nameIn(said)).toEqual({ name: 'closing brackets', description: 'they close' })
    expect(nameIn('{"name": "x"}')).toEqual({ name: 'x', description: '' })
    for (const wrong of ['brackets', '{}', '{"name": ""}', '{"name": 3}', '{"name": "x"', '[]'])
      expect(nameIn(wrong)).toBeUndefined()
  })

  test('the odd one is told by its number from 1', () => {
    expect(oddIn('{"odd": 3}')).toBe(2)
    expect(oddIn('It is {"odd": "6"}.')).toBe(5)
    expect(oddIn('the third')).toBeUndefined()
  })
})

describe('naming clusters', () => {
  const names = new Map<number, SuggestedName>()
  const source: NamingSource = {
    evidence: (cluster) =>
      Promise.resolve({ cluster, size: 9, topTokens: [], rule: '', contexts: [context('x')], nearest: [] }),
    test: (cluster, trial) =>
      Promise.resolve(cluster === 2 ? null : { contexts: [context('x'), context('y')], odd: trial % 2 }),
    taken: (cluster) =>
      Promise.resolve([...names.values()].filter((one) => one.cluster !== cluster).map((one) => one.name))
  }
  const order = (clusters: readonly number[]): NamingOrder => ({
    clusters,
    model: 'tiny',
    signal,
    onName: (name) => Promise.resolve(void names.set(name.cluster, name)),
    onProgress: () => {}
  })
  const isTest = (said: string): boolean => said.startsWith('Cluster: ')
  afterEach(() => names.clear())

  test('scores a name by the tests that the model passes, and not where there are none', async () => {
    const always = (): Promise<string> => Promise.resolve('{"odd": 1}')
    expect(await scoreName(always, source, 1, 'x', signal)).toEqual({ right: 3, of: 5 })
    expect(await scoreName(() => Promise.resolve('no idea'), source, 1, 'x', signal)).toEqual({ right: 0, of: 5 })
    expect(await scoreName(always, source, 2, 'x', signal)).toBeNull()
  })

  test('asks again for a name that is taken, and marks one that the model insists on', async () => {
    const one = await serve(({ said }) =>
      completion(
        isTest(said) ? '{"odd": 1}' : said.includes('"Brackets"') ? '{"name": "other"}' : '{"name": "Brackets"}'
      )
    )
    const ask = modelAt(accessTo(one))
    await nameClusters(ask, source, order([1, 2, 3]))
    expect([...names.values()].map(({ name, repeated }) => [name, repeated])).toEqual([
      ['Brackets', false],
      ['other', false],
      ['other (3)', true]
    ])
    expect(names.get(1)).toMatchObject({ model: 'tiny', description: '', score: { right: 3, of: 5 } })
  })

  test('goes on after a failure, and gives up after three in a row', async () => {
    let down = false
    const one = await serve(({ said }, number) => {
      if (isTest(said)) return completion('{"odd": 1}')
      return down || number === 0 ? completion('no name') : completion(`{"name": "name ${number}"}`)
    })
    const ask = modelAt(accessTo(one))
    expect(await nameClusters(ask, source, order([1, 2, 3]))).toMatchObject({ named: 2, failed: 1 })
    down = true
    const before = one.asked.length
    expect((await failureOf(nameClusters(ask, source, order([4, 5, 6, 7])))).message).toContain('without a name')
    expect(one.asked.length - before).toBe(3)
    expect([...names.keys()]).toEqual([2, 3])
  })
})
