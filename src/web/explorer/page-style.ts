/** The style sheet of the explorer's pages. */
import { BASE_STYLE } from '../base-style.ts'

/** Levels that a tree of 2^53 leaves can have. */
const MAX_LEVELS = 54

/** The node of the drawing that belongs to the step which was followed last. */
const FOLLOWED = Array.from(
  { length: MAX_LEVELS },
  (_, i) => `.proof:has(#step-${i}:target) .n${i} rect`,
)

export const PAGE_STYLE: string = `${BASE_STYLE}
.bar{display:flex;flex-wrap:wrap;align-items:center;gap:.3rem 1.4rem;padding:.7rem 1.6rem;background:var(--paper);border-bottom:1px solid var(--line)}
.brand{display:flex;align-items:center;gap:.55rem;color:var(--ink);font-weight:650;text-decoration:none;overflow-wrap:anywhere}
.brand svg{flex:none;width:1.5rem;height:1.5rem;fill:var(--accent)}
.bar nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:0;padding:0;list-style:none}
.bar nav a{display:block;padding:.25rem 0;text-decoration:none;border-bottom:2px solid transparent}
.bar nav a:hover{border-color:var(--edge)}.bar nav a[aria-current]{color:var(--ink);font-weight:600;border-color:var(--accent)}
.who{display:flex;align-items:center;gap:.7rem;margin-left:auto}.who form{margin:0}
main{max-width:76rem;margin:0 auto;padding:1.6rem 1.6rem 3rem}
footer{max-width:76rem;margin:0 auto;padding:0 1.6rem 2.5rem;color:var(--soft);font-size:.8125rem}footer a{color:inherit}
.top{display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:baseline;justify-content:space-between;margin-bottom:1rem}.top h1{margin:0;overflow-wrap:anywhere}
.live{display:flex;gap:.8rem;align-items:center;color:var(--soft);font-size:.8125rem}.live[hidden]{display:none}.live button{padding:.15rem .6rem;font-weight:400}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:0 0 1.2rem;background:var(--line);border:1px solid var(--line);border-radius:.5rem;overflow:hidden}
.figures div{display:flex;flex-direction:column;padding:.8rem 1rem;background:var(--paper)}
.figures dt{order:2;color:var(--soft);font-size:.8125rem}.figures dd{margin:0;font-size:1.35rem;font-weight:600;line-height:1.3;overflow-wrap:anywhere}
.columns{display:grid;grid-template-columns:1fr 1fr;gap:0 1.2rem;align-items:start}.columns>*{min-width:0}.heads{grid-template-columns:2fr 3fr}
.facts{display:grid;grid-template-columns:auto 1fr;gap:.15rem 1.2rem;margin:0}.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere;unicode-bidi:isolate;min-width:0}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:.875rem;line-height:1.4}
caption{padding:0 0 .3rem;text-align:left;color:var(--soft);font-size:.8125rem}
th,td{padding:.38rem 1rem .38rem 0;text-align:left;vertical-align:top;unicode-bidi:isolate}th:last-child,td:last-child{padding-right:0}
thead th{border-bottom:1px solid var(--edge);font-weight:600;white-space:nowrap}tbody th{font-weight:400}tbody tr+tr{border-top:1px solid var(--line)}
.n:first-child{width:1%}.n{text-align:right;white-space:nowrap}.nowrap{white-space:nowrap}td.mono{min-width:16rem}.witness{min-width:11rem;overflow-wrap:anywhere}.word{overflow-wrap:anywhere;min-width:6rem}
.tag{display:inline-block;padding:.02rem .5rem;border-radius:1rem;font-size:.8125rem;font-weight:600;white-space:nowrap}
.tag.good{background:var(--good-soft)}.tag.warn{background:var(--warn-soft)}.tag.bad{background:var(--bad-soft)}.tag.plain{background:var(--rail);color:var(--soft)}
.notice{margin:0 0 1.2rem;padding:.7rem 1rem;border-left:.3rem solid;border-radius:.2rem}.notice p{margin:0;color:var(--ink)}
.notice.good{background:var(--good-soft)}.notice.warn{background:var(--warn-soft)}.notice.bad{background:var(--bad-soft)}
.chart{display:block;width:100%;height:auto;overflow:visible}
.chart .grid{stroke:var(--line);stroke-width:1}.chart .axis{stroke:var(--edge);stroke-width:1}.chart .tick{fill:var(--soft);font-size:12px}
.chart .stroke{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.chart .area{fill:var(--accent);opacity:.12}.chart .dot{fill:var(--accent)}
.chart .second{stroke:var(--warn);stroke-dasharray:5 4}.chart .dot.second{fill:var(--warn);stroke:none}
.key{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.3rem 0;padding:0;list-style:none;color:var(--soft);font-size:.8125rem}.key svg{width:1.6rem;height:.6rem;margin-right:.4rem}
.key .stroke{fill:none;stroke:var(--accent);stroke-width:2}.key .second{stroke:var(--warn);stroke-dasharray:5 4}
.ranges{display:flex;gap:.9rem;margin:0;padding:0;list-style:none;font-size:.8125rem}.ranges a[aria-current]{color:var(--ink);font-weight:600;text-decoration:none}
details{margin-top:.6rem}details summary{cursor:pointer;overflow-wrap:anywhere;color:var(--accent)}details[open]>summary{margin-bottom:.5rem}
.go{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end;margin:0 0 1.2rem}.go input{width:22rem}
.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.8rem 1rem;margin-bottom:1rem}.fields input,.fields select{width:100%}.fields .bad{font-size:.8125rem}
.pages{display:flex;flex-wrap:wrap;gap:.6rem;justify-content:space-between;margin:1rem 0 0}
.downloads{display:flex;flex-wrap:wrap;gap:.6rem;margin:.7rem 0 0;padding:0;list-style:none}
pre{margin:0;padding:.8rem 1rem;background:var(--ground);border-radius:.35rem;white-space:pre-wrap;overflow-wrap:anywhere;font:.8125rem/1.5 ui-monospace,"Cascadia Mono","Liberation Mono",Menlo,monospace;unicode-bidi:isolate}
.timeline{margin:.8rem 0 0;padding:0;list-style:none}
.timeline>li{position:relative;display:grid;grid-template-columns:8rem 1fr;gap:0 1rem;padding:0 0 1.1rem 1.6rem}
.timeline>li::before{content:"";position:absolute;left:.28rem;top:.42rem;width:.7rem;height:.7rem;border-radius:50%;background:var(--accent)}
.timeline>li::after{content:"";position:absolute;left:.57rem;top:1.25rem;bottom:-.3rem;width:2px;background:var(--line)}.timeline>li:last-child::after{display:none}
.timeline h3{margin:0;font-size:.9375rem;font-weight:650}.timeline h3::first-letter{text-transform:uppercase}
.timeline dl{display:grid;grid-template-columns:9rem 1fr;gap:.15rem 1rem;margin:0;min-width:0}.timeline dt{color:var(--soft);overflow-wrap:anywhere}.timeline dd{margin:0;min-width:0;overflow-wrap:anywhere;white-space:pre-wrap;unicode-bidi:isolate}
.timeline dd.wide{grid-column:1/-1}
.sealed{color:var(--soft);background:repeating-linear-gradient(135deg,var(--rail) 0 6px,transparent 6px 9px);padding:0 .45rem;border-radius:.2rem}.shown{border-left:3px solid var(--accent);padding-left:.5rem}
.proof{display:grid;grid-template-columns:minmax(0,25rem) 1fr;gap:1rem 2.5rem;align-items:start}.proof>*{min-width:0}
.tree{display:block;width:100%;max-width:25rem;height:auto}.tree .wire{fill:none;stroke:var(--edge);stroke-width:1.5}
.tree text{fill:var(--ink);font-size:13px}.tree .hash{font-family:ui-monospace,"Cascadia Mono","Liberation Mono",Menlo,monospace}.tree .about{fill:var(--soft);font-size:11.5px}
.tree rect{fill:var(--paper);stroke:var(--edge);stroke-width:1.5;stroke-dasharray:4 3}.tree .made rect{fill:var(--accent-soft);stroke:var(--accent);stroke-dasharray:none}
.tree .ends rect{fill:var(--good-soft);stroke:var(--good);stroke-dasharray:none}.tree .wrong rect{fill:var(--bad-soft);stroke:var(--bad)}
.tree a:hover rect,.tree a:focus rect{stroke-width:3}.tree a:focus{outline:none}
${FOLLOWED.join(',')}{stroke-width:3.5;stroke:var(--warn);fill:var(--warn-soft)}
.swatch{display:inline-block;width:1.1rem;height:.8rem;margin-right:.4rem;border:1.5px dashed var(--edge);border-radius:.15rem;vertical-align:-.1rem}.swatch.made{border:1.5px solid var(--accent);background:var(--accent-soft)}.swatch.ends{border:1.5px solid var(--good);background:var(--good-soft)}
.steps{position:sticky;top:1rem;margin:0;padding:0;list-style:none}.steps>li{padding:.25rem .9rem;border-left:3px solid var(--line)}.steps>li:target{border-color:var(--warn);background:var(--warn-soft)}
.steps:not(:target)>li:not(:target)>dl,.steps:not(:target)>li:not(:target)>p{display:none}
.steps h3{margin:0;font-size:.875rem;font-weight:400}.steps h3.good,.steps h3.bad{font-weight:600}.steps h3 a{color:inherit;text-decoration-color:var(--edge)}.steps dl{display:grid;grid-template-columns:3rem 1fr;gap:0 .6rem;margin:.2rem 0;font-size:.8125rem}.steps dt{color:var(--soft)}.steps dd{margin:0;overflow-wrap:anywhere}
.steps p{margin:.2rem 0 0;font-size:.8125rem}.steps p a{margin-right:1rem}
@media (max-width:56rem){main{padding:1.1rem 1rem 2rem}.bar{padding:.6rem 1rem}footer{padding:0 1rem 2rem}.card{padding:.9rem 1rem}
.columns,.heads,.proof{grid-template-columns:minmax(0,1fr)}.figures{grid-template-columns:repeat(2,1fr)}.figures dd{font-size:1.15rem}.chart .tick{font-size:17px}
.timeline>li{grid-template-columns:minmax(0,1fr)}.timeline dl{grid-template-columns:7rem minmax(0,1fr)}.go input{width:100%}.go>div{flex:1 1 14rem}.who{margin-left:0}}
@media print{.steps>li>dl{display:grid!important}.steps>li>p{display:block!important}.bar nav,.who,.live,.pages,.go{display:none}.card{border:0;padding:0}}
`
