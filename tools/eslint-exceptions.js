// Files that still exceed a lint cap. Never add any: split a file or break its lines, then remove it here.

/** Files above 400 lines; tests above 600. */
export const longFiles = [
  'test/bench/reliability.ts',
  'test/host/fake-bridge.ts',
  'test/unit/clustering.test.ts',
  'test/unit/exchange-annotated.test.ts',
  'test/unit/exchange.test.ts',
  'test/unit/sampling.test.ts'
]
