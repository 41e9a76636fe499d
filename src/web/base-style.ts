/** What the style sheets of all pages begin with: colours by day and by night, type, and the parts that they share. */
export const BASE_STYLE = `
:root{color-scheme:light dark;--paper:#fff;--ground:#f4f5f7;--ink:#1b2330;--soft:#556072;--line:#dde1e7;--edge:#8a94a3;--rail:#eceff3;
--accent:#1d5c9e;--accent-soft:#e8f0f9;--on-accent:#fff;--good:#1a7145;--good-soft:#e7f4ec;--warn:#8a5a00;--warn-soft:#fdf3dc;--bad:#b3261e;--bad-soft:#fcebea}
@media (prefers-color-scheme:dark){:root{--paper:#171c24;--ground:#0f1319;--ink:#e6e9ee;--soft:#a3adbb;--line:#2f3743;--edge:#77828f;--rail:#252c36;
--accent:#8bbcf0;--accent-soft:#1a2838;--on-accent:#0f1319;--good:#6fcf97;--good-soft:#16291f;--warn:#f0c060;--warn-soft:#2b2413;--bad:#ff8a80;--bad-soft:#331a19}}
*{box-sizing:border-box}
html{background:var(--ground);-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;color:var(--ink);font:400 .9375rem/1.5 system-ui,"Segoe UI","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
h1,h2,h3{line-height:1.25;text-wrap:balance}
h1{margin:0 0 .4rem;font-size:1.6rem;font-weight:650;letter-spacing:-.01em}
h2{margin:0 0 .6rem;font-size:1.0625rem;font-weight:650}
h3{margin:0 0 .4rem;font-size:.9375rem;font-weight:600}
p{margin:.35rem 0;max-width:46rem}
a{color:var(--accent);text-underline-offset:.15em}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:.2rem}
.soft{color:var(--soft)}.small{font-size:.8125rem}
.mono,code{font-family:ui-monospace,"Cascadia Mono","Liberation Mono",Menlo,monospace;font-size:.92em;overflow-wrap:anywhere}
.hidden{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:-99rem}.skip:focus{left:.5rem;top:.5rem;padding:.4rem .8rem;background:var(--paper);z-index:2}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
.card{margin:0 0 1.2rem;padding:1.1rem 1.3rem;background:var(--paper);border:1px solid var(--line);border-radius:.5rem}
button,.button{display:inline-block;padding:.42rem .9rem;border:1px solid var(--accent);border-radius:.35rem;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
button.quiet,.button.quiet{background:none;color:var(--accent)}
input,select,textarea{padding:.4rem .55rem;border:1px solid var(--edge);border-radius:.35rem;background:var(--paper);color:inherit;font:inherit;max-width:100%}
label{display:block;font-size:.8125rem;font-weight:600}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
@media (forced-colors:active){.card{border-color:CanvasText}}
`
