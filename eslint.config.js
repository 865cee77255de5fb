import eslint from '@eslint/js'
import svelte from 'eslint-plugin-svelte'
import { defineConfig } from 'eslint/config'
import svelteParser from 'svelte-eslint-parser'
import tseslint from 'typescript-eslint'
import circles from './tools/eslint-circles.js'
import layers from './tools/eslint-layers.js'
import rooms from './tools/eslint-rooms.js'
import { longFiles } from './tools/eslint-exceptions.js'

export default defineConfig(
  { ignores: ['out/', 'dist/', 'coverage/', 'node_modules/', 'main/*/kernels/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  eslint.configs.recommended,
  // Text from a corpus is cleaned of control characters before a terminal sees it.
  { rules: { 'no-control-regex': 'off' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        {
          argsIgnorePattern: '^_',
          varsIgnorePattern: '^_',
          destructuredArrayIgnorePattern: '^_',
          ignoreRestSiblings: true
        }
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Indices and map look-ups inside numeric code are invariants: noUncheckedIndexedAccess is off, `!` states
      // them.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // One-line arrow functions return what they call; asynchronous interfaces have synchronous implementations.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/require-await': 'off',
      // Calls between processes are typed by their caller: a parameter used once is the point there.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-generated-empty-object-type': 'off'
    }
  },
  ...svelte.configs['flat/recommended'],
  { files: ['**/*.svelte.ts'], languageOptions: { parser: tseslint.parser } },
  // Maps and sets that a $derived makes anew need not be reactive themselves.
  { files: ['renderer/**'], rules: { 'svelte/prefer-svelte-reactivity': 'off' } },
  {
    // svelte-check has the types of components; here the rules that need none.
    files: ['**/*.svelte'],
    extends: [tseslint.configs.strict],
    languageOptions: { parser: svelteParser, parserOptions: { parser: tseslint.parser, projectService: false } },
    rules: {
      'no-undef': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-non-null-assertion': 'off'
    }
  },
  {
    // What is printed goes through one file, which makes it visible; the other writes a mark for a parent process.
    files: ['main/**/*.ts'],
    ignores: ['main/base/printed.ts', 'main/engine/apart/startup-output.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.property.name=write][callee.object.property.name=/^std(out|err)$/]',
          message: 'Print with base/printed.ts, which leaves nothing hidden.'
        }
      ]
    }
  },
  {
    // The build makes the text of components visible; what is drawn or said without markup has to ask for it.
    files: ['renderer/**', 'main/index.ts', 'main/index/**'],
    rules: {
      'svelte/no-at-html-tags': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'CallExpression[callee.property.name=/^(fill|stroke|measure)Text$/]' +
            ':not([arguments.0.callee.name=visibleText]):not([arguments.0.type=Literal])',
          message: 'Draw visibleText(…), which leaves nothing hidden.'
        },
        {
          selector: 'NewExpression[callee.name=Notification] Property:not([value.callee.name=visibleText])',
          message: 'Say visibleText(…), which leaves nothing hidden.'
        },
        {
          selector:
            'AssignmentExpression[left.property.name=/^(innerHTML|outerHTML|textContent|innerText|nodeValue)$/]',
          message: 'Show text in the markup of a component, which is made visible.'
        },
        {
          selector:
            'CallExpression[callee.property.name=/^(insertAdjacentHTML|write|setHTMLUnsafe)$/]' +
            '[callee.object.name=/^(document|element|node)$/]',
          message: 'Show text in the markup of a component, which is made visible.'
        }
      ]
    }
  },
  // Matchers such as expect.any() and parsed output are untyped by nature.
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-unsafe-assignment': 'off' } },
  { files: ['**/*.d.ts'], rules: { '@typescript-eslint/no-extraneous-class': 'off' } },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } }
  },
  {
    files: ['resources/site/*.js'],
    languageOptions: {
      sourceType: 'script',
      globals: Object.fromEntries(
        ['document', 'location', 'history', 'localStorage', 'matchMedia', 'addEventListener'].map((name) => [
          name,
          'readonly'
        ])
      )
    }
  },
  {
    files: ['main/**/*.ts'],
    ignores: ['main/base/confined-duckdb.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: '@duckdb/node-api',
              importNames: ['DuckDBInstance', 'DuckDBInstanceCache'],
              allowTypeImports: true,
              message: 'Open databases by main/base/confined-duckdb.ts, which keeps them from everything else.'
            }
          ]
        }
      ]
    }
  },
  {
    files: ['main/**/*.ts', 'preload/**/*.ts', 'renderer/**/*.ts', 'renderer/**/*.svelte'],
    plugins: { spectroscope: { rules: { layers, circles, rooms } } },
    rules: { 'spectroscope/layers': 'error', 'spectroscope/circles': 'error', 'spectroscope/rooms': 'error' }
  },
  // A file is read in one sitting, a line without scrolling. What still exceeds this is in tools/eslint-exceptions.js.
  { ignores: longFiles, rules: { 'max-lines': ['error', 400] } },
  { files: ['test/**'], ignores: longFiles, rules: { 'max-lines': ['error', 600] } },
  {
    rules: {
      'max-len': [
        'error',
        {
          code: 120,
          ignoreUrls: true,
          ignoreRegExpLiterals: true,
          // Prettier keeps these on one line, whatever their length.
          ignorePattern: '^\\s*(import |export .* from |(it|test|describe)\\()'
        }
      ]
    }
  }
)
