import { describe, expect, it } from 'vitest'
import { parseHeader } from '../../main/models/safetensors-header'

const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
const tensor = (shape: readonly number[], offsets: readonly number[], dtype = 'F32'): string =>
  JSON.stringify({ dtype, shape, data_offsets: offsets })
const parse = (header: string | Uint8Array, dataBytes: number): string[] => {
  const bytes = Buffer.from(header)
  return parseHeader('m.safetensors', bytes, 8 + bytes.length + dataBytes).map(({ name }) => name)
}

// Each was given to safetensors 0.8.0 too: it takes the first list. Of the second it takes what its own
// specification forbids: a header with a space before it, and names that are given twice with the same bytes.
describe('a safetensors header', () => {
  const sound: [string, string, number, string[]][] = [
    ['no tensor', '{}', 0, []],
    ['spaces after it', `{"a":${entry}}  \n`, 4, ['a']],
    ['fields of its own', `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1.5}}`, 4, ['a']],
    ['metadata of null', `{"__metadata__":null,"a":${entry}}`, 4, ['a']],
    ['odd names', `{"":${entry},"__proto__":${tensor([1], [4, 8])}}`, 8, ['', '__proto__']],
    [
      'tensors of nothing at one place',
      `{"a":${tensor([0], [0, 0])},"b":${tensor([0], [0, 0])},"c":${tensor([1], [0, 4])}}`,
      4,
      ['a', 'b', 'c']
    ],
    ['a scalar', `{"a":${tensor([], [0, 4])}}`, 4, ['a']],
    ['elements of 4 bits', `{"a":${tensor([2], [0, 1], 'F4')}}`, 1, ['a']],
    ['elements of 6 bits', `{"a":${tensor([4], [0, 3], 'F6_E2M3')}}`, 3, ['a']],
    ['complex numbers', `{"a":${tensor([1], [0, 8], 'C64')}}`, 8, ['a']],
    ['weights that are not aligned', `{"a":${tensor([1], [0, 1], 'U8')},"b":${tensor([1], [1, 5])}}`, 5, ['a', 'b']]
  ]
  it.each(sound)('is read with %s', (_, header, bytes, names) => {
    expect(parse(header, bytes)).toEqual(names)
  })

  const refused: [string, string | Uint8Array, number, RegExp][] = [
    ['a space before it', ` {"a":${entry}}`, 4, /does not begin with "\{"/],
    ['a byte order mark', `\ufeff{"a":${entry}}`, 4, /does not begin with "\{"/],
    ['a list', '[]', 0, /does not begin with "\{"/],
    ['nothing', '', 0, /does not begin with "\{"/],
    ['a zero after it', `{"a":${entry}}\0`, 4, /not valid JSON/],
    ['what is no UTF-8', Buffer.from(`{"\u00ff":${entry}}`, 'latin1'), 4, /not valid UTF-8/],
    ['half a surrogate pair', `{"\\ud800":${entry}}`, 4, /is not valid text/],
    ['half a pair in its metadata', `{"__metadata__":{"a":"\\ud800"},"a":${entry}}`, 4, /"__metadata__" is not a map/],
    ['a name twice', `{"a":${entry},"a":${entry}}`, 4, /the header names "a" twice/],
    ['a name in two spellings', `{"a":${entry},"\\u0061":${tensor([1], [4, 8])}}`, 8, /the header names "a" twice/],
    [
      'a field twice',
      '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      /the header names "dtype" twice/
    ],
    [
      'metadata twice',
      `{"__metadata__":{},"__metadata__":{},"a":${entry}}`,
      4,
      /the header names "__metadata__" twice/
    ],
    ['a key of metadata twice', `{"__metadata__":{"k":"1","k":"2"},"a":${entry}}`, 4, /the header names "k" twice/],
    ['numbers in metadata', `{"__metadata__":{"k":1},"a":${entry}}`, 4, /"__metadata__" is not a map/],
    ['a list of metadata', `{"__metadata__":[],"a":${entry}}`, 4, /"__metadata__" is not a map/],
    ['bytes after the last tensor', `{"a":${entry}}`, 5, /no tensor covers the last 1 bytes/],
    ['bytes before the first', `{"a":${tensor([1], [4, 8])}}`, 8, /no tensor covers the 4 bytes before "a"/],
    ['bytes in between', `{"a":${entry},"b":${tensor([1], [8, 12])}}`, 12, /no tensor covers the 4 bytes before "b"/],
    ['two tensors at one place', `{"a":${entry},"b":${entry}}`, 4, /"a" and "b" overlap/],
    [
      'a tensor of nothing inside another',
      `{"a":${tensor([2], [0, 8])},"b":${tensor([0], [4, 4])}}`,
      8,
      /"a" and "b" overlap/
    ],
    ['three offsets', '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}', 4, /"a" lacks a valid dtype/],
    [
      'an offset of 4.0',
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4.0]}}',
      4,
      /has 4\.0 instead of a whole number/
    ],
    [
      'an offset of 4e0',
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4e0]}}',
      4,
      /has 4e0 instead of a whole number/
    ],
    [
      'an offset of -0',
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[-0,4]}}',
      4,
      /has -0 instead of a whole number/
    ],
    [
      'an unknown type',
      `{"a":${tensor([1], [0, 4], 'F31')}}`,
      4,
      /"a" is of the type "F31", which is not in the format/
    ],
    ['a type in small letters', `{"a":${tensor([1], [0, 4], 'f32')}}`, 4, /"a" is of the type "f32"/],
    ['half a byte', `{"a":${tensor([1], [0, 1], 'F4')}}`, 1, /takes no whole number of bytes/],
    ['a shape past 64 bits', `{"a":${tensor([2 ** 40, 2 ** 40, 0], [0, 0])}}`, 0, /takes no whole number of bytes/],
    [
      'a size past 53 bits',
      '{"a":{"dtype":"F32","shape":[9007199254740993,0],"data_offsets":[0,0]}}',
      0,
      /"a" lacks a valid dtype, shape/
    ],
    ['a name of 100,000 letters', `{"${'n'.repeat(100_000)}":${tensor([2], [0, 4])}}`, 4, /^.{0,300}$/]
  ]
  it.each(refused)('is refused with %s', (_, header, bytes, message) => {
    expect(() => parse(header, bytes)).toThrow(message)
    expect(() => parse(header, bytes)).toThrow(/^m\.safetensors: .*; download it again .*\.$/)
  })
})
