/** The style sheet of a report: for a screen by day and by night, and for A4 or Letter on paper. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--paper:#fff;--ground:#f4f5f7;--ink:#1b2330;--soft:#556072;--line:#dde1e7;--rail:#eceff3;
--use:#2f6fb5;--change:#c97b12;--data:#7a5ab5;--oversight:#16857a;--tokens-in:#2f6fb5;--tokens-out:#8db4dd;
--good:#1a7145;--good-soft:#e7f4ec;--warn:#8a5a00;--warn-soft:#fdf3dc;--bad:#b3261e;--bad-soft:#fcebea}
@media (prefers-color-scheme:dark){:root{--paper:#171c24;--ground:#0f1319;--ink:#e6e9ee;--soft:#a3adbb;--line:#2f3743;
--rail:#252c36;--use:#6aa5e6;--change:#e3a54a;--data:#b094e6;--oversight:#4dbdb0;--tokens-in:#6aa5e6;--tokens-out:#3c628c;
--good:#6fcf97;--good-soft:#16291f;--warn:#f0c060;--warn-soft:#2b2413;--bad:#ff8a80;--bad-soft:#331a19}}
*{box-sizing:border-box}
html{background:var(--ground);-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:68rem;padding:3rem 3.5rem 4rem;background:var(--paper);color:var(--ink);
font:400 .9375rem/1.5 system-ui,"Segoe UI","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
h1,h2,h3{line-height:1.25;text-wrap:balance}
h1{margin:.15rem 0 .35rem;font-size:2.1rem;font-weight:650;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{margin:3rem 0 .35rem;padding-top:1rem;border-top:2px solid var(--ink);font-size:1.25rem;font-weight:650}
h2 .no{display:inline-block;min-width:1.9rem;color:var(--soft);font-weight:400}
h3{margin:1.6rem 0 .4rem;font-size:.9375rem;font-weight:650}
p{margin:.35rem 0;max-width:46rem}
a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:.15em}
.kicker{margin:0;color:var(--soft);font-size:.8125rem;letter-spacing:.08em;text-transform:uppercase}
.facts{display:grid;grid-template-columns:auto 1fr;gap:.1rem 1.2rem;margin:.8rem 0 0}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere;unicode-bidi:isolate}
.soft{color:var(--soft)}.small{font-size:.8125rem}
.verdict{display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 1rem;align-items:center;margin:1.6rem 0 1.2rem;padding:.9rem 1.2rem;
border-left:.35rem solid;border-radius:.2rem}
.verdict svg{width:2.2rem;height:2.2rem;fill:none;stroke:currentColor;stroke-width:2.2;stroke-linecap:round;stroke-linejoin:round}
.verdict strong{display:block;font-size:1.125rem}.verdict p{margin:0;color:var(--ink);overflow-wrap:anywhere}
.intact{color:var(--good);background:var(--good-soft)}.unproven{color:var(--warn);background:var(--warn-soft)}
.broken{color:var(--bad);background:var(--bad-soft)}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:0;background:var(--line);border:1px solid var(--line)}
.figures div{display:flex;flex-direction:column;padding:.7rem .9rem;background:var(--paper)}
.figures dt{order:2;color:var(--soft);font-size:.8125rem;line-height:1.35}
.figures .line{display:block}
.figures dd{margin:0;font-size:1.35rem;font-weight:600;line-height:1.3;overflow-wrap:anywhere}
nav ol{columns:3;margin:1.4rem 0 0;padding:0;list-style:none;font-size:.875rem}
nav li{break-inside:avoid;padding:.1rem 0}nav .no{display:inline-block;min-width:1.6rem;color:var(--soft)}
table{width:100%;border-collapse:collapse;margin:.6rem 0 .2rem;font-size:.8125rem;line-height:1.4}
caption{padding:.2rem 0;text-align:left;color:var(--soft)}
th,td{padding:.32rem .9rem .32rem 0;text-align:left;vertical-align:top;unicode-bidi:isolate}
th:last-child,td:last-child{padding-right:0}
thead th{border-bottom:1px solid var(--ink);vertical-align:bottom;font-weight:600;line-height:1.3}
tbody th{font-weight:400}
tbody tr{border-bottom:1px solid var(--line)}
tfoot th,tfoot td{border-top:1px solid var(--ink);font-weight:600}
.n{width:1%;text-align:right;white-space:nowrap}
.word{overflow-wrap:anywhere;min-width:5.5rem}.time,.nowrap{width:1%;white-space:nowrap}
.bar{width:34%}.used .bar{width:16%}.level{margin-top:.38rem}
.days .n,.days .nowrap{width:auto}.slim{width:28rem;max-width:100%}.slim .n{width:auto}
thead .mono{font-family:inherit;font-size:inherit}
.mono{font-family:ui-monospace,"Cascadia Mono","Liberation Mono",Menlo,monospace;font-size:.92em;overflow-wrap:anywhere}
.zero td,.zero th{color:var(--soft)}
.scroll{overflow-x:auto}
.split{display:grid;grid-template-columns:minmax(20rem,1fr) auto;gap:0 2.4rem;align-items:start}.split>*{min-width:0}
.charts{position:sticky;top:1rem}
.days td,.days th{padding-top:.1rem;padding-bottom:.1rem}
figure{margin:.6rem 0 1.2rem}
figcaption{margin-bottom:.3rem;font-weight:600;font-size:.875rem}
.chart{display:block;width:100%;height:auto;overflow:visible}
.chart .grid{stroke:var(--line);stroke-width:1}.chart .axis{stroke:var(--soft);stroke-width:1}
.chart .tick{fill:var(--soft);font-size:13px}
.level{display:block;width:100%;height:.55rem;min-width:4rem}.rail{fill:var(--rail)}
.use{fill:var(--use)}.change{fill:var(--change)}.data{fill:var(--data)}.oversight{fill:var(--oversight)}
.tokens-in{fill:var(--tokens-in)}.tokens-out{fill:var(--tokens-out)}
.key{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.3rem 0 0;padding:0;list-style:none;color:var(--soft);font-size:.8125rem}
.key svg{width:.65rem;height:.65rem;margin-right:.4rem}
.tag{display:inline-block;padding:0 .5rem;border-radius:.2rem;font-weight:600;white-space:nowrap}
.lines{margin:0}.lines div{display:flex;gap:.5em}.lines dt{flex:none;color:var(--soft)}.lines dd{margin:0;unicode-bidi:isolate}
.lines{width:auto}.links{width:38%;min-width:17rem}.pairs{margin:0}.pairs div{display:inline}.pairs div+div::before{content:" · ";color:var(--soft)}
.pairs dt,.pairs dd{display:inline;margin:0;overflow-wrap:anywhere}.pairs dd{unicode-bidi:isolate}.pairs dt{color:var(--soft)}.pairs dt::after{content:" "}
.none{margin:.6rem 0;color:var(--soft)}
footer{margin-top:3rem;padding-top:.8rem;border-top:1px solid var(--line);color:var(--soft);font-size:.8125rem}
@media screen and (max-width:50rem){body{padding:1.5rem 1.1rem 3rem}.split{display:block}.charts{position:static}
.figures{grid-template-columns:repeat(2,1fr)}nav ol{columns:1}h1{font-size:1.6rem}.word{min-width:8rem}.mono{min-width:11rem}}
@media print{:root{color-scheme:light;--paper:#fff;--ground:#fff;--ink:#111;--soft:#4d5663;--line:#d5d9df;--rail:#eceff3;
--use:#2f6fb5;--change:#c97b12;--data:#7a5ab5;--oversight:#16857a;--tokens-in:#2f6fb5;--tokens-out:#8db4dd;
--good:#1a7145;--good-soft:#e7f4ec;--warn:#8a5a00;--warn-soft:#fdf3dc;--bad:#b3261e;--bad-soft:#fcebea}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
html{background:none;font-size:10pt}body{max-width:none;padding:0}nav{display:none}
h2{margin-top:1.8rem;break-after:avoid}h3,figcaption,caption{break-after:avoid}
table{font-size:8pt}.days{font-size:7.5pt}thead{display:table-header-group}tfoot{display:table-row-group}
tr,figure,.verdict,.figures,.short,.short table{break-inside:avoid}.lead{break-after:avoid}p{orphans:3;widows:3}
.charts{position:static}.split{gap:0 1.4rem}.scroll{overflow:visible}a{text-decoration:none}
.figures dd{font-size:13pt}.links{width:27%;min-width:0}.split{break-inside:avoid}.days{line-height:1.3}.split{grid-template-columns:minmax(12rem,1fr) auto}.chart .tick{font-size:17px}.days td,.days th{padding-right:.45rem}.lines dd{overflow-wrap:anywhere}}
`

/** Running lines of the printed pages. @param title letters, digits and plain punctuation only */
export function pageBoxes(title: string): string {
  const font = 'font:7.5pt system-ui,"Liberation Sans",Arial,sans-serif;color:#4d5663'
  return `@page{size:A4;margin:16mm 15mm 18mm;@bottom-left{content:"${title}";${font}}@bottom-right{content:counter(page) " / " counter(pages);${font}}}`
}
