/** The page of a report in a real browser: it is drawn, by day, by night and on paper, and fits its window. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildReport } from '../../src/reports/build-report.ts'
import { reportHtml } from '../../src/reports/report-html.ts'
import { findChromium, runChromium } from '../support/chromium.ts'
import { reported, reportOf, sampleMonth } from '../support/report-records.ts'

const chromium = findChromium()
if (chromium === undefined)
  console.log('skipped: no Chromium is installed to look at the page with')

/** The colours of a screenshot, each pixel as 0xRRGGBB. */
function pixelsOf(png: Buffer): { width: number; height: number; pixels: Uint32Array } {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)]
  const channels = png[25] === 6 ? 4 : 3
  const data: Buffer[] = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') {
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
    }
  }
  const raw = inflateSync(Buffer.concat(data))
  const stride = width * channels
  const lines = Buffer.alloc(height * stride)
  const pixels = new Uint32Array(width * height)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]!
    for (let x = 0; x < stride; x++) {
      const here = y * stride + x
      const left = x < channels ? 0 : lines[here - channels]!
      const up = y === 0 ? 0 : lines[here - stride]!
      const corner = x < channels || y === 0 ? 0 : lines[here - stride - channels]!
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!
      lines[here] = raw[y * (stride + 1) + 1 + x]! + guess
    }
    for (let x = 0; x < width; x++) {
      pixels[y * width + x] = lines.readUIntBE(y * stride + x * channels, 3)
    }
  }
  return { width, height, pixels }
}

/** PNG (ISO/IEC 15948) section 9.4. */
function paeth(a: number, b: number, c: number): number {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)]
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c
}

describe.skipIf(chromium === undefined)('the page in a browser', () => {
  let folder = ''
  let url = ''
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cairn-report-'))
    writeFileSync(
      join(folder, 'report.html'),
      reportHtml(await buildReport(reportOf(sampleMonth(3)))),
    )
    url = `file://${folder}/report.html`
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const run = (...options: string[]) => runChromium(chromium!, join(folder, 'profile'), ...options)
  const shot = (name: string, ...options: string[]) => {
    const path = join(folder, `${name}.png`)
    run(`--screenshot=${path}`, '--window-size=1200,2200', ...options, url)
    const picture = pixelsOf(readFileSync(path))
    const counts = new Map<number, number>()
    for (const pixel of picture.pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
    return {
      ...picture,
      share: (colour: number) => (counts.get(colour) ?? 0) / picture.pixels.length,
    }
  }

  it('is drawn by day', () => {
    const { width, height, share } = shot('light')
    expect([width, height]).toEqual([1200, 2200])
    expect(share(0xffffff)).toBeGreaterThan(0.6)
    // The bars of the charts and the banner of the verdict.
    for (const colour of [0x2f6fb5, 0x8db4dd, 0xe7f4ec])
      expect(share(colour)).toBeGreaterThan(0.001)
    expect(share(0x171c24)).toBe(0)
  })

  it('is drawn by night', () => {
    const { share } = shot('dark', '--blink-settings=preferredColorScheme=0')
    expect(share(0x171c24)).toBeGreaterThan(0.6)
    for (const colour of [0x6aa5e6, 0x3c628c, 0x16291f])
      expect(share(colour)).toBeGreaterThan(0.001)
    expect(share(0xffffff)).toBeLessThan(0.001)
  })

  it('is printed', () => {
    const path = join(folder, 'report.pdf')
    run('--no-pdf-header-footer', `--print-to-pdf=${path}`, url)
    const pdf = readFileSync(path, 'latin1')
    expect(pdf.startsWith('%PDF-')).toBe(true)
    const pages = pdf.match(/\/Type\s*\/Page\b/g)?.length ?? 0
    expect(pages).toBeGreaterThanOrEqual(5)
    expect(pages).toBeLessThanOrEqual(10)
    // A4 in points.
    expect(pdf).toMatch(/\/MediaBox\s*\[0 0 59[45][.0-9]* 84[12][.0-9]*\]/)
  })

  it('is read as it was meant, whatever a record says', async () => {
    const hostile =
      '</td></table><script>document.title="owned"</script><img src=x onerror="document.title=1">'
    const record = reported(
      { type: 'access', action: hostile, extra: { basis: hostile } },
      1,
      '2026-11-05T00:00:00.000Z',
    )
    const path = join(folder, 'hostile.html')
    writeFileSync(path, reportHtml(await buildReport(reportOf([record]))))
    const dom = run('--dump-dom', `file://${path}`)
    expect(dom).toContain('<title>Audit report of acme, November 2026</title>')
    expect(dom).not.toMatch(/<(script|img)\b/)
    expect(dom).toContain('&lt;script&gt;')
  })
})
