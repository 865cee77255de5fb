import { visibleMarkup } from './tools/visible-markup.js'

export default {
  compilerOptions: { runes: true },
  preprocess: [{ name: 'visible markup', markup: visibleMarkup }]
}
