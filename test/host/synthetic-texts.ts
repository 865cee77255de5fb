/** Token texts as tokenizers make them, most frequent first, with all that a window must not stumble over. */
const common = (
  ' the|,|.| of| and| to| a| in|\n| is| that|-| for|(|)| "|:| on| with| as| was| by|;| be| are|=| it|\n\n| ' +
  'from| at| this|_| or|1| an|0|"| not|2| which| have|\'s|/|s|{|}| has| I| we|[|]|' +
  ' but| his| can| were|3|>|<|+| will| one| all|4|5|$| he| they| been| if|*|\\|\t|  |    |        | more| ' +
  'their| when| there| would|6| our|8|7|9|ing|ed|er|ly|tion|al|es|re|un|ment|able|ist|' +
  'ous|ity|ive|ness|th|an|in|en|on|or|it|is|at|ar|el| model| function| return| value| data| time| new| first| ' +
  'two| also| other| these| than|:\n|,\n|.\n|);\n| {\n|}\n|()|();|->|=>|==|!=|<=|>=|&&|||' +
  ' int| void| const| let| var| def| class| import| public| static| self| None| True| False| null| undefined| ' +
  'string| number| if| else| while| case| break| 	int|#include|//|/*|*/|"""|`|```|~|^|%|@|#|&|!|?|' +
  ' court| judge| plaintiff| defendant| appeal| v.| §| U.S.| patent| claim| invention| embodiment| wherein| ' +
  'said| patients| treatment| study| clinical| results| p| <| 0| .05| cells| protein| gene| expression|' +
  ' theorem| proof| lemma| Let| such| then| where| hence| \\| \\frac| \\alpha| \\beta| ' +
  '\\sum|_{|}^{|^{|}_{|\\begin|{equation|}| $| $$|$,|$.| x| y| n| k| i| j|<b>|</b>|<p>|</p>|<div class="| ' +
  'href="|&nbsp;|&lt;|&amp;|' +
  '<script>alert(1)</script>|<img src=x onerror=alert(1)>|https|://|www|.com|.org|@example|http| Mr| Mrs| Dr| ' +
  'President| New| York| London| January| March| 2019| 2020|2021| million| percent| ' +
  'per|%|€|£|°|±|×|÷|—|–|…|•|’|“|”|' +
  ' said| told| asked| answered| laughed| looked| hand| eyes| door| house| night| day| man| woman| child| ' +
  'people| world| country| government| company| market| price| war| peace|' +
  '的|是|在|不|了|有|和|人|这|中|大|为|上|个|国|我|以|要|他|时|来|用|们|生|到|作|地|于|出|就|分|对|成|会|可|主|发|年|动|数据|模型|聚类|' +
  'の|は|を|に|が|で|と|た|す|ます|です| и| в| не| на| что| это|ов|ени| שלום| עולם| של| את| العربية| مرحبا| في| من|ال| é| ' +
  'à| für| und| die| der| das| nicht| ñ| ç|ß|ø|å|' +
  '\r\n|\u00a0|\u200b|\ufeff|\u202e| ' +
  '\u202eabc|\u0000|\u0007|\u001b[31m|\u007f|�|👍|👩‍💻|🇺🇸|e\u0301|Z\u0351\u036b\u0343\u036a\u0302\u036b|\\n|\\t|' +
  '\\u0000|%s|%d|{{|}}|${|%}|<|im_start|>|<|endoftext|>|NaN|undefined|null|__proto__|constructor|toString| '
).split('|')

const odd = [
  '|',
  '||',
  `long ${'abcdefghij'.repeat(199)}`,
  ` ${'-'.repeat(79)}`,
  '\n'.repeat(12),
  ' '.repeat(63),
  '\t\t\t\t',
  ' supercalifragilisticexpialidocious',
  'x'.repeat(300)
]

/** Without repetitions; the empty text is last. */
export const texts: readonly string[] = [...[...new Set([...common, ...odd])].filter((text) => text !== ''), '']

/** As those of The Pile. */
export const subsets: readonly string[] = [
  'ArXiv',
  'BookCorpus2',
  'DM Mathematics',
  'Enron Emails',
  'EuroParl',
  'FreeLaw',
  'Github',
  'HackerNews',
  'NIH ExPorter',
  'OpenWebText2',
  'Pile-CC',
  'PubMed Abstracts',
  'StackExchange',
  'USPTO Backgrounds',
  'Wikipedia (en)'
]
