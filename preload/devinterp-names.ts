/** Names that devinterp gives to the same weights: `l2h1`, `l2g0`, `l2 mlp`; `embed`, `unembed` and `full` as here. */

const forms: readonly (readonly [ours: RegExp, theirs: RegExp, toTheirs: string, toOurs: string])[] = [
  [/^head:(\d+)\.(\d+)$/, /^l(\d+)\s*h(\d+)$/i, 'l$1h$2', 'head:$1.$2'],
  [/^group:(\d+)\.(\d+)$/, /^l(\d+)\s*g(\d+)$/i, 'l$1g$2', 'group:$1.$2'],
  [/^attn:(\d+)$/, /^l(\d+)[\s_]+attn$/i, 'l$1 attn', 'attn:$1'],
  [/^mlp:(\d+)$/, /^l(\d+)[\s_]+mlp$/i, 'l$1 mlp', 'mlp:$1'],
  [/^layer:(\d+)$/, /^l(\d+)$/i, 'l$1', 'layer:$1']
]

/** devinterp's name of a component. */
export const devinterpName = (component: string): string => {
  const form = forms.find(([ours]) => ours.test(component))
  return form === undefined ? component : component.replace(form[0], form[2])
}

/** The component that devinterp names so; any other name is given back. */
export const componentNamed = (name: string): string => {
  const form = forms.find(([, theirs]) => theirs.test(name))
  return form === undefined ? name : name.replace(form[1], form[3])
}
